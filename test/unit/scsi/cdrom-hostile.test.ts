// A CD/DVD drive under random commands of its own table while its discs come and go, its store is late, fails and hangs, and initiators
// abort, reset and leave: each command ends once, within its room, and nothing stays behind.

import { createCdrom, MemoryStore, Nexus, Status, Target } from "@pvscsi/scsi";
import { type Random, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { chaotic } from "../../support/chaos-store.js";
import { noise, pick, spoil } from "../../support/random-command.js";
import { GuardedTask } from "./guarded-task.js";
import { IDENTITY, Initiator } from "./initiator.js";
import { reportedBy, usageOf } from "./opcode-table.js";
import { WatchedStore } from "./watched-store.js";

const COMMANDS = Number(process.env.FUZZ_COMMANDS ?? 5000);
const SECTOR = 2048;
const SIZES = [1, 200, 400, 80 * 60 * 75 + 10];
const TASKS = 24;
const ROOM = [0, 4, 8, 36, 100, SECTOR, 5000, 33 * 2352];
const CHAOS = { failing: 0.02, slow: 0.5, hanging: 0.005 };
const FUNCTIONS = ["abort-task", "abort-task", "abort-task-set", "clear-task-set", "logical-unit-reset"] as const;

/** Each command that a drive says it has: its opcode, service action and usage map. */
function usagesOf(initiator: Initiator): Uint8Array[] {
  return reportedBy(initiator).map((reported) => {
    const usage = usageOf(initiator, reported).slice();
    usage[0] = reported.opcode;
    return usage;
  });
}

/** Mostly small numbers where the map has any bit; now and then what is not in the map. */
function randomCdb(random: Random, usages: readonly Uint8Array[]): Uint8Array {
  if (random.chance(0.03)) return noise(random, 1 + random.below(16));
  const usage = pick(random, usages);
  const cdb = usage.map((mask, at) => {
    const service = usage.length > 6 && (usage[0] === 0x5e || usage[0] === 0x5f || usage[0] === 0xa3);
    if (at === 0 || (at === 1 && service)) return mask;
    return random.chance(0.6) ? 0 : mask & (random.chance(0.5) ? random.below(4) : random.below(256));
  });
  if (random.chance(0.1)) spoil(cdb, random, 1);
  return cdb;
}

async function run(seed: number): Promise<{ statuses: Record<number, number>; exchanged: number }> {
  const random = seededRandom(seed, "hostile drive");
  const clock = new Simulation(random.fork("order"));
  const target = new Target("0:0", [1]);
  const stores: WatchedStore[] = [];
  const disc = (): WatchedStore => {
    const memory = new MemoryStore(pick(random, SIZES) * SECTOR);
    const store = new WatchedStore(chaotic(memory, clock, random.fork(`disc ${stores.length}`), CHAOS));
    stores.push(store);
    return store;
  };
  const drive = createCdrom({ ...IDENTITY, store: disc(), clock });
  target.add(0, drive);
  const usages = usagesOf(new Initiator(target).settle());
  const nexuses = Array.from({ length: 3 }, () => new Nexus(target, { initiator: "hostile" }));
  const statuses: Record<number, number> = {};
  const exchanges: Promise<void>[] = [];
  let fault: string | null = null;
  const idle: GuardedTask[] = [];
  const ended = (task: GuardedTask, wrong: string | null): void => {
    statuses[task.task.status] = (statuses[task.task.status] ?? 0) + 1;
    if (wrong !== null) fault ??= `${task.describe()}: ${wrong}`;
    idle.push(task);
  };
  for (let i = 0; i < TASKS; i++) idle.push(new GuardedTask(ROOM[ROOM.length - 1], ended));
  const turn = (steps: number): void => {
    for (let i = 0; i < steps; i++) clock.step();
  };
  for (let tag = 1; tag <= COMMANDS; tag++) {
    const what = random.below(100);
    if (what === 0) exchanges.push(random.chance(0.5) ? drive.insert(disc()) : drive.takeOut());
    else if (what === 1) drive.pressEject();
    else if (what < 6 || idle.length === 0) {
      const name = idle.length === 0 ? "logical-unit-reset" : pick(random, FUNCTIONS);
      pick(random, nexuses).manage({ function: name, lun: 0, tag: tag - random.below(TASKS), completed: () => {} });
    }
    turn(random.below(4));
    // Promises of exchanges go on.
    if (tag % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    const task = idle.pop();
    if (task === undefined) continue;
    const cdb = randomCdb(random, usages);
    const sends = [0x15, 0x55, 0x5f, 0x4c, 0x3b, 0x1d].includes(cdb[0]);
    const room = pick(random, ROOM);
    pick(random, nexuses).submit(
      task.prepare(
        { cdb, out: sends ? noise(random, Math.min(room, 100)) : null, room: sends ? 0 : room },
        tag,
        0,
        random,
      ),
    );
    if (fault !== null) throw new Error(`seed ${seed}, command ${tag}: ${fault}`);
  }
  for (const store of stores) store.cancelAll();
  for (let waiting = 0; waiting < 200 && idle.length < TASKS; waiting++) {
    nexuses[0].manage({ function: "logical-unit-reset", lun: 0, completed: () => {} });
    for (const store of stores) store.cancelAll();
    turn(1000);
  }
  expect(idle.length, "tasks that have ended").to.equal(TASKS);
  await Promise.all(exchanges);
  const closing = nexuses.map((nexus) => nexus.close());
  turn(1000);
  await Promise.all(closing);
  await drive.close();
  for (const store of stores) {
    expect(store.underWay, "requests under way").to.equal(0);
    expect(store.fault).to.equal(null);
    expect(store.changes, "a disc was written").to.equal(0);
  }
  return { statuses, exchanged: exchanges.length };
}

describe("a CD/DVD drive under random commands", () => {
  for (const seed of [1, 2, 3]) {
    it(`ends each once, within its room, and holds nothing then: ${COMMANDS} of seed ${seed}`, async () => {
      const { statuses, exchanged } = await run(seed);
      if (COMMANDS < 1000) return;
      expect(statuses[Status.good]).to.be.above(COMMANDS / 20);
      expect(statuses[Status.checkCondition]).to.be.above(COMMANDS / 20);
      expect(exchanged).to.be.above(10);
    }).timeout(20_000 + COMMANDS * 4);
  }
});

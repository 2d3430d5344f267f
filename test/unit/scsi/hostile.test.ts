// A target under random commands: nothing ends twice or not at all, moves more than there is room for, or stays behind.

import { endWithSense, MemoryStore, Nexus, SENSE, Status, StoreRequest, Target, type Task } from "@pvscsi/scsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { collectGarbage } from "../../support/allocation.js";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { GuardedTask } from "./guarded-task.js";
import { HostileCommands, hostileCommands } from "./hostile-commands.js";
import { WatchedStore } from "./watched-store.js";

const COMMANDS = Number(process.env.FUZZ_COMMANDS ?? 5000);
const HISTORIES = Number(process.env.FUZZ_HISTORIES ?? 4);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** Bytes: code that is compiled meanwhile lies on the heap as well. */
const MOST_GROWTH = 1 << 20;

/** A unit that does not do what it should. */
class FaultyUnit extends HoldingUnit {
  readonly #act: (task: Task) => void;

  constructor(act: (task: Task) => void) {
    super();
    this.#act = act;
  }

  override execute(task: Task): void {
    this.#act(task);
  }
}

/** What is said of one command of 100 bytes at a unit. */
function judge(act: (task: Task) => void, out: Uint8Array | null = null): string | null {
  const target = new Target();
  target.add(0, new FaultyUnit(act));
  const nexus = new Nexus(target);
  const faults: (string | null)[] = [];
  const guarded = new GuardedTask(4096, (_task, fault) => faults.push(fault));
  const none: Random = { ...seededRandom(1), chance: () => false };
  const cdb = Uint8Array.of(0x12, 0, 0, 0, 100, 0);
  nexus.submit(guarded.prepare({ cdb, out, room: out === null ? 100 : 0 }, 1, 0, none));
  return faults[0];
}

describe("a target under random commands", () => {
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    it(`ends each once, within its room, and holds nothing then: ${COMMANDS} of seed ${seed}`, async () => {
      const { statuses } = await hostileCommands(seed, COMMANDS);
      if (COMMANDS < 1000) return;
      const { good, checkCondition, reservationConflict, taskAborted } = Status;
      expect(statuses).to.include.keys([good, checkCondition, reservationConflict, taskAborted].map(String));
      expect(statuses[good]).to.be.above(COMMANDS / 10);
    }).timeout(20_000 + COMMANDS);
  }

  it("does not grow with them", async () => {
    const history = new HostileCommands(SEED);
    const heapAfter = (commands: number): number => {
      history.run(commands);
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = heapAfter(6000);
    expect(heapAfter(6000) - before).to.be.below(MOST_GROWTH);
    await history.end();
  }).timeout(60_000);

  it("does the same again from the same seed", async () => {
    expect(await hostileCommands(7, 1000)).to.deep.equal(await hostileCommands(7, 1000));
  });

  for (const [what, fault, act] of [
    [
      "more was written than it says",
      "byte 10 was written, and 10 were moved",
      (task: Task) => {
        task.transferLength = 10;
        task.data.write(new Uint8Array(11));
        task.end(Status.good);
      },
    ],
    [
      "something beside its data was written",
      "byte 15 beside its data was written",
      (task: Task) => {
        task.data.page(0)[task.data.offset(0) - 1] = 0;
        task.end(Status.good);
      },
    ],
    ["there is no sense data", "0 bytes of sense with status 2", (task: Task) => task.end(Status.checkCondition)],
    [
      "the sense has no name",
      "additional sense 255/1, which has no name",
      (task: Task) => {
        endWithSense(task, { ...SENSE.lbaOutOfRange, asc: 0xff, ascq: 1 });
      },
    ],
    ["the status is none of SAM's", "status 3", (task: Task) => task.end(3)],
    [
      "a negative number of bytes was moved",
      "it moved -1",
      (task: Task) => {
        task.transferLength = -1;
        task.end(Status.good);
      },
    ],
  ] as const) {
    it(`would notice where ${what}`, () => {
      expect(judge(act)).to.equal(fault);
    });
  }

  it("would notice where a disk asks its store for more than there is", () => {
    const store = new WatchedStore(new MemoryStore(1024));
    store.submit(Object.assign(new StoreRequest(), { operation: "discard", offset: 512, length: 1024 }));
    expect(store.fault).to.equal("discard of 512+1024 in 1024 bytes");
    expect(store.underWay).to.equal(0);
  });

  it("would notice where what is sent was changed", () => {
    const changing = (task: Task): void => {
      task.data.write(Uint8Array.of(9));
      task.end(Status.good);
    };
    expect(judge(changing, new Uint8Array(100))).to.equal("what it sent was changed");
    expect(judge((task) => task.end(Status.good), new Uint8Array(100))).to.equal(null);
  });
});

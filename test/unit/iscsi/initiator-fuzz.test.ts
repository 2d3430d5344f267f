// Our initiator against a target that sends PDUs of random fields, most of them nearly right: nothing but the connection ends,
// each command ends once, and nothing is written outside of a command's own bytes.

import { FINAL, Opcode, Request } from "@pvscsi/iscsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { InitiatorWorld, type Probe } from "./initiator-world.js";
import { pduOf } from "./peer.js";
import { ScriptedTarget } from "./scripted-target.js";

const HISTORIES = 100;
const PDUS_EACH = 40;
const OPCODES = [
  ...Object.values(Opcode).filter((opcode) => opcode >= 0x20),
  ...[Opcode.dataIn, Opcode.dataIn, Opcode.readyToTransfer, Opcode.response],
];
const WORDS = [0, 0, 0, 1, 2, 512, 1024, 4096, 8192, 0xffff, 0x7fffffff, 0xffffffff];

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random.below(items.length)];

/** The next PDU, by a target that knows the tags and mostly its own numbers. */
function randomPdu(random: Random, target: ScriptedTarget, tags: readonly number[]): Buffer {
  const opcode = pick(random, OPCODES);
  const data = Buffer.alloc(pick(random, [0, 0, 2, 20, 512, 1024]), random.below(256));
  const flags = random.chance(0.5) ? FINAL : random.below(256);
  const bytes = pduOf(Request, { opcode, flags, itt: random.chance(0.9) ? pick(random, tags) : random.u32() }, data);
  bytes.writeUInt32BE(pick(random, WORDS), 20);
  const counts = opcode !== Opcode.readyToTransfer && (opcode !== Opcode.dataIn || (flags & 1) !== 0);
  bytes.writeUInt32BE(random.chance(0.97) ? target.statSN : random.u32(), 24);
  if (counts) target.statSN += 1;
  bytes.writeUInt32BE(1, 28);
  bytes.writeUInt32BE(random.chance(0.9) ? 64 : random.u32(), 32);
  for (const at of [36, 40, 44]) bytes.writeUInt32BE(random.chance(0.7) ? 0 : pick(random, WORDS), at);
  if (random.chance(0.02)) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

async function history(seed: number): Promise<{ connections: number; answered: number }> {
  const random = seededRandom(seed, "initiator");
  const world = new InitiatorWorld();
  const targets: ScriptedTarget[] = [];
  world.script = (line) => {
    const target = new ScriptedTarget(line);
    targets.push(target);
    return target;
  };
  const adapter = await world.open({ depth: 8 });
  const probes: Probe[] = [];
  for (let i = 0; i < PDUS_EACH; i++) {
    const kind = random.below(4);
    const cdb = blocksCdb(kind === 0 ? 0x2a : 0x28, 0, 8);
    if (kind < 3)
      probes.push(world.command(adapter, cdb, kind === 0 ? { data: FILL } : { room: 4096, skip: 64 }).queue());
    if (random.chance(0.05)) void adapter.reset("logicalUnitReset");
    await world.world.settle();
    const target = targets[targets.length - 1];
    const tags = target.asked.map(({ fields }) => fields.itt);
    if (tags.length > 0) target.give(randomPdu(random, target, tags));
    await world.world.settle();
    if (adapter.session.state === "lost") await world.world.pass(2001);
  }
  await world.world.settle();
  const closing = adapter.close();
  // The target has no answer to a logout.
  await world.world.pass(15_001);
  await world.settled(closing);
  for (const { ends, command } of probes) {
    expect(ends, `seed ${seed}`).to.equal(1);
    expect(command.residual, `seed ${seed}`).to.be.within(0, command.data.length);
    if (command.direction === "from-device") {
      const page = command.data.page(0);
      expect(
        page.subarray(0, 64).every((byte) => byte === 0),
        `seed ${seed}: before its bytes`,
      ).to.equal(true);
    }
  }
  return { connections: targets.length, answered: probes.filter(({ outcome }) => outcome.startsWith("ok/")).length };
}

const FILL = new Uint8Array(4096).fill(3);

describe("an iSCSI initiator at a random target", () => {
  it(`bears ${HISTORIES} histories of ${PDUS_EACH} PDUs`, async () => {
    let connections = 0;
    let answered = 0;
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const sum = await history(seed);
      connections += sum.connections;
      answered += sum.answered;
    }
    expect(connections, "connections").to.be.greaterThan(2 * HISTORIES);
    expect(answered, "answered").to.be.greaterThan(HISTORIES);
  }).timeout(60_000);
});

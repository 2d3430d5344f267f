import { Status } from "@pvscsi/scsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import type { Initiator, Sent } from "./initiator.js";
import { locate, position, read, rewind, withTape, write } from "./taping.js";

const COMMANDS = 5000;
const ENDINGS: readonly number[] = [Status.good, Status.checkCondition];

/** A CDB of a command that the drive has, or of none, with bits that are allowed, and now and then one that is not. */
function randomCdb(random: Random, usages: readonly Uint8Array[]): Uint8Array {
  if (random.chance(0.05)) return Uint8Array.from({ length: 16 }, () => random.below(256));
  const usage = usages[random.below(usages.length)];
  const cdb = usage.map((mask, i) => (i === 0 ? mask : random.chance(0.5) ? mask & random.below(256) : 0));
  if (random.chance(0.1)) cdb[1 + random.below(cdb.length - 1)] ^= 1 << random.below(8);
  return cdb;
}

function send(initiator: Initiator, random: Random, cdb: Uint8Array): Sent {
  const length = random.below(3) * random.below(5000);
  if (random.chance(0.5)) return initiator.send(cdb, { room: length });
  return initiator.send(cdb, { out: Uint8Array.from({ length }, () => random.below(256)) });
}

describe("a tape drive and an initiator that sends anything", () => {
  for (const seed of [1, 2]) {
    it(`ends each command once, and reads and writes afterwards (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const { initiator, drive } = await withTape();
      const usages = drive.table.rows.map(({ command, usage }) => {
        const map = usage.slice();
        if (command.serviceAction !== null) map[1] = 0x1f;
        return map;
      });
      for (let i = 0; i < COMMANDS; i++) {
        const cdb = randomCdb(random, usages);
        const sent = send(initiator, random, cdb);
        // FORMAT MEDIUM ends later, and what comes meanwhile waits for it.
        if (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
        expect(sent.ends, `command ${i}: ${cdb}`).to.equal(1);
        expect([...ENDINGS, Status.reservationConflict], `command ${i}: ${cdb}`).to.include(sent.status);
      }
      initiator.send("5f 06 00 00 00 00 00 00 18 00", { out: new Uint8Array(24) });
      initiator.nexus.manage({ function: "logical-unit-reset", lun: 0, tag: 0, completed: () => {} });
      initiator.settle();
      initiator.send("1b 00 00 00 01 00").good();
      rewind(initiator).good();
      const data = Uint8Array.of(1, 2, 3);
      write(initiator, data).good();
      expect(position(initiator).object).to.equal(1);
      locate(initiator, 0).good();
      expect(read(initiator, 3).bytes).to.deep.equal(data);
    });
  }
});

// Primary commands with any bytes in them and any data: each ends once, with a status and sense data that can be read.

import { decodeSense, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import fc from "fast-check";
import { withDisk } from "./initiator.js";

/** INQUIRY, MODE SENSE and SELECT, diagnostics, buffers, logs, copies, MAINTENANCE IN and OUT, with the lengths of their CDBs. */
const LENGTHS: ReadonlyMap<number, number> = new Map([
  [0x12, 6],
  [0x15, 6],
  [0x1a, 6],
  [0x1c, 6],
  [0x1d, 6],
  [0x3b, 10],
  [0x3c, 10],
  [0x4c, 10],
  [0x4d, 10],
  [0x55, 10],
  [0x5a, 10],
  [0x83, 16],
  [0x84, 16],
  [0xa3, 12],
  [0xa4, 12],
]);

/** Mostly zeros, so that checks behind the first one are reached. */
const byte = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) });

describe("random primary commands", () => {
  it("each end once", () => {
    const { initiator } = withDisk({ portGroups: [{ id: 0, name: "all", ports: [1] }] });
    const seen = new Set<number>();
    const attempt = fc.property(
      fc.constantFrom(...LENGTHS.keys()),
      fc.array(byte, { minLength: 15, maxLength: 15 }),
      fc.array(byte, { maxLength: 160 }),
      fc.boolean(),
      (opcode, rest, data, sends) => {
        const cdb = Uint8Array.of(opcode, ...rest).subarray(0, LENGTHS.get(opcode));
        // A descriptor of copying, where there is room for one.
        if (opcode === 0x83 && data.length > 48)
          data.splice(0, 17, 1, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 0, 0xe4);
        const sent = initiator.send(cdb, sends ? { out: Uint8Array.from(data) } : { room: data.length });
        expect(sent.ends).to.equal(1);
        seen.add(sent.task.status);
        expect(sent.task.status).to.be.oneOf([Status.good, Status.checkCondition]);
        if (sent.task.status === Status.checkCondition) {
          expect(decodeSense(sent.task.sense, sent.task.senseLength)).not.to.equal(null);
        }
      },
    );
    fc.assert(attempt, { seed: 83, numRuns: 4000 });
    expect(seen.size).to.equal(2);
    initiator.settle().send("00 00 00 00 00 00").good();
  });
});

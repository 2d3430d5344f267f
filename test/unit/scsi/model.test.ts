// A disk against a flat model: whatever is written, zeroed and unmapped, every block reads as the model has it.

import { createDisk, MemoryStore, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import fc from "fast-check";
import { IDENTITY, Initiator, pattern } from "./initiator.js";

const BLOCKS = 200;

type Action = readonly [
  kind: "write" | "read" | "unmap" | "same" | "zero" | "compare" | "verify",
  lba: number,
  blocks: number,
  seed: number,
];

const action: fc.Arbitrary<Action> = fc.tuple(
  fc.constantFrom("write", "read", "unmap", "same", "zero", "compare", "verify"),
  fc.nat(BLOCKS),
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 200 }),
);

const long = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

class Pair {
  readonly model: Uint8Array;
  readonly initiator: Initiator;
  readonly size: number;

  constructor(blockSize: 512 | 4096) {
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, blockSize, store: new MemoryStore(BLOCKS * blockSize) }));
    this.initiator = new Initiator(target).settle();
    this.model = new Uint8Array(BLOCKS * blockSize);
    this.size = blockSize;
  }

  run([kind, lba, blocks, seed]: Action): void {
    const count = kind === "compare" ? Math.min(blocks, 8) : blocks;
    const sent = this.#send(kind, lba, count, seed);
    if (lba + count > BLOCKS) {
      expect(sent.status).to.equal(2);
      return;
    }
    const at = lba * this.size;
    const end = at + count * this.size;
    if (kind === "read") expect(sent.bytes).to.deep.equal(this.model.slice(at, end));
    else sent.good();
    if (kind === "write") this.model.set(pattern(end - at, seed), at);
    if (kind === "unmap" || kind === "zero") this.model.fill(0, at, end);
    if (kind === "same") for (let to = at; to < end; to += this.size) this.model.set(pattern(this.size, seed), to);
    if (kind === "compare") this.model.set(pattern(end - at, seed), at);
  }

  #send(kind: Action[0], lba: number, blocks: number, seed: number) {
    const range = `${long(lba, 16)} ${long(blocks, 8)} 00 00`;
    const length = blocks * this.size;
    const there = new Uint8Array(length);
    there.set(this.model.subarray(lba * this.size, lba * this.size + length));
    switch (kind) {
      case "write":
        return this.initiator.send(`8a 00 ${range}`, { out: pattern(length, seed) });
      case "read":
        return this.initiator.send(`88 00 ${range}`, { room: length });
      case "verify":
        return this.initiator.send(`8f 02 ${range}`, { out: there });
      case "same":
        return this.initiator.send(`93 00 ${range}`, { out: pattern(this.size, seed) });
      case "zero":
        return this.initiator.send(`93 0${seed % 2 ? 9 : 1} ${range}`);
      case "unmap":
        return this.initiator.send("42 00 00 00 00 00 00 00 18 00", {
          out: `0016 0010 00000000 ${long(lba, 16)} ${long(blocks, 8)} 00000000`,
        });
      case "compare":
        return this.initiator.send(`89 00 ${long(lba, 16)} 00 00 00 ${long(blocks, 2)} 00 00`, {
          out: Uint8Array.of(...there, ...pattern(length, seed)),
        });
    }
  }
}

describe("a disk and a flat model of it", () => {
  for (const blockSize of [512, 4096] as const) {
    it(`stay the same through any commands, blocks of ${blockSize}`, () => {
      fc.assert(
        fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
          const pair = new Pair(blockSize);
          for (const one of actions) pair.run(one);
          pair.run(["read", 0, BLOCKS, 0]);
        }),
        { numRuns: blockSize === 512 ? 60 : 15 },
      );
    }).timeout(10_000);
  }
});

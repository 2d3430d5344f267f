// What runs once per command allocates nothing: cursors over records, lists of pieces.

import { Places, type RecordOf } from "@pvscsi/wire";
import { expect } from "chai";
import { allocatedPerRecord } from "../../support/allocation.js";
import { Request } from "./records.js";

describe("a cursor in steady state", () => {
  const request = new Request(new Uint8Array(16 * Request.size).fill(0x11));
  for (let i = 0; i < 16; i++) request.at(i * Request.size).address = 2 ** 40 + i;
  let sum = 0;

  const walk = (each: (record: RecordOf<typeof Request>) => void) => (records: number) => {
    for (let i = 0; i < records; i++) each(request.at((i & 15) * Request.size));
  };

  it("moves and reads and writes 10^6 records without allocating", () => {
    const scalars = walk((record) => {
      const segment = record.segments.at(sum & 3);
      sum = (sum + record.id + record.kind + record.status + record.address + record.block + segment.gref) & 0xffff;
      record.id = sum;
      segment.gref = sum;
    });
    expect(allocatedPerRecord(scalars)).to.be.below(1);
  });

  it("is measured by something that would see one small object a record", () => {
    let kept: object = {};
    const objects = walk((record) => {
      kept = { id: record.id };
    });
    expect(allocatedPerRecord(objects)).to.be.above(8);
    expect(kept).to.have.property("id");
  });
});

describe("a list of pieces in steady state", () => {
  it("is filled, selected from and copied in steady state without allocating", () => {
    const page = new Uint8Array(4096);
    const places = new Places();
    const chosen = new Places();
    const small = new Uint8Array(36);
    const commands = (count: number) => {
      for (let i = 0; i < count; i++) {
        places.clear();
        places.add(page, i & 1023, 512);
        places.add(page, 0, 4096);
        chosen.select(places, i & 511, 1000);
        chosen.write(small, 3);
        chosen.read(small);
      }
    };
    expect(allocatedPerRecord(commands)).to.be.below(1);
  });
});

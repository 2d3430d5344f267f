// The reader of the layouts that a C compiler gave, and the comparison with a struct table.

import { array, pad, struct, u8, u16, u32 } from "@pvscsi/wire";
import { expect } from "chai";
import { layoutDifferences, parseAbiDump } from "../../support/abi-dump.js";
import { goldenText } from "../../support/repository.js";

const dump = parseAbiDump(goldenText("abi-dump-x86_64.txt"));

describe("the dump of Xen's headers", () => {
  it("is read whole: structs, fields, constants, error numbers, protocols", () => {
    expect(dump.structs).to.have.length(24);
    expect(dump.constants).to.have.length(142);
    expect(dump.structs.get("vscsiif_request")?.fields.get("seg")).to.deep.equal({ offset: 32, size: 208 });
    expect(dump.structs.get("vscsiif_sring")?.fields.get("ring")).to.deep.equal({ offset: 64, size: 252 });
    expect(dump.structs.get("front_ring")?.size).to.equal(24);
    expect(dump.constants.get("GNTST_eagain")).to.equal(-12);
    expect(dump.constants.get("EISCONN")).to.equal(106);
    expect(dump.constants.get("__CONST_RING_SIZE(vscsiif,4096)")).to.equal(16);
    expect(dump.protocols.get("x86_32")).to.equal("x86_32-abi");
  });

  it("refuses a line that it does not know", () => {
    expect(() => parseAbiDump("struct a sizeof=4 align=4\n  b off=x\n")).to.throw("not understood:   b off=x");
  });
});

describe("layoutDifferences", () => {
  const Segment = struct("scsiif_request_segment", 8, { gref: u32(0), offset: u16(4), length: u16(6) });
  const SegmentList = (count: number, rest: number) =>
    struct("vscsiif_sg_list", 4 + count * 8 + rest, {
      rqid: u16(0),
      act: u8(2),
      segmentCount: u8(3),
      segments: array(4, count, Segment),
      spare: pad(4 + count * 8, rest),
    });
  const members = { segmentCount: "nr_segments", segments: "seg" };

  it("finds nothing where table and header agree", () => {
    expect(layoutDifferences(dump, { struct: Segment })).to.deep.equal([]);
    expect(layoutDifferences(dump, { struct: SegmentList(31, 0), members })).to.deep.equal([]);
  });

  it("finds another size, another field, a field too many and one too few", () => {
    expect(layoutDifferences(dump, { struct: SegmentList(30, 8), members })).to.deep.equal([
      "vscsiif_sg_list.seg: 4+240, not 4+248",
    ]);
    expect(layoutDifferences(dump, { struct: SegmentList(31, 4), members })).to.deep.equal([
      "vscsiif_sg_list: 256 bytes, not 252",
    ]);
    expect(layoutDifferences(dump, { struct: SegmentList(31, 0), members: { segments: "seg" } })).to.deep.equal([
      "vscsiif_sg_list.segment_count: 3+1, not nothing",
      "vscsiif_sg_list: no nr_segments 3+1",
    ]);
  });

  it("finds a struct that the header does not have", () => {
    expect(layoutDifferences(dump, { struct: struct("vscsiif_nothing", 1, { a: u8(0) }) })).to.deep.equal([
      "vscsiif_nothing is not in the dump",
    ]);
  });
});

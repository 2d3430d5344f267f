// Segments that lie in pages of descriptors: copied once, then checked, then used.

import type { Loan } from "@pvscsi/xen";
import { expect } from "chai";
import type { Granted, ScriptedFront } from "../../support/scripted-front.js";
import { onEachPlatform, read10, Stand, write10 } from "./stand.js";

const ERROR = 0x70000;
type Segment = readonly [gref: number, offset: number, length: number];

function describeSegments(page: Granted, at: number, segments: readonly Segment[]): void {
  const view = new DataView(page.page.bytes.buffer, page.page.bytes.byteOffset, 4096);
  for (const [index, [gref, offset, length]] of segments.entries()) {
    view.setUint32(at + 8 * index, gref, true);
    view.setUint16(at + 8 * index + 4, offset, true);
    view.setUint16(at + 8 * index + 6, length, true);
  }
}

onEachPlatform("indirect segments", (platform) => {
  let stand: Stand;
  let front: ScriptedFront;
  let list: Granted;
  let data: Granted;

  beforeEach(async () => {
    stand = await Stand.make({}, platform);
    front = await stand.connected();
    list = front.grant("read-only");
    data = front.grant("read-write");
  });
  afterEach(() => stand.end());

  const inquiry = async (pieces: readonly Segment[], count = 0x80 | pieces.length) => {
    const cdb = [0x12, 0, 0, 0, 36, 0];
    return (await front.send({ cdb, direction: 2, segmentCount: count, segments: pieces }))[0];
  };

  it("are read from one piece", async () => {
    describeSegments(list, 0, [
      [data.gref, 0, 10],
      [data.gref, 100, 26],
    ]);
    expect(await inquiry([[list.gref, 0, 16]])).to.include({ rslt: 0, residual: 0 });
    expect(Buffer.from(data.page.bytes.subarray(100, 106)).toString()).to.equal("SCSI  ");
  });

  it("are read from several pieces, at any offset, in order, and in the same page twice", async () => {
    const other = front.grant("read-write");
    describeSegments(list, 4088, [[data.gref, 4000, 8]]);
    describeSegments(other, 4, [
      [data.gref, 0, 4],
      [data.gref, 8, 24],
    ]);
    const pieces: Segment[] = [
      [list.gref, 4088, 8],
      [other.gref, 4, 8],
      [other.gref, 12, 8],
    ];
    expect(await inquiry(pieces)).to.include({ rslt: 0, residual: 0 });
    expect(Buffer.from(data.page.bytes.subarray(0, 4)).toString()).to.equal("PVSC");
    expect(Buffer.from(data.page.bytes.subarray(8, 12)).toString()).to.equal("SI  ");
  });

  it("move 128 pages both ways", async () => {
    const pages = Array.from({ length: 128 }, () => front.grant("read-write"));
    for (const [index, { page }] of pages.entries()) page.bytes.fill(index + 1);
    describeSegments(
      list,
      0,
      pages.map(({ gref }) => [gref, 0, 4096]),
    );
    const segments: Segment[] = [[list.gref, 0, 1024]];
    const cdbOf = (operation: number) => [operation, 0, 0, 0, 0, 0, 0, 4, 0, 0];
    const [written] = await front.send({ cdb: cdbOf(0x2a), direction: 1, segmentCount: 0x81, segments });
    for (const { page } of pages) page.bytes.fill(0);
    const [read] = await front.send({ cdb: cdbOf(0x28), direction: 2, segmentCount: 0x81, segments });
    expect([written.rslt, read.rslt]).to.deep.equal([0, 0]);
    expect(pages.map(({ page }) => [page.bytes[0], page.bytes[4095]])).to.deep.equal(
      pages.map((_, index) => [index + 1, index + 1]),
    );
  });

  it("may be mixed with direct ones, request by request", async () => {
    describeSegments(list, 0, [[data.gref, 0, 512]]);
    const answers = await front.send(
      { cdb: write10(0, 1), direction: 1, segments: [[data.gref, 0, 512]] },
      { cdb: read10(0, 1), direction: 2, segmentCount: 0x81, segments: [[list.gref, 0, 8]] },
    );
    expect(answers.map(({ rslt }) => rslt)).to.deep.equal([0, 0]);
  });

  it("may be none: a list of no bytes is no data", async () => {
    const answers = await front.send({ segmentCount: 0x81, segments: [[list.gref, 0, 0]] });
    expect(answers[0].rslt).to.equal(0);
  });

  const refused: { readonly [name: string]: [pieces: (front: ScriptedFront) => Segment[], reason: string] } = {
    "a length that is no multiple of 8": [() => [[list.gref, 0, 12]], "a list of 12 bytes"],
    "a piece over the page's end": [() => [[list.gref, 4092, 8]], "list of segment 4092+8"],
    "a piece at offset 4096": [() => [[list.gref, 4096, 0]], "list of segment 4096+0"],
    "129 descriptors in one piece": [() => [[list.gref, 0, 1032]], "more than 128 segments"],
    "129 descriptors in two pieces": [
      () => [
        [list.gref, 0, 1024],
        [list.gref, 0, 8],
      ],
      "more than 128 segments",
    ],
    "a list that is not granted": [() => [[4000, 0, 8]], "grant status -3 of a list"],
    "a list that is granted to nobody": [() => [[300, 0, 8]], "grant status -1 of a list"],
    "26 lists, the last of which is not granted": [
      () => [...new Array(25).fill([list.gref, 0, 8]), [300, 0, 8]],
      "grant status -1 of a list",
    ],
    "a list in the ring page, whose bytes are no segments": [
      ({ ring }) => [[ring.gref, 64, 8]],
      // Slot 0 holds the first request: its rqid and act make a reference, CDB bytes offset and length.
      "grant status -3",
    ],
  };
  for (const [name, [pieces, reason]] of Object.entries(refused)) {
    it(`refuse ${name}`, async () => {
      describeSegments(list, 0, new Array(129).fill([data.gref, 0, 8]));
      const answer = await inquiry(pieces(front));
      expect([answer.rslt, answer.clean]).to.deep.equal([ERROR, true]);
      expect(stand.refusals).to.deep.equal([reason]);
    });
  }

  const wrong: { readonly [name: string]: [descriptor: (front: ScriptedFront) => Segment, reason: string] } = {
    "at offset 4096": [() => [data.gref, 4096, 0], "segment 4096+0"],
    "over the page's end": [() => [data.gref, 4000, 97], "segment 4000+97"],
    "of 65535 bytes": [() => [data.gref, 0, 65535], "segment 0+65535"],
    "of a grant for reading, to be written": [() => [list.gref, 0, 8], "grant status -1"],
    "of a grant beyond the table": [() => [0xffffffff, 0, 8], "grant status -3"],
  };
  for (const [name, [descriptor, reason]] of Object.entries(wrong)) {
    it(`refuse a descriptor ${name}, behind good ones`, async () => {
      describeSegments(list, 0, [[data.gref, 0, 8], descriptor(front), [data.gref, 0, 8]]);
      const answer = await inquiry([[list.gref, 0, 24]]);
      expect([answer.rslt, answer.clean]).to.deep.equal([ERROR, true]);
      expect(stand.refusals).to.deep.equal([reason]);
    });
  }

  it("may describe the page of descriptors itself: it is written only after it was read", async () => {
    const self = front.grant("read-write");
    describeSegments(self, 0, [
      [self.gref, 0, 16],
      [data.gref, 0, 20],
    ]);
    expect(await inquiry([[self.gref, 0, 16]])).to.include({ rslt: 0, residual: 0 });
    expect(Buffer.from(self.page.bytes.subarray(8, 16)).toString()).to.equal("PVSCSI  ");
    expect(Buffer.from(data.page.bytes.subarray(0, 4)).toString()).to.equal("test");
  });

  it("may describe the ring page: what a front end does to its own ring harms nobody else", async () => {
    describeSegments(list, 0, [[front.ring.gref, 64 + 15 * 252, 36]]);
    expect((await inquiry([[list.gref, 0, 8]])).rslt).to.equal(0);
  });

  it("XSA-155: are not read again, however the front end changes them between check and use", async () => {
    const { borrow } = stand.domain;
    let loans = 0;
    stand.domain.borrow = (loan: Loan) => {
      loans += 1;
      borrow.call(stand.domain, loan);
      // The second loan is the data: the descriptors have been copied by then.
      if (loans === 2) describeSegments(list, 0, new Array(2).fill([0xffffffff, 0xffff, 0xffff]));
    };
    describeSegments(list, 0, [
      [data.gref, 0, 18],
      [data.gref, 18, 18],
    ]);
    expect(await inquiry([[list.gref, 0, 16]])).to.include({ rslt: 0, residual: 0 });
    expect([loans, data.page.bytes[8]]).to.deep.equal([2, 0x50]);
  });

  it("XSA-155: are read once: what changes while they are copied is the only version there is", async () => {
    const { borrow } = stand.domain;
    stand.domain.borrow = (loan: Loan) => {
      describeSegments(list, 0, [[data.gref, 4096, 1]]);
      borrow.call(stand.domain, loan);
    };
    describeSegments(list, 0, [[data.gref, 0, 36]]);
    expect((await inquiry([[list.gref, 0, 8]])).rslt).to.equal(ERROR);
  });
});

onEachPlatform("feature-sg-grant", (platform) => {
  for (const [limit, text] of [
    [128, "128"],
    [512, "512"],
    [null, null],
  ] as const) {
    it(`of ${limit} is offered as ${text}, and kept`, async () => {
      const stand = await Stand.make({ indirectLimit: limit }, platform);
      const front = await stand.connected();
      expect(await stand.world.read(`${front.nodes.back}/feature-sg-grant`)).to.equal(text);
      const list = front.grant("read-only");
      // Xen counts the uses of one grant in seven bits.
      const pages = Array.from({ length: 5 }, () => front.grant("read-write"));
      const segments = Array.from({ length: 512 }, (_, index): Segment => [pages[index % 5].gref, 0, 0]);
      describeSegments(list, 0, segments);
      const send = async (descriptors: number) => {
        const [answer] = await front.send({ segmentCount: 0x81, segments: [[list.gref, 0, 8 * descriptors]] });
        return answer.rslt;
      };
      const most = limit ?? 0;
      expect(await send(most)).to.equal(0);
      expect(await send(Math.min(512, most + 1))).to.equal(most === 512 ? 0 : ERROR);
      await stand.end();
    });
  }
});

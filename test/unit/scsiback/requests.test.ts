// What the back end makes of one request after the other: the checks in Linux' order, and the answers.

import type { Task } from "@pvscsi/scsi";
import { expect } from "chai";
import type { RequestFields } from "../../support/scripted-front.js";
import { onEachPlatform, read10, Stand, write10 } from "./stand.js";

const NO_CONNECT = 0x10000;
const ERROR = 0x70000;

/** Says that data came, and that all is well. */
function filled(task: Task): number {
  task.transferLength = task.data.length;
  return 0;
}

onEachPlatform("one request", (platform) => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.make({}, platform);
  });
  afterEach(() => stand.end());

  it("reads and writes through granted pages", async () => {
    const front = await stand.connected();
    const data = front.grant("read-write");
    data.page.bytes.fill(0xa5);
    const [written] = await front.send({ cdb: write10(3, 2), direction: 1, segments: [[data.gref, 100, 1024]] });
    expect(written).to.include({ rslt: 0, residual: 0, clean: true });
    data.page.bytes.fill(0);
    const [read] = await front.send({ cdb: read10(3, 2), direction: 2, segments: [[data.gref, 8, 1024]] });
    expect(read).to.include({ rslt: 0, residual: 0, clean: true });
    expect(data.page.bytes.subarray(8, 1032).every((byte) => byte === 0xa5)).to.equal(true);
    expect(data.page.bytes.subarray(1032).every((byte) => byte === 0)).to.equal(true);
  });

  const refused: { readonly [name: string]: [fields: RequestFields, rslt: number, reason: string] } = {
    "direction 4": [{ direction: 4 }, ERROR, "data direction 4"],
    "direction 255": [{ direction: 255 }, ERROR, "data direction 255"],
    "a CDB of 17 bytes": [{ cmdLen: 17 }, ERROR, "a CDB of 17 bytes"],
    "a CDB of 255 bytes": [{ cmdLen: 255 }, ERROR, "a CDB of 255 bytes"],
    "direction before the device": [{ direction: 9, lun: 9 }, ERROR, "data direction 9"],
    "CDB length before the device": [{ cmdLen: 17, lun: 9 }, ERROR, "a CDB of 17 bytes"],
    "the device before the act": [{ act: 9, lun: 9 }, NO_CONNECT, "no such device"],
    "the device before the segments": [{ segmentCount: 27, lun: 9 }, NO_CONNECT, "no such device"],
    "another LUN": [{ lun: 2 }, NO_CONNECT, "no such device"],
    "another target": [{ id: 1 }, NO_CONNECT, "no such device"],
    "another channel": [{ channel: 1 }, NO_CONNECT, "no such device"],
    "LUN 16384": [{ lun: 16384 }, NO_CONNECT, "no such device"],
    "LUN 65535": [{ lun: 65535, id: 65535, channel: 65535 }, NO_CONNECT, "no such device"],
    "act 0": [{ act: 0 }, ERROR, "act 0"],
    "act 4, the old preset": [{ act: 4 }, ERROR, "act 4"],
    "act 255": [{ act: 255 }, ERROR, "act 255"],
    "an abort for no device": [{ act: 2, lun: 5 }, NO_CONNECT, "no such device"],
    "a reset for no device": [{ act: 3, lun: 5 }, NO_CONNECT, "no such device"],
    "27 direct segments": [{ segmentCount: 27 }, ERROR, "27 segments"],
    "127 direct segments": [{ segmentCount: 127 }, ERROR, "127 segments"],
    "27 indirect segments (0x9b)": [{ segmentCount: 0x9b }, ERROR, "27 segments"],
    "127 indirect segments (0xff)": [{ segmentCount: 0xff }, ERROR, "127 segments"],
    "a segment at offset 4096": [{ segments: [[8, 4096, 0]] }, ERROR, "segment 4096+0"],
    "a segment of 4097 bytes": [{ segments: [[8, 0, 4097]] }, ERROR, "segment 0+4097"],
    "a segment over the page's end": [{ segments: [[8, 4095, 2]] }, ERROR, "segment 4095+2"],
    "a grant that is not given": [{ segments: [[100, 0, 512]] }, ERROR, "grant status -1"],
    "a reserved grant": [{ segments: [[1, 0, 512]] }, ERROR, "grant status -1"],
    "a grant beyond the table": [{ segments: [[0xffffffff, 0, 512]] }, ERROR, "grant status -3"],
  };
  for (const [name, [fields, rslt, reason]] of Object.entries(refused)) {
    it(`refuses ${name}`, async () => {
      const front = await stand.connected();
      const rqid = 0xfedc;
      expect(await front.send({ ...fields, rqid })).to.deep.include.members([
        { rqid, rslt, residual: 0, senseLen: 0, sense: new Uint8Array(96), clean: true },
      ]);
      expect(stand.refusals.at(-1)).to.equal(reason);
      expect(stand.holding.seen).to.have.length(0);
      const [next] = await front.send({});
      expect(next.rslt).to.equal(0);
    });
  }

  it("takes no segments as no data, with the indirect flag too (0x80)", async () => {
    const front = await stand.connected();
    const answers = await front.send({ segmentCount: 0x80 }, { segmentCount: 0x80, cdb: read10(0, 1), direction: 2 });
    expect(answers.map(({ rslt }) => rslt)).to.deep.equal([0, 0]);
  });

  it("takes a CDB of no bytes and leaves the judgement to the device", async () => {
    const front = await stand.connected();
    await front.send({ cmdLen: 0, cdb: [0xff, 0xff], lun: 1 });
    expect(stand.holding.seen[0].cdbLength).to.equal(0);
    expect([...stand.holding.seen[0].cdb.subarray(0, 16)]).to.deep.equal(new Array(16).fill(0));
    stand.holding.end();
  });

  it("hides the bytes of a CDB behind its length", async () => {
    const front = await stand.connected();
    await front.send({ cmdLen: 16, cdb: new Array(16).fill(0x5a), lun: 1 });
    stand.holding.end();
    await front.send({ cmdLen: 6, cdb: [1, 2, 3, 4, 5, 6, 7, 8, 9], lun: 1 });
    expect([...stand.holding.seen[1].cdb.subarray(0, 10)]).to.deep.equal([1, 2, 3, 4, 5, 6, 0, 0, 0, 0]);
    stand.holding.end();
  });

  it("gives each direction its name, and the right access", async () => {
    const front = await stand.connected();
    const readOnly = front.grant("read-only");
    const refusedEarly = platform === "in process";
    const directions = ["bidirectional", "to-device", "from-device", "none"];
    for (const [direction, name] of directions.entries()) {
      const segments: [number, number, number][] = [[readOnly.gref, 0, 512]];
      const [refusal] = await front.send({ lun: 1, direction, segments });
      // Only data that goes to the device can be in a page that is granted for reading. Where data is copied, others are
      // refused when there is some.
      if (name === "to-device" || !refusedEarly) {
        expect(stand.holding.seen.at(-1)?.direction).to.equal(name);
        const [answer] = await stand.finish(front, filled);
        expect(answer.rslt).to.equal(name === "to-device" ? 0 : ERROR);
      } else expect(refusal.rslt).to.equal(ERROR);
      const writable = front.grant("read-write");
      await front.send({ lun: 1, direction, segments: [[writable.gref, 0, 512]] });
      expect(stand.holding.seen.at(-1)?.direction).to.equal(name);
      await stand.finish(front);
    }
  });

  it("serves a bidirectional READ and WRITE through their one buffer, as front ends exist that send nothing else", async () => {
    const front = await stand.connected();
    const data = front.grant("read-write");
    data.page.bytes.fill(0x11);
    const [written] = await front.send({ cdb: write10(0, 1), direction: 0, segments: [[data.gref, 0, 512]] });
    data.page.bytes.fill(0);
    const [read] = await front.send({ cdb: read10(0, 1), direction: 0, segments: [[data.gref, 0, 512]] });
    expect([written.rslt, read.rslt, data.page.bytes[511]]).to.deep.equal([0, 0, 0x11]);
  });

  it("XSA-423, XSA-424, XSA-432, XSA-448, XSA-457: takes segments of no bytes, 26 of one byte, and pages twice", async () => {
    const front = await stand.connected();
    const data = front.grant("read-write");
    const zero: [number, number, number][] = [
      [data.gref, 0, 0],
      [data.gref, 4095, 0],
      [data.gref, 0, 256],
      [data.gref, 0, 0],
      [data.gref, 256, 256],
    ];
    const [first] = await front.send({ cdb: read10(0, 1), direction: 2, segments: zero });
    expect(first).to.include({ rslt: 0, residual: 0 });
    const ones = Array.from({ length: 26 }, (_, i): [number, number, number] => [data.gref, i * 3, 1]);
    const [inquiry] = await front.send({ cdb: [0x12, 0, 0, 0, 26, 0], direction: 2, segments: ones });
    expect(inquiry).to.include({ rslt: 0, residual: 0 });
    expect(String.fromCharCode(...Array.from({ length: 6 }, (_, i) => data.page.bytes[(8 + i) * 3]))).to.equal(
      "PVSCSI",
    );
  });

  it("reports bytes not moved, and none for overflow", async () => {
    const front = await stand.connected();
    const data = front.grant("read-write");
    const send = async (blocks: number, length: number) =>
      (await front.send({ cdb: read10(0, blocks), direction: 2, segments: [[data.gref, 0, length]] }))[0];
    expect(await send(1, 1024)).to.include({ rslt: 0, residual: 512 });
    expect(await send(4, 1024)).to.include({ rslt: 0, residual: 0 });
    expect(await send(2, 1024)).to.include({ rslt: 0, residual: 0 });
  });

  it("XSA-216: hands over sense data, 96 bytes at most, and zeros behind it", async () => {
    const front = await stand.connected();
    const [invalid] = await front.send({ cdb: [0xc0, 0, 0, 0, 0, 0] });
    expect(invalid).to.include({ rslt: 2, senseLen: 18, clean: true });
    expect([invalid.sense[0], invalid.sense[2], invalid.sense[12]]).to.deep.equal([0x70, 5, 0x20]);
    await front.send({ lun: 1 });
    const [long] = await stand.finish(front, (task) => {
      task.sense.fill(0x72);
      task.senseLength = 252;
      return 2;
    });
    expect(long).to.include({ rslt: 2, senseLen: 96, clean: true });
    expect(long.sense).to.deep.equal(new Uint8Array(96).fill(0x72));
    await front.send({ lun: 1 });
    const [busy] = await stand.finish(front, (task) => {
      task.senseLength = 18;
      return 8;
    });
    expect(busy).to.include({ rslt: 8, senseLen: 0, clean: true });
  });

  it("XSA-155: does not look at a request again once it has taken it", async () => {
    const front = await stand.connected();
    const data = front.grant("read-write");
    const rqid = front.put({ lun: 1, cdb: read10(1, 1), direction: 2, segments: [[data.gref, 0, 512]] });
    front.push();
    await stand.world.settle();
    front.ring.page.bytes.fill(0xff, 64);
    const [task] = stand.holding.seen;
    expect([task.lun, task.cdb[0], task.data.length, task.direction]).to.deep.equal([1, 0x28, 512, "from-device"]);
    const answers = await stand.finish(front, (ended) => {
      ended.data.fill(7);
      ended.transferLength = 512;
      return 0;
    });
    expect(answers).to.deep.include.members([
      { rqid, rslt: 0, residual: 0, senseLen: 0, sense: new Uint8Array(96), clean: true },
    ]);
    expect(data.page.bytes[511]).to.equal(7);
  });

  it("answers two requests that share an rqid, each with its own data", async () => {
    const front = await stand.connected();
    const pages = [front.grant("read-write"), front.grant("read-write")];
    for (const { gref } of pages) front.put({ rqid: 7, lun: 1, direction: 2, segments: [[gref, 0, 8]] });
    front.push();
    await stand.world.settle();
    for (const value of [1, 2]) {
      const answers = await stand.finish(front, (task) => {
        task.data.fill(value);
        return filled(task);
      });
      expect(answers.map(({ rqid, rslt }) => [rqid, rslt])).to.deep.equal([[7, 0]]);
    }
    expect(pages.map(({ page }) => page.bytes[7])).to.deep.equal([1, 2]);
  });

  it("answers 16 requests at once, in the order in which they end", async () => {
    const front = await stand.connected();
    const rqids = Array.from({ length: 16 }, () => front.put({ lun: 1 }));
    front.push();
    await stand.world.settle();
    expect(stand.holding.held).to.have.length(16);
    stand.holding.held.reverse();
    while (stand.holding.held.length > 0) stand.holding.end();
    await stand.world.settle();
    expect(front.take().map(({ rqid }) => rqid)).to.deep.equal(rqids.reverse());
  });

  it("notifies when it is asked to, and not otherwise", async () => {
    const front = await stand.connected();
    let before = front.events;
    await front.send({});
    expect(front.events - before).to.equal(1);
    before = front.events;
    front.set("rspEvent", 0x7fffffff);
    await front.send({});
    expect(front.events - before).to.equal(0);
  });

  it("knows its devices by channel, target and LUN, not by host", async () => {
    const front = await stand.connected([["disk", "7:0:0:0"]]);
    expect((await front.send({}))[0].rslt).to.equal(0);
  });
});

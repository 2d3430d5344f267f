// A front end that does with ring, grants and events what no driver does: it hurts itself only.

import type { Loan } from "@pvscsi/xen";
import { GrantStatus, ScsiifSegment } from "@pvscsi/xen";
import { expect } from "chai";
import type { RequestFields } from "../../support/scripted-front.js";
import { LUNS, onEachPlatform, read10, Stand } from "./stand.js";

const ERROR = 0x70000;
/** A reference that nobody is granted. */
const UNGRANTED = 300;

onEachPlatform("a hostile ring", (platform) => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.make({}, platform);
  });
  afterEach(() => stand.end());

  for (const ahead of [17, 1000, 0x80000000, 0xfffffff0]) {
    it(`is stopped when the producer is ${ahead} ahead; another ring goes on`, async () => {
      const other = await stand.connected([LUNS[0]], 1);
      const front = await stand.connected();
      await front.send({ lun: 1, rqid: 1 });
      front.set("reqProd", front.get("reqProd") - 1 + ahead);
      front.notify();
      await stand.world.settle();
      expect(await front.nodes.states()).to.equal("5 4 4- 4-");
      expect(await stand.reason("backend/vscsi/1/0")).to.match(
        /^71 req_prod \d+ at rsp_prod \d+: the ring has 16 entries$/,
      );
      // What was taken before is answered: its slot is the back end's.
      expect((await stand.finish(front)).map(({ rqid }) => rqid)).to.deep.equal([1]);
      // Nothing more is taken, whatever comes.
      front.set("reqProd", front.get("rspProd") + 1);
      front.notify();
      await front.write("state", "3");
      await front.write("state", "4");
      await front.write("state", "7");
      await stand.world.advance(1000);
      expect(await front.nodes.states()).to.equal("5 7 4- 4-");
      expect(front.take()).to.deep.equal([]);
      expect((await other.send({}))[0].rslt).to.equal(0);
      await front.write("state", "6");
      await stand.world.settle();
      expect(await front.nodes.states()).to.equal("6 6 4- 4-");
      front.leave();
    });
  }

  it("is not heard any more once it is broken", async () => {
    const front = await stand.connected();
    front.set("reqProd", 1000);
    front.notify();
    await stand.world.settle();
    let delivered = 0;
    const stop = stand.world.listen((name) => {
      if (name === "event:deliver") delivered += 1;
    });
    for (let i = 0; i < 100; i++) {
      front.notify();
      await stand.world.advance(100);
    }
    stop();
    // A kernel hears one, and keeps the rest from the process.
    expect(delivered).to.equal(platform === "in process" ? 0 : 1);
  });

  it("closes with a command under way on a broken ring, and aborts it", async () => {
    const front = await stand.connected();
    const data = front.grant("read-write");
    await front.send({ lun: 1, rqid: 1, direction: 2, segments: [[data.gref, 0, 8]] });
    front.set("reqProd", 1000);
    front.notify();
    await stand.world.settle();
    await front.write("state", "6");
    await stand.world.settle();
    expect(stand.holding.held).to.have.length(0);
    front.leave();
  });

  it("XSA-392: answers in slots of requests only: a producer that goes on while all are taken waits", async () => {
    const front = await stand.connected();
    for (let i = 0; i < 16; i++) front.put({ lun: 1 });
    front.push();
    await stand.world.settle();
    front.notify();
    await stand.world.settle();
    expect(stand.holding.held).to.have.length(16);
    await stand.finish(front);
    front.put({ lun: 1 });
    front.push();
    await stand.world.settle();
    expect(stand.holding.held).to.have.length(16);
    while (stand.holding.held.length > 0) await stand.finish(front);
  });

  it("goes over the end of 32 bits", async () => {
    const front = await stand.connected();
    for (let round = 0; round < 40; round++) expect(await front.send({}, {}, {})).to.have.length(3);
  });

  it("XSA-392: takes no more at once than there are slots: who has not seen an answer cannot have room for more", async () => {
    const front = await stand.connected();
    let taken = 0;
    const stop = stand.world.listen((name) => {
      if (name !== "scsiback:request") return;
      taken += 1;
      // A second processor, that writes one more request whenever one is taken.
      front.put({});
      front.set("reqProd", front.get("reqProd") + 1);
    });
    front.put({});
    front.push();
    await stand.world.settle();
    stop();
    expect([taken, front.take().length]).to.deep.equal([16, 16]);
    expect(await front.nodes.states()).to.equal("5 4 4- 4-");
  });

  it("XSA-332: delays a port that sends events without work, and serves it all the same", async () => {
    const front = await stand.connected();
    let delivered = 0;
    const stop = stand.world.listen((name, subject) => {
      if (name === "event:deliver" && (subject as { owner: number }).owner === 0) delivered += 1;
    });
    for (let i = 0; i < 10_000; i++) {
      front.notify();
      await stand.world.advance(0.01);
    }
    stop();
    expect(delivered).to.be.greaterThan(16).and.lessThan(32);
    front.put({});
    front.push();
    await stand.world.advance(64);
    expect(front.take()).to.have.length(1);
  }).timeout(20_000);

  for (const [name, status] of Object.entries(GrantStatus).filter(([, code]) => code < 0)) {
    it(`XSA-362: answers ERROR when mapping data or descriptors fails with ${name}`, async () => {
      const front = await stand.connected();
      const data = front.grant("read-write");
      const { borrow } = stand.domain;
      let failing = 1;
      stand.domain.borrow = (loan: Loan) => {
        if (--failing === 0) loan.status = status;
        else borrow.call(stand.domain, loan);
      };
      const segments = [[data.gref, 0, 512]] as const;
      expect((await front.send({ cdb: read10(0, 1), direction: 2, segments }))[0].rslt).to.equal(ERROR);
      for (failing of [1, 2]) {
        new DataView(data.page.bytes.buffer, data.page.bytes.byteOffset).setUint32(0, data.gref, true);
        const [answer] = await front.send({ direction: 2, segmentCount: 0x81, segments: [[data.gref, 0, 8]] });
        expect(answer.rslt).to.equal(ERROR);
      }
      stand.domain.borrow = borrow;
      expect(stand.dom0.describe().mappings).to.have.length(1);
      expect((await front.send({ cdb: read10(0, 1), direction: 2, segments }))[0].rslt).to.equal(0);
    });

    it(`XSA-362: writes a reason and stays in Closing when mapping the ring fails with ${name}`, async () => {
      const front = stand.front(await stand.device());
      await stand.world.settle();
      const { grants } = stand.domain;
      const { map } = grants;
      grants.map = () => status;
      await front.connect();
      expect(await front.nodes.states()).to.equal("5 3 1- 1-");
      expect(await stand.reason("backend/vscsi/1/0")).to.equal(
        `22 mapping in shared page ${front.ring.gref} from domain 1: ${status}`,
      );
      grants.map = map;
      await front.write("state", "3");
      await stand.world.settle();
      expect(await front.nodes.states()).to.equal("5 3 1- 1-");
      await front.write("state", "6");
      await stand.world.settle();
      await front.connect();
      expect(await front.nodes.states()).to.equal("4 3 3- 3-");
    });
  }

  it("XSA-361: no piece of a request stays mapped when one fails, whichever it is", async () => {
    const front = await stand.connected();
    const list = front.grant("read-only");
    const descriptor = new ScsiifSegment(list.page.bytes);
    const pages = Array.from({ length: 26 }, () => front.grant("read-write"));
    for (let bad = 0; bad < pages.length; bad++) {
      const segments = pages.map(({ gref }, i) => [i === bad ? UNGRANTED : gref, 0, 16] as const);
      for (const [i, [gref, , length]] of segments.entries()) {
        descriptor.at(8 * i).gref = gref;
        descriptor.length = length;
      }
      const answers = await front.send(
        { cdb: read10(0, 1), direction: 2, segments },
        { cdb: read10(0, 1), direction: 2, segmentCount: 0x81, segments: [[list.gref, 0, 8 * segments.length]] },
      );
      expect(answers.map(({ rslt }) => rslt)).to.deep.equal([ERROR, ERROR]);
      expect([stand.dom0.describe().mappings.length, stand.guest.describe().uses]).to.deep.equal([1, 1]);
    }
  });

  it("XSA-365, XSA-371: no way to fail leaves a grant in use", async () => {
    const front = await stand.connected();
    const data = front.grant("read-write");
    const list = front.grant("read-only");
    new ScsiifSegment(list.page.bytes).gref = data.gref;
    const segments = [[data.gref, 0, 512]] as const;
    const failing: { readonly [name: string]: RequestFields } = {
      "a direction": { segments, direction: 9 },
      "the CDB's length": { segments, cmdLen: 17 },
      "no device": { segments, lun: 9 },
      "an act": { segments, act: 9 },
      "too many segments": { segments, segmentCount: 27 },
      "a segment behind a good one": { segments: [...segments, [data.gref, 4096, 8]] },
      "a grant behind a good one": { segments: [...segments, [UNGRANTED, 0, 8]], direction: 1 },
      "a list's length": { segments: [[list.gref, 0, 12]], segmentCount: 0x81 },
      "a list behind a good one": {
        segments: [
          [list.gref, 0, 8],
          [UNGRANTED, 0, 8],
        ],
        segmentCount: 0x82,
      },
      "an abort of nothing": { segments, act: 2 },
      "sense data": { segments, cdb: [0xc0, 0, 0, 0, 0, 0], direction: 1 },
      "an address": { segments, cdb: [0x28, 0, 0xff, 0, 0, 0, 0, 0, 1, 0], direction: 2 },
    };
    for (const [name, fields] of Object.entries(failing)) {
      expect((await front.send(fields))[0].rslt, name).to.not.equal(0);
      expect([stand.dom0.describe().mappings.length, stand.guest.describe().uses], name).to.deep.equal([1, 1]);
    }
  });

  it("keeps the page of a command whose grant the front end takes away meanwhile, or answers that nothing came", async () => {
    const mapped = platform === "in process";
    const front = await stand.connected();
    const data = front.grant("read-write");
    await front.send({ lun: 1, direction: 2, segments: [[data.gref, 0, 8]] });
    if (mapped) expect(stand.guest.revoke(data.gref)).to.equal(false);
    // What the driver must not do: the entry is wiped while it is in use.
    const frame = stand.guest.table.frames[0];
    const entry = frame.bytes.slice(8 * data.gref, 8 * data.gref + 8);
    frame.bytes.fill(0, 8 * data.gref, 8 * data.gref + 8);
    const [answer] = await stand.finish(front, (task) => {
      task.data.fill(9);
      task.transferLength = 8;
      return 0;
    });
    expect([answer.rslt, data.page.bytes[7]]).to.deep.equal(mapped ? [0, 9] : [ERROR, 0]);
    expect(stand.dom0.describe().mappings).to.have.length(1);
    expect((await front.send({ lun: 1, segments: [[data.gref, 0, 8]] }))[0].rslt).to.equal(ERROR);
    frame.bytes.set(entry.subarray(4), 8 * data.gref + 4);
    frame.bytes.set([1, 0, 0, 0], 8 * data.gref);
  });
});

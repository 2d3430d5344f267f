// A back end that does what no driver does, or what old ones did: the front end believes nothing it can check.

import { GrantStatus, type MappedPage } from "@pvscsi/xen";
import { expect } from "chai";
import type { AnswerFields, ScriptedBack } from "../../support/scripted-back.js";
import { Stand, TestCommand, TestManagement } from "./stand.js";

const NO_CONNECT = 1;
const ABORT = 5;
const ERROR = 7;

describe("scsifront: answers", () => {
  let stand: Stand;
  let back: ScriptedBack;
  beforeEach(async () => {
    stand = await Stand.make();
    back = await stand.connected();
  });
  afterEach(() => stand.end(back));

  const results: { readonly [name: string]: [answer: AnswerFields, host: number, status: number] } = {
    good: [{}, 0, 0],
    "check condition": [{ rslt: 2 }, 0, 2],
    busy: [{ rslt: 8 }, 0, 8],
    "no connection": [{ rslt: 0x10000 }, NO_CONNECT, 0],
    "an error with a status": [{ rslt: 0x70002 }, ERROR, 2],
    "the highest host byte": [{ rslt: 0x140000 }, 20, 0],
    "a host byte that nobody knows": [{ rslt: 0x150000 }, ERROR, 0],
    "host byte 255": [{ rslt: 0xff0000 }, ERROR, 0],
    "a negative word": [{ rslt: -1 }, ERROR, 0xff],
    "Linux 4.9's no connection": [{ rslt: 0x01000000 }, NO_CONNECT, 0],
    "Linux 4.9's error": [{ rslt: 0x07000000 }, ERROR, 0],
    "a driver byte beside a status": [{ rslt: 0x08000002 }, 0, 2],
    "an answer to an abort": [{ rslt: 0x2002 }, 0, 2],
  };
  for (const [name, [answer, hostByte, status]] of Object.entries(results)) {
    it(`understands ${name}`, async () => {
      const command = new TestCommand();
      await stand.queue(command);
      back.answer(back.take()[0].rqid, answer);
      await stand.world.settle();
      expect(command).to.include({ completions: 1, hostByte, status, senseLength: 0, residual: 0 });
    });
  }

  it("XSA-376: takes 96 bytes of sense data at most, and no residual above what there was", async () => {
    const [page] = stand.adapter.allocate(1);
    const command = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    command.data.add(page, 0, 36);
    await stand.queue(command);
    back.answer(back.take()[0].rqid, {
      rslt: 2,
      sense: new Uint8Array(96).fill(7),
      senseLen: 255,
      residual: 0xffffffff,
    });
    await stand.world.settle();
    expect(command).to.include({ completions: 1, status: 2, senseLength: 96, residual: 36 });
    expect(command.sense.subarray(94, 98)).to.deep.equal(new Uint8Array([7, 7, 0, 0]));
    stand.adapter.free([page]);
  });

  it("takes answers in any order", async () => {
    const commands = Array.from({ length: 15 }, () => new TestCommand());
    await stand.queue(...commands);
    const requests = back.take().reverse();
    for (const { rqid } of requests) back.answer(rqid, {}, false);
    back.push();
    await stand.world.settle();
    expect(commands.map(({ completions }) => completions)).to.deep.equal(new Array(15).fill(1));
  });
});

describe("scsifront: requests", () => {
  let stand: Stand;
  let back: ScriptedBack;
  beforeEach(async () => {
    stand = await Stand.make();
    back = await stand.connected();
  });
  afterEach(() => stand.end(back));

  it("say what the command says", async () => {
    const [page] = stand.adapter.allocate(1);
    const fields = { channel: 1, target: 2, lun: 3, timeout: 30_500, direction: "to-device" } as const;
    const command = new TestCommand([0x2a, 1, 2, 3, 4, 5, 6, 7, 8, 9], fields);
    command.data.add(page, 100, 512);
    command.data.add(page, 0, 1);
    await stand.queue(command);
    const [{ segments, cdb, ...request }] = back.take();
    expect(request).to.deep.equal({
      rqid: 0,
      act: 1,
      cmdLen: 10,
      timeout: 31,
      channel: 1,
      id: 2,
      lun: 3,
      refRqid: 0,
      direction: 1,
      segmentCount: 2,
    });
    expect([...cdb]).to.deep.equal([0x2a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0]);
    expect(segments.map(({ offset, length }) => [offset, length])).to.deep.equal([
      [100, 512],
      [0, 1],
    ]);
    // What goes to the device can be read only.
    expect(back.domain.map(1, segments[0].gref, "read-write")).to.equal(GrantStatus.generalError);
    back.answer(request.rqid);
    await stand.world.settle();
    // No grant outlives its answer.
    expect(back.domain.map(1, segments[0].gref, "read-only")).to.equal(GrantStatus.generalError);
    stand.adapter.free([page]);
  });

  it("are 15 at once; the rest wait, and one slot is left for an abort", async () => {
    const commands = Array.from({ length: 40 }, () => new TestCommand());
    await stand.queue(...commands);
    const first = back.take();
    expect(first).to.have.length(15);
    const abort = new TestManagement({ function: "abort", victim: commands[3], lun: 0 });
    stand.adapter.manage(abort);
    await stand.world.settle();
    const [management] = back.take();
    expect(management).to.include({ act: 2, refRqid: first[3].rqid });
    back.answer(first[3].rqid, { rslt: 0x50000 });
    back.answer(management.rqid, { rslt: 0x2002 });
    await stand.world.settle();
    expect([abort.succeeded, commands[3].hostByte, commands[3].completions]).to.deep.equal([true, ABORT, 1]);
    let left = back.take();
    expect(left).to.have.length(1);
    left.push(...first.filter((_, index) => index !== 3));
    while (left.length > 0) {
      for (const { rqid } of left) back.answer(rqid);
      await stand.world.settle();
      left = back.take();
    }
    expect(commands.every(({ completions }) => completions === 1)).to.equal(true);
  });

  it("reset what they are told to", async () => {
    const reset = new TestManagement({ function: "device-reset", channel: 0, target: 4, lun: 5 });
    stand.adapter.manage(reset);
    await stand.world.settle();
    const [request] = back.take();
    expect(request).to.include({ act: 3, id: 4, lun: 5, segmentCount: 0, direction: 3 });
    back.answer(request.rqid, { rslt: 0x2003 });
    await stand.world.settle();
    expect(reset).to.include({ completions: 1, succeeded: false });
  });

  it("wake a back end that asks for it, and no other", async () => {
    const { events } = back;
    back.set("reqEvent", 0x7fffffff);
    await stand.queue(new TestCommand());
    expect(back.events - events).to.equal(0);
    back.set("reqEvent", 2);
    await stand.queue(new TestCommand());
    expect(back.events - events).to.equal(1);
    for (const { rqid } of back.take()) back.answer(rqid);
  });

  it("wait where grants have run out, and go on when some come back", async () => {
    const page = stand.guest.allocatePages(1)[0];
    const grants: number[] = [];
    for (let gref = 0; gref >= 0; gref = stand.guest.grant(0, page, "read-only")) if (gref > 0) grants.push(gref);
    const [own] = stand.adapter.allocate(1);
    const command = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    command.data.add(own, 0, 36);
    const without = new TestCommand();
    await stand.queue(command, without);
    expect(back.take()).to.have.length(0);
    for (const gref of grants) stand.guest.revoke(gref);
    await stand.world.advance(20);
    const requests = back.take();
    expect(requests.map(({ segmentCount }) => segmentCount)).to.deep.equal([1, 0]);
    for (const { rqid } of requests) back.answer(rqid);
    await stand.world.settle();
    expect([command.completions, without.completions]).to.deep.equal([1, 1]);
    stand.adapter.free([own]);
    stand.guest.freePages([page]);
  });

  it("wait where there is no page for a list of segments, until another command needs its list no more", async () => {
    const pages = stand.adapter.allocate(27);
    const others = stand.guest.allocatePages(600 - stand.guest.describe().pages);
    const commands = Array.from({ length: 3 }, () => new TestCommand([0x28], { direction: "from-device" }));
    for (const command of commands) for (const page of pages) command.data.add(page, 0, 4096);
    await stand.queue(...commands);
    const [first, ...more] = back.take();
    expect([first.segmentCount, more.length]).to.deep.equal([0x81, 0]);
    const abort = new TestManagement({ function: "abort", victim: commands[0], lun: 0 });
    stand.adapter.manage(abort);
    await stand.world.settle();
    back.answer(back.take()[0].rqid, { rslt: 0x2002 });
    await stand.world.settle();
    expect([commands[0].completions, abort.succeeded], "never answered").to.deep.equal([1, true]);
    for (const command of commands.slice(1)) {
      const [request, ...none] = back.take();
      expect([request.segments[0].gref > 0, none.length, command.completions]).to.deep.equal([true, 0, 0]);
      back.answer(request.rqid);
      await stand.world.settle();
      expect(command).to.include({ completions: 1, hostByte: 0 });
    }
    back.answer(first.rqid);
    await stand.world.settle();
    stand.guest.freePages(others);
    stand.adapter.free(pages);
  });

  it("have few segments where there is no page for a list of them", async () => {
    await stand.end(back);
    stand = await Stand.make();
    const others = stand.guest.allocatePages(599);
    back = await stand.connected();
    expect(stand.adapter.limits).to.deep.include({ maxSegments: 26, maxTransfer: 25 * 4096 });
    stand.guest.freePages(others);
  });

  for (const [offered, segments] of [
    ["128", 128],
    ["4096", 128],
    ["64", 64],
    ["26", 26],
    ["1", 26],
    ["abc", 26],
    [null, 26],
  ] as const) {
    it(`have up to ${segments} segments where ${offered} are offered`, async () => {
      await stand.end(back);
      stand = await Stand.make();
      back = await stand.connected(offered === null ? {} : { "feature-sg-grant": offered });
      expect(stand.adapter.limits).to.deep.include({ maxSegments: segments, maxTransfer: (segments - 1) * 4096 });
      const pages = stand.adapter.allocate(segments + 1);
      const command = new TestCommand([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], { direction: "from-device" });
      for (const page of pages.slice(0, segments)) command.data.add(page, 0, 4096);
      await stand.queue(command);
      const [request] = back.take();
      expect(request.segmentCount).to.equal(segments <= 26 ? segments : 0x81);
      if (segments > 26) {
        expect(request.segments).to.deep.include({ gref: request.segments[0].gref, offset: 0, length: 8 * segments });
        expect(back.domain.map(1, request.segments[0].gref, "read-write")).to.equal(GrantStatus.generalError);
        const list = back.domain.map(1, request.segments[0].gref, "read-only") as MappedPage;
        const view = new DataView(list.bytes.buffer, list.bytes.byteOffset);
        for (let i = 0; i < segments; i++) expect(view.getUint32(8 * i + 4, true)).to.equal(0x10000000);
        back.domain.unmap(list);
      }
      back.answer(request.rqid);
      await stand.world.settle();
      expect(command).to.include({ completions: 1, hostByte: 0 });
      command.data.add(pages[segments], 0, 1);
      expect(() => stand.adapter.queue(command)).to.throw(`${segments + 1} segments of ${segments}`);
      stand.adapter.free(pages);
    });
  }

  it("do not point to memory that came from elsewhere", async () => {
    const command = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    command.data.add(new Uint8Array(4096), 0, 36);
    expect(() => stand.adapter.queue(command)).to.throw("memory that this adapter did not allocate");
  });
});

describe("scsifront: task management", () => {
  let stand: Stand;
  let back: ScriptedBack;
  beforeEach(async () => {
    stand = await Stand.make();
    back = await stand.connected();
  });
  afterEach(() => stand.end(back));

  const abortOf = (victim: TestCommand) => new TestManagement({ function: "abort", victim, lun: 0 });

  it("ends a victim that is never answered, as Linux' backend does, and keeps its slot for a late answer", async () => {
    const [page] = stand.adapter.allocate(1);
    const victim = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    victim.data.add(page, 0, 36);
    await stand.queue(victim);
    const [request] = back.take();
    const abort = abortOf(victim);
    stand.adapter.manage(abort);
    await stand.world.settle();
    back.answer(back.take()[0].rqid, { rslt: 0x2002 });
    await stand.world.settle();
    expect([victim.completions, victim.hostByte, victim.residual, abort.succeeded]).to.deep.equal([1, ABORT, 36, true]);
    expect(stand.adapter.underWay).to.equal(1);
    back.answer(request.rqid, { rslt: 0 });
    await stand.world.settle();
    expect([victim.completions, stand.adapter.underWay]).to.deep.equal([1, 0]);
    stand.adapter.free([page]);
  });

  it("XSA-396: waits for the answer of a victim whose page is still mapped", async () => {
    const [page] = stand.adapter.allocate(1);
    const victim = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    victim.data.add(page, 0, 36);
    await stand.queue(victim);
    const [request] = back.take();
    const mapped = back.domain.map(1, request.segments[0].gref, "read-write") as MappedPage;
    stand.adapter.manage(abortOf(victim));
    await stand.world.settle();
    back.answer(back.take()[0].rqid, { rslt: 0x2002 });
    await stand.world.settle();
    expect(victim.completions).to.equal(0);
    back.domain.unmap(mapped);
    back.answer(request.rqid, { rslt: 0x50000 });
    await stand.world.settle();
    expect(victim.completions).to.equal(1);
    stand.adapter.free([page]);
  });

  it("leaves a victim alone when its abort fails", async () => {
    const victim = new TestCommand();
    await stand.queue(victim);
    const abort = abortOf(victim);
    stand.adapter.manage(abort);
    await stand.world.settle();
    const [request, management] = back.take();
    back.answer(management.rqid, { rslt: 0x2003 });
    await stand.world.settle();
    expect([abort.completions, abort.succeeded, victim.completions]).to.deep.equal([1, false, 0]);
    back.answer(request.rqid);
    await stand.world.settle();
    expect(victim.completions).to.equal(1);
  });

  it("aborts what still waits without asking anybody", async () => {
    const commands = Array.from({ length: 20 }, () => new TestCommand());
    await stand.queue(...commands);
    const abort = abortOf(commands[17]);
    stand.adapter.manage(abort);
    expect([abort.succeeded, commands[17].completions, commands[17].hostByte]).to.deep.equal([true, 1, ABORT]);
    for (let taken = back.take(); taken.length > 0; taken = back.take()) {
      for (const { rqid } of taken) back.answer(rqid);
      await stand.world.settle();
    }
    expect(commands.every(({ completions }) => completions === 1)).to.equal(true);
  });

  it("asks in vain for what has completed", async () => {
    const victim = new TestCommand();
    await stand.queue(victim);
    back.answer(back.take()[0].rqid);
    await stand.world.settle();
    stand.adapter.manage(abortOf(victim));
    await stand.world.settle();
    const [request] = back.take();
    expect(request).to.include({ act: 2, refRqid: 0xffff });
    back.answer(request.rqid, { rslt: 0x2003 });
  });
});

describe("scsifront: a hostile back end", () => {
  let stand: Stand;
  let back: ScriptedBack;
  beforeEach(async () => {
    stand = await Stand.make();
    back = await stand.connected();
  });
  afterEach(() => stand.end(back));

  const broken: { readonly [name: string]: [act: (rqid: number) => void, reason: RegExp] } = {
    "an rqid of 16": [() => back.answer(16), /^71 illegal rqid 16 returned by backend$/],
    "an rqid of 65535": [() => back.answer(0xffff), /^71 illegal rqid 65535/],
    "an rqid that is free": [(rqid) => back.answer(rqid === 9 ? 8 : 9), /^71 illegal rqid [89]/],
    "an answer given twice": [
      (rqid) => {
        back.answer(rqid, {}, false);
        back.answer(rqid);
      },
      /^71 illegal rqid \d+ returned/,
    ],
    "one answer too many": [() => back.push(3), /^71 rsp_prod 3 at rsp_cons 0: only 2 requests await a response$/],
    "rsp_prod 17 ahead": [() => back.push(17), /^71 rsp_prod 17 at rsp_cons 0/],
    "rsp_prod behind": [() => back.push(0xffffffff), /^71 rsp_prod 4294967295/],
  };
  for (const [name, [act, reason]] of Object.entries(broken)) {
    it(`XSA-376: is declared broken for ${name}; every command ends once`, async () => {
      const commands = [new TestCommand(), new TestCommand()];
      await stand.queue(...commands);
      const [{ rqid }] = back.take();
      const late: TestCommand[] = [];
      commands[0].completed = () => {
        commands[0].completions += 1;
        late.push(new TestCommand());
        stand.adapter.queue(late[0]);
      };
      act(rqid);
      await stand.world.settle();
      expect(await stand.reason()).to.match(reason);
      expect(await back.nodes.states()).to.equal("4 5 34");
      const all = [...commands, ...late];
      expect(all.map(({ completions }) => completions)).to.deep.equal([1, 1, 1]);
      const after = new TestCommand();
      const reset = new TestManagement({ function: "device-reset" });
      stand.adapter.queue(after);
      stand.adapter.manage(reset);
      expect([after.completions, after.hostByte, reset.completions, reset.succeeded]).to.deep.equal([1, 1, 1, false]);
      // It says nothing any more, whatever it is told.
      const producer = back.get("reqProd");
      back.answer(0);
      await back.write({ state: "4" });
      await stand.world.settle();
      expect(await back.nodes.states()).to.equal("4 5 34");
      expect(back.get("reqProd")).to.equal(producer);
    });
  }

  it("XSA-396: is declared broken when it keeps a page mapped; that page is not touched again until it lets go", async () => {
    const [page, other] = stand.adapter.allocate(2);
    const held = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    held.data.add(page, 0, 36);
    const good = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    good.data.add(other, 0, 36);
    await stand.queue(held, good);
    const [request] = back.take();
    const mapped = back.domain.map(1, request.segments[0].gref, "read-write") as MappedPage;
    back.answer(request.rqid);
    await stand.world.settle();
    expect(await stand.reason()).to.equal("71 grant of request 0 still in use by backend");
    expect([held.completions, good.completions, good.hostByte]).to.deep.equal([0, 1, ERROR]);
    await back.write({ state: "5" });
    await stand.world.advance(500);
    expect(held.completions).to.equal(0);
    back.domain.unmap(mapped);
    await stand.world.advance(2000);
    expect([held.completions, held.hostByte]).to.deep.equal([1, NO_CONNECT]);
    stand.adapter.free([page, other]);
  });

  it("XSA-396: that never lets go of a page is given up at last, and the page is not given back", async () => {
    const [page] = stand.adapter.allocate(1);
    const held = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    held.data.add(page, 0, 36);
    await stand.queue(held);
    const [request] = back.take();
    const mapped = back.domain.map(1, request.segments[0].gref, "read-write") as MappedPage;
    await back.write({ state: "5" });
    await stand.world.advance(10_000);
    expect(stand.messages.at(-1)?.text).to.contain("kept pages mapped");
    expect(held.completions).to.equal(0);
    expect(stand.guest.describe()).to.deep.include({ grants: 2, uses: 2, pages: 2 });
    // So that the stand can end: what an operating system does when it goes down.
    back.domain.unmap(mapped);
    back.unmap();
    stand.guest.revoke(request.segments[0].gref);
    stand.adapter.free([page]);
    const ringReference = Number(await stand.world.read(`${back.nodes.front}/ring-ref`));
    stand.guest.revoke(ringReference);
    stand.guest.memory.free(stand.guest.memory.find(stand.guest.table.frame(ringReference)) ?? expect.fail());
  });

  it("is not heard any more once it is broken", async () => {
    back.answer(3);
    await stand.world.settle();
    let delivered = 0;
    const stop = stand.world.listen((name) => {
      if (name === "event:deliver") delivered += 1;
    });
    for (let i = 0; i < 100; i++) {
      back.notify();
      await stand.world.advance(100);
    }
    stop();
    expect(delivered).to.equal(0);
  });

  it("XSA-391: that sends events without work is delayed, and heard all the same", async () => {
    const command = new TestCommand();
    await stand.queue(command);
    let delivered = 0;
    const stop = stand.world.listen((name, subject) => {
      if (name === "event:deliver" && (subject as { owner: number }).owner === 1) delivered += 1;
    });
    for (let i = 0; i < 10_000; i++) {
      back.notify();
      await stand.world.advance(0.01);
    }
    stop();
    expect(delivered).to.be.greaterThan(16).and.lessThan(32);
    back.answer(back.take()[0].rqid);
    await stand.world.advance(64);
    expect(command.completions).to.equal(1);
  }).timeout(20_000);

  it("cannot make a completion run twice, or late, by answering while one closes the adapter", async () => {
    const commands = Array.from({ length: 15 }, () => new TestCommand());
    await stand.queue(...commands);
    const requests = back.take();
    let closed: Promise<void> | null = null;
    commands[0].completed = () => {
      commands[0].completions += 1;
      closed = stand.adapter.close();
    };
    for (const { rqid } of requests) back.answer(rqid, {}, false);
    back.push();
    await stand.world.settle();
    expect(commands.map(({ completions }) => completions)).to.deep.equal(new Array(15).fill(1));
    back.unmap();
    await stand.world.done(closed ?? expect.fail());
  });
});

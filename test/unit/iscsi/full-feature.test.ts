// What a session is asked besides commands, and what it does by itself: pings, texts, logouts, rejects, digests, silence.

import {
  Answer,
  CONTINUE,
  CommandFlag,
  FINAL,
  HEADER_SIZE,
  IMMEDIATE,
  LogoutReason,
  LogoutRequest,
  LogoutResponse,
  LogoutResponseCode,
  Opcode,
  openGroup,
  parseText,
  Reject,
  RejectReason,
  Request,
} from "@pvscsi/iscsi";
import { Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { NONE, type Peer, pduOf, TARGET, World } from "./peer.js";

const NOP = Opcode.nopOut | IMMEDIATE;

function takeReject(peer: Peer): { reason: number; header: Buffer } {
  const { fields, data } = peer.takeAs(Opcode.reject, Reject);
  return { reason: fields.reason, header: data };
}

/** Asks for texts, piece by piece, and gives all pairs as `KEY=VALUE`. */
function ask(peer: Peer, text: string): { pairs: string[]; pdus: number } {
  let data: Uint8Array = Buffer.from(text);
  let ttt = NONE;
  const answer: Buffer[] = [];
  for (;;) {
    peer.put(Request, { opcode: Opcode.text | IMMEDIATE, flags: FINAL, itt: 9, ttt }, data);
    const { fields, data: piece } = peer.takeAs(Opcode.textResponse, Answer);
    answer.push(piece);
    if ((fields.flags & FINAL) !== 0) break;
    expect(fields.flags & CONTINUE).to.equal(CONTINUE);
    ttt = fields.ttt;
    data = Buffer.alloc(0);
  }
  const pairs = parseText(Buffer.concat(answer)).map(({ key, value }) => `${key}=${value}`);
  return { pairs, pdus: answer.length };
}

describe("full feature phase of iSCSI", () => {
  it("gives a ping's data back, up to what the initiator takes, and nothing where it has no tag", async () => {
    const peer = new World().loggedIn({ keys: { MaxRecvDataSegmentLength: "512" } });
    peer.put(Request, { opcode: NOP, flags: FINAL, itt: 5, ttt: NONE, cmdSN: 99 }, Buffer.from("are you there"));
    const short = peer.takeAs(Opcode.nopIn, Answer);
    expect([short.fields.itt, short.fields.ttt, short.data.toString()]).to.deep.equal([5, NONE, "are you there"]);
    peer.put(Request, { opcode: NOP, flags: FINAL, itt: 6, ttt: NONE }, Buffer.alloc(1000, 7));
    expect(peer.takeAs(Opcode.nopIn, Answer).data.equals(Buffer.alloc(512, 7))).to.equal(true);
    peer.put(Request, { opcode: NOP, flags: FINAL, itt: NONE, ttt: 1 });
    peer.expectNothing();
    await peer.close();
  });

  it("keeps count: answers have a StatSN each, requests in their turn move the window", async () => {
    const peer = new World({}, { limits: { depth: 8 } }).loggedIn({ cmdSN: 0xffff_fffe });
    const numbers = [];
    for (const cmdSN of [0xffff_ffff, 0, 1]) {
      peer.put(Request, { opcode: Opcode.nopOut, flags: FINAL, itt: 5, ttt: NONE, cmdSN });
      const { fields } = peer.takeAs(Opcode.nopIn, Answer);
      numbers.push([fields.statSN, fields.expCmdSN, fields.maxCmdSN]);
    }
    const first = numbers[0][0];
    expect(numbers).to.deep.equal([
      [first, 0, 7],
      [first + 1, 1, 8],
      [first + 2, 2, 9],
    ]);
    await peer.close();
  });

  it("answers SendTargets in a discovery session, and only with targets that the initiator may log in to", async () => {
    const world = new World();
    const found = { target: new Target(), authentication: null };
    const initiators = new Map([["iqn.2026-11.localhost:x", found]]);
    world.portal.add({ name: `${TARGET}-hidden`, groups: [{ tag: 1, initiators, others: null }] });
    world.portal.add({ name: `${TARGET}-other`, groups: [openGroup(new Target())] });
    const peer = world.connect();
    peer.login({ target: null });
    const address = "TargetAddress=127.0.0.1:3260,1";
    const [one, other] = [`TargetName=${TARGET}`, `TargetName=${TARGET}-other`];
    expect(ask(peer, "SendTargets=All\0").pairs).to.deep.equal([one, address, other, address]);
    expect(ask(peer, `SendTargets=${TARGET}-other\0`).pairs).to.deep.equal([other, address]);
    expect(ask(peer, `SendTargets=${TARGET}-hidden\0`).pairs).to.deep.equal([]);
    expect(ask(peer, "SendTargets=\0").pairs).to.deep.equal(["SendTargets=Reject"]);
    peer.command([0x00]);
    expect(takeReject(peer).reason).to.equal(RejectReason.protocolError);
    await peer.close();
  });

  it("answers SendTargets in a normal session with its own target alone", async () => {
    const world = new World();
    world.portal.add({ name: `${TARGET}-other`, groups: [openGroup(new Target())] });
    const peer = world.loggedIn();
    for (const word of ["", TARGET]) {
      expect(ask(peer, `SendTargets=${word}\0`).pairs[0], word).to.equal(`TargetName=${TARGET}`);
    }
    expect(ask(peer, `SendTargets=${TARGET}-other\0`).pairs).to.deep.equal([]);
    expect(ask(peer, "SendTargets=All\0").pairs).to.deep.equal(["SendTargets=Reject"]);
    await peer.close();
  });

  it("gives a long answer piece by piece", async () => {
    const world = new World();
    for (let i = 0; i < 256; i++) {
      world.portal.add({ name: `${TARGET}-${i}`, groups: [openGroup(new Target())] });
    }
    const peer = world.connect();
    peer.login({ target: null, keys: { MaxRecvDataSegmentLength: "512" } });
    const { pairs, pdus } = ask(peer, "SendTargets=All\0");
    expect(pairs.length).to.equal(2 * 257);
    expect(pdus).to.be.greaterThan(30);
    await peer.close();
  });

  it("takes a text in pieces, and no tag that it has not given", async () => {
    const peer = new World().loggedIn();
    const text = { opcode: Opcode.text | IMMEDIATE, itt: 9 };
    peer.put(Request, { ...text, flags: CONTINUE, ttt: NONE }, Buffer.from("SendTa"));
    const { fields } = peer.takeAs(Opcode.textResponse, Answer);
    peer.put(Request, { ...text, flags: FINAL, ttt: fields.ttt + 1 }, Buffer.from("rgets=\0"));
    expect(takeReject(peer).reason).to.equal(RejectReason.protocolError);
    peer.put(Request, { ...text, flags: FINAL, ttt: fields.ttt }, Buffer.from("rgets=\0"));
    const answer = peer.takeAs(Opcode.textResponse, Answer).data.toString();
    expect(answer.startsWith(`TargetName=${TARGET}\0`)).to.equal(true);
    await peer.close();
  });

  it("does not end a text that the initiator has not ended (11.11.1)", async () => {
    const peer = new World().loggedIn();
    const text = { opcode: Opcode.text | IMMEDIATE, itt: 9 };
    peer.put(Request, { ...text, flags: 0, ttt: NONE }, Buffer.from("Nonsense=1\0"));
    const first = peer.takeAs(Opcode.textResponse, Answer);
    expect([first.fields.flags, first.data.toString()]).to.deep.equal([0, "Nonsense=NotUnderstood\0"]);
    expect(first.fields.ttt).not.to.equal(NONE);
    peer.put(Request, { ...text, flags: FINAL, ttt: first.fields.ttt }, Buffer.from("More=1\0"));
    const last = peer.takeAs(Opcode.textResponse, Answer);
    expect([last.fields.flags, last.fields.ttt, last.data.toString()]).to.deep.equal([
      FINAL,
      NONE,
      "More=NotUnderstood\0",
    ]);
    await peer.close();
  });

  it("agrees anew on how much the initiator takes, and on nothing else", async () => {
    const peer = new World().loggedIn();
    const { pairs } = ask(peer, "MaxRecvDataSegmentLength=512\0MaxBurstLength=512\0IFMarker=No\0Nonsense=1\0");
    expect(pairs).to.deep.equal(["MaxBurstLength=Reject", "IFMarker=Reject", "Nonsense=NotUnderstood"]);
    peer.command(blocksCdb(0x28, 0, 4), { flags: FINAL | CommandFlag.read, expectedLength: 2048 });
    expect([1, 2, 3, 4].map(() => peer.take().data.length)).to.deep.equal([512, 512, 512, 512]);
    await peer.close();
  });

  for (const [name, reason, cid, response, over] of [
    ["of the session", LogoutReason.closeSession, 7, LogoutResponseCode.closed, true],
    ["of the connection", LogoutReason.closeConnection, 0, LogoutResponseCode.closed, true],
    ["of another connection", LogoutReason.closeConnection, 7, LogoutResponseCode.cidNotFound, false],
    ["for recovery", LogoutReason.removeForRecovery, 0, LogoutResponseCode.recoveryNotSupported, false],
  ] as const) {
    it(`answers a logout ${name}`, async () => {
      const peer = new World().loggedIn();
      peer.put(LogoutRequest, { opcode: Opcode.logout | IMMEDIATE, flags: FINAL | reason, itt: 3, cid });
      await peer.world.settle();
      expect(peer.takeAs(Opcode.logoutResponse, LogoutResponse).fields).to.include({ itt: 3, response });
      expect(peer.ended).to.equal(over);
      await peer.close();
    });
  }

  it("answers a logout only when nothing is under way, and takes no command meanwhile", async () => {
    const unit = new HoldingUnit();
    unit.stubborn = true;
    const world = new World({}, {}, unit);
    const peer = world.connect();
    peer.login();
    peer.command([0x00]);
    peer.take();
    peer.command([0x00]);
    expect(unit.held.length).to.equal(1);
    peer.put(LogoutRequest, { opcode: Opcode.logout | IMMEDIATE, flags: FINAL, itt: 3 });
    await world.settle();
    peer.expectNothing();
    peer.command([0x00]);
    expect(takeReject(peer).reason).to.equal(RejectReason.waitingForLogout);
    unit.end();
    await world.settle();
    expect(peer.takeAs(Opcode.logoutResponse, LogoutResponse).fields.response).to.equal(LogoutResponseCode.closed);
    await peer.close();
  });

  for (const [name, opcode] of [
    ["an opcode that is none", 0x1f],
    ["an answer", Opcode.dataIn],
    ["a login", Opcode.login],
  ] as const) {
    it(`rejects ${name}, with its header, and goes on`, async () => {
      const peer = new World().loggedIn();
      const bytes = pduOf(Request, { opcode, itt: 0x1234 }, Buffer.alloc(100));
      peer.give(bytes);
      const { reason, header } = takeReject(peer);
      expect(reason).to.equal(RejectReason.commandNotSupported);
      expect(header.equals(bytes.subarray(0, HEADER_SIZE))).to.equal(true);
      peer.command([0x00]);
      expect(peer.take().bytes[3]).to.equal(0);
      await peer.close();
    });
  }

  it("rejects a SNACK, as nothing is kept that could be sent again (11.16), and goes on", async () => {
    const peer = new World().loggedIn();
    for (const type of [0, 1, 2, 3]) {
      peer.put(Request, { opcode: Opcode.snack, flags: FINAL | type, itt: NONE });
      expect(takeReject(peer).reason).to.equal(RejectReason.snackReject);
    }
    peer.command([0x00]);
    expect(peer.take().bytes[3]).to.equal(0);
    await peer.close();
  });

  it("rejects a command with the tag of one that is not answered", async () => {
    const unit = new HoldingUnit();
    const peer = new World({}, {}, unit).loggedIn();
    const itt = peer.command([0x00]);
    peer.command([0x00], { itt });
    expect(takeReject(peer).reason).to.equal(RejectReason.taskInProgress);
    expect(unit.held.length).to.equal(1);
    await peer.close();
  });

  it("rejects more than 512 commands that are to be delivered at once and are not answered", async () => {
    const unit = new HoldingUnit();
    const peer = new World({}, {}, unit).loggedIn();
    for (let i = 0; i < 512; i++) peer.command([0x00], { immediate: true });
    peer.expectNothing();
    peer.command([0x00], { immediate: true });
    expect(takeReject(peer).reason).to.equal(RejectReason.immediateCommandReject);
    await peer.close();
  });

  it("ends with a Reject where a data segment is longer than we take", async () => {
    const peer = new World().loggedIn();
    peer.give(pduOf(Request, { opcode: NOP, itt: 1, dataLength: 256 * 1024 + 1 }));
    expect(takeReject(peer).reason).to.equal(RejectReason.protocolError);
    expect(peer.ended).to.equal(true);
    await peer.close();
  });

  it("ends without a word where the digest of a header is wrong (7.8)", async () => {
    const peer = new World().loggedIn({ keys: { HeaderDigest: "CRC32C" } });
    const bytes = pduOf(Request, { opcode: NOP, itt: 1 }, Buffer.from("data"), peer.digests);
    bytes[20] ^= 1;
    peer.give(bytes);
    peer.expectNothing();
    expect(peer.ended).to.equal(true);
    await peer.close();
  });

  it("ends with a Reject where the digest of data is wrong, and nothing is written", async () => {
    const peer = new World().loggedIn({ keys: { DataDigest: "CRC32C" } });
    const flags = FINAL | CommandFlag.write;
    peer.spoil = HEADER_SIZE + 100;
    peer.command(blocksCdb(0x2a, 0, 1), { flags, expectedLength: 512, data: Buffer.alloc(512, 7) });
    expect(takeReject(peer).reason).to.equal(RejectReason.dataDigestError);
    expect(peer.ended).to.equal(true);
    await peer.close();
  });

  it("asks a silent initiator whether it is there, and drops it where it does not say so", async () => {
    const world = new World();
    const peer = world.loggedIn();
    await world.pass(59_000);
    peer.expectNothing();
    await world.pass(2_000);
    const { fields } = peer.takeAs(Opcode.nopIn, Answer);
    expect([fields.itt, fields.ttt === NONE]).to.deep.equal([NONE, false]);
    peer.put(Request, { opcode: NOP, flags: FINAL, itt: NONE, ttt: fields.ttt });
    await world.pass(59_000);
    peer.expectNothing();
    await world.pass(2_000);
    peer.take();
    await world.pass(13_000);
    expect(peer.destroyed).to.equal(false);
    await world.pass(2_000);
    expect(peer.destroyed).to.equal(true);
    await peer.close();
  });

  it("ends a silent discovery session", async () => {
    const world = new World();
    const peer = world.connect();
    peer.login({ target: null });
    await world.pass(61_000);
    expect(peer.destroyed).to.equal(true);
    await peer.close();
  });

  it("takes no more from who does not read, and goes on when it does", async () => {
    const peer = new World().loggedIn();
    peer.hold = true;
    for (let i = 0; i < 4200 && !peer.paused; i++) {
      peer.put(Request, { opcode: NOP, flags: FINAL, itt: i, ttt: NONE });
    }
    expect(peer.paused).to.equal(true);
    peer.hold = false;
    peer.deliver();
    peer.world.work();
    expect(peer.paused).to.equal(false);
    await peer.close();
  });

  it("gives a MiB of pings back at most to who does not read", async () => {
    const peer = new World().loggedIn({ keys: { MaxRecvDataSegmentLength: "262144" } });
    peer.hold = true;
    const data = Buffer.alloc(256 * 1024, 1);
    for (let i = 0; i < 5; i++) {
      expect(peer.paused).to.equal(false);
      peer.put(Request, { opcode: NOP, flags: FINAL, itt: i, ttt: NONE }, data);
    }
    expect(peer.paused).to.equal(true);
    peer.hold = false;
    peer.deliver();
    peer.world.work();
    expect(peer.paused).to.equal(false);
    for (let i = 0; i < 5; i++) expect(peer.takeAs(Opcode.nopIn, Answer).data.equals(data)).to.equal(true);
    await peer.close();
  });

  it("keeps a MiB at most of data of requests that came before their turn", async () => {
    const peer = new World().loggedIn({ keys: { MaxRecvDataSegmentLength: "262144" } });
    const data = Buffer.alloc(256 * 1024, 1);
    const { cmdSN } = peer;
    const ping = (ahead: number): void => {
      peer.put(Request, { opcode: Opcode.nopOut, flags: FINAL, itt: ahead, ttt: NONE, cmdSN: cmdSN + ahead }, data);
    };
    for (let ahead = 1; ahead <= 4; ahead++) ping(ahead);
    peer.expectNothing();
    ping(5);
    expect(takeReject(peer).reason).to.equal(RejectReason.outOfResources);
    ping(0);
    for (let i = 0; i < 5; i++) expect(peer.takeAs(Opcode.nopIn, Answer).fields.itt).to.equal(i);
    for (let ahead = 6; ahead <= 9; ahead++) ping(ahead);
    peer.expectNothing();
    await peer.close();
  });

  it("drops who does not read its last answers", async () => {
    const world = new World();
    const peer = world.loggedIn();
    peer.hold = true;
    peer.put(LogoutRequest, { opcode: Opcode.logout | IMMEDIATE, flags: FINAL, itt: 3 });
    await world.settle();
    expect([peer.ended, peer.destroyed]).to.deep.equal([false, false]);
    await world.pass(16_000);
    expect(peer.destroyed).to.equal(true);
    await peer.close();
  });
});

// Logins: every key of the table, every way to be refused, stages, texts in pieces, and sessions that are logged in anew.

import {
  CONTINUE,
  IMMEDIATE,
  KEYS,
  type KeyName,
  LoginRequest,
  LoginStatus,
  Opcode,
  openGroup,
  Request,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { INITIATOR, identityOf, type LoginWishes, type Peer, pairsOf, pduOf, TARGET, World } from "./peer.js";

const OPERATIONAL = Stage.operational << 2;
const SECURITY = Stage.security << 2;
const TO_FULL = TRANSIT | Stage.fullFeature;

/** Offers of each key, and what they are answered; null where nothing is. */
const OFFERS: { readonly [Name in KeyName]: Readonly<Record<string, string | null>> } = {
  HeaderDigest: { None: "None", CRC32C: "CRC32C", "None,CRC32C": "None", "MD5,CRC32C": "CRC32C", MD5: "Reject" },
  DataDigest: { None: "None", CRC32C: "CRC32C", "CRC32C,None": "CRC32C", "": "Reject" },
  MaxConnections: { "1": "1", "8": "1", "0": "Reject", "65536": "Reject" },
  InitialR2T: { Yes: "Yes", No: "No", yes: "Reject", "1": "Reject" },
  ImmediateData: { Yes: "Yes", No: "No" },
  MaxRecvDataSegmentLength: { "512": null, "0x4000": null, "511": "Reject", "16777216": "Reject" },
  MaxBurstLength: { "512": "512", "1048577": "1048576", "0x200": "512", "511": "Reject", "0512": "Reject" },
  FirstBurstLength: { "512": "512", "16777215": "262144", "16777216": "Reject" },
  DefaultTime2Wait: { "0": "0", "3600": "3600", "3601": "Reject", "-1": "Reject" },
  DefaultTime2Retain: { "0": "0", "20": "0", "3601": "Reject" },
  MaxOutstandingR2T: { "1": "1", "100": "8", "0": "Reject" },
  DataPDUInOrder: { Yes: "Yes", No: "Yes" },
  DataSequenceInOrder: { Yes: "Yes", No: "Yes" },
  ErrorRecoveryLevel: { "0": "0", "2": "0", "3": "Reject" },
  iSCSIProtocolLevel: { "1": "1", "2": "2", "5": "2", "32": "Reject" },
  TaskReporting: { RFC3720: "RFC3720", "FastAbort,RFC3720": "RFC3720", FastAbort: "Reject" },
};

/** A login that ends with a status that is no success; gives that. */
function refused(peer: Peer): number {
  const { status } = peer.takeLogin();
  expect(peer.ended, "the connection is ended").to.equal(true);
  return status;
}

function tryLogin(wishes: LoginWishes & { world?: World; tsih?: number; version?: number }): number {
  const { world = new World(), tsih = 0, version = 0 } = wishes;
  const peer = world.connect();
  const pairs = [...identityOf(wishes), ...pairsOf(wishes.keys ?? {})];
  const text = Buffer.from(pairs.map(({ key, value }) => `${key}=${value}\0`).join(""));
  const fields = { opcode: Opcode.login | IMMEDIATE, flags: TO_FULL | OPERATIONAL, tsih, versionMin: version };
  const bytes = pduOf(LoginRequest, fields, text);
  bytes[13] = wishes.isid ?? 1;
  peer.give(bytes);
  return refused(peer);
}

describe("an iSCSI login", () => {
  for (const [key, offers] of Object.entries(OFFERS)) {
    for (const [offer, answer] of Object.entries(offers)) {
      it(`answers ${key}=${offer} with ${answer ?? "nothing"}`, async () => {
        const peer = new World().connect();
        const agreed = peer.login({ keys: { [key]: offer } });
        if (key !== "MaxRecvDataSegmentLength") expect(agreed[key]).to.equal(answer ?? undefined);
        await peer.close();
      });
    }
  }

  it("tells what it takes at once, and its portal group, and nothing that nobody asked for", async () => {
    const peer = new World({ alias: "some disks" }).connect();
    expect(peer.login()).to.deep.equal({
      TargetAlias: "some disks",
      TargetPortalGroupTag: "1",
      MaxRecvDataSegmentLength: String(KEYS.MaxRecvDataSegmentLength.ours),
    });
    await peer.close();
  });

  it("answers keys that were taken away, or never were", async () => {
    const peer = new World().connect();
    const agreed = peer.login({ keys: { IFMarker: "No", OFMarkInt: "1~2", "X-com.example": "1", Nonsense: "Yes" } });
    expect(agreed).to.include({ IFMarker: "Reject", OFMarkInt: "Reject", "X-com.example": "NotUnderstood" });
    expect(agreed.Nonsense).to.equal("NotUnderstood");
    await peer.close();
  });

  it("does not understand keys of other wires and of makers, and lets their initiators in (6.2, 13.24)", async () => {
    const peer = new World().connect();
    const keys = ["X#NodeArchitecture", "X-org.example.a+b@c", "MaxOutstandingUnexpectedPDUs", "RDMAExtensions"];
    const agreed = peer.login({ keys: Object.fromEntries(keys.map((key) => [key, "1"])) });
    for (const key of keys) expect(agreed[key], key).to.equal("NotUnderstood");
    await peer.close();
  });

  it("calls keys of commands irrelevant for discovery", async () => {
    const peer = new World().connect();
    const agreed = peer.login({
      target: null,
      keys: { InitialR2T: "No", MaxBurstLength: "512", HeaderDigest: "None" },
    });
    expect(agreed).to.include({ InitialR2T: "Irrelevant", MaxBurstLength: "Irrelevant", HeaderDigest: "None" });
    expect(agreed.TargetPortalGroupTag).to.equal(undefined);
    await peer.close();
  });

  it("takes both stages, one after the other, with texts in pieces", async () => {
    const peer = new World().connect();
    peer.putLogin(TRANSIT | SECURITY | Stage.operational, [
      ...identityOf({}),
      { key: "AuthMethod", value: "CHAP,None" },
    ]);
    expect(peer.takeLogin()).to.deep.include({
      status: LoginStatus.success,
      flags: TRANSIT | SECURITY | Stage.operational,
      keys: { TargetPortalGroupTag: "1", AuthMethod: "None" },
    });
    const text = Buffer.from("InitialR2T=No\0MaxBurstLength=8192\0");
    const isid = Uint8Array.of(0x80, 0, 0, 0, 0, 1);
    const piece = (flags: number, data: Uint8Array) =>
      peer.put(LoginRequest, { opcode: Opcode.login, flags, isid, itt: 1 }, data);
    piece(CONTINUE | OPERATIONAL, text.subarray(0, 20));
    expect(peer.takeLogin()).to.deep.include({ status: LoginStatus.success, flags: OPERATIONAL, keys: {} });
    piece(TO_FULL | OPERATIONAL, text.subarray(20));
    const { keys, flags, fields } = peer.takeLogin();
    expect(keys).to.include({ InitialR2T: "No", MaxBurstLength: "8192" });
    expect(flags).to.equal(TO_FULL | OPERATIONAL);
    expect(fields.tsih).to.be.greaterThan(0);
    await peer.close();
  });

  it("goes from the security stage into full feature phase, and all keys have their defaults", async () => {
    const peer = new World().connect();
    peer.putLogin(TO_FULL | SECURITY, identityOf({}));
    expect(peer.takeLogin().flags).to.equal(TO_FULL | SECURITY);
    expect(peer.world.portal.sessions.length).to.equal(1);
    // Nobody has told the initiator that we take more.
    peer.put(Request, { opcode: Opcode.nopOut | IMMEDIATE, itt: 1 }, Buffer.alloc(8196));
    expect(peer.take().name).to.equal("Reject");
    expect(peer.ended).to.equal(true);
    await peer.close();
  });

  const strict = (): World => new World({ initiators: new Map([["iqn.2026-11.localhost:other", null]]) });
  for (const [name, wishes, status] of [
    ["a version that it has not", { version: 1 }, LoginStatus.unsupportedVersion],
    ["a target that is not there", { target: "iqn.2026-11.localhost:none" }, LoginStatus.notFound],
    ["a target's name that is none", { target: "no name!" }, LoginStatus.notFound],
    ["an initiator's name that is none", { initiator: "no name!" }, LoginStatus.initiatorError],
    ["an initiator's name of 224 characters", { initiator: "a".repeat(224) }, LoginStatus.initiatorError],
    ["a session that is not there", { tsih: 7 }, LoginStatus.sessionDoesNotExist],
    ["a type of session that is none", { keys: { SessionType: "Other" } }, LoginStatus.sessionTypeNotSupported],
  ] as const) {
    it(`is refused with ${name}`, () => {
      expect(tryLogin(wishes)).to.equal(status);
    });
  }

  it("is refused to an initiator that may not log in, whatever the case of its name", async () => {
    expect(tryLogin({ world: strict() })).to.equal(LoginStatus.authorizationFailure);
    const peer = strict().connect();
    peer.login({ initiator: "iqn.2026-11.LOCALHOST:Other" });
    await peer.close();
  });

  it("tells people why, without controls that an initiator has sent", () => {
    const world = new World();
    tryLogin({ world, keys: { SessionType: `A\u001b[2J\nrefused: ${"x".repeat(1000)}` } });
    expect(world.told.length).to.equal(1);
    expect(world.told[0]).to.match(/^an initiator: SessionType=A\?\[2J\?refused: x+$/);
    expect(world.told[0].length).to.equal(300);
  });

  it("is refused without an initiator, and without a target", () => {
    for (const pairs of [pairsOf({ TargetName: TARGET }), pairsOf({ InitiatorName: INITIATOR })]) {
      const peer = new World().connect().putLogin(TO_FULL | OPERATIONAL, pairs);
      expect(refused(peer)).to.equal(LoginStatus.missingParameter);
    }
  });

  it("is refused with a key twice, also in a later request", () => {
    const twice = [...identityOf({}), ...pairsOf({ InitialR2T: "No" }), ...pairsOf({ InitialR2T: "Yes" })];
    expect(refused(new World().connect().putLogin(TO_FULL | OPERATIONAL, twice))).to.equal(LoginStatus.initiatorError);
    const peer = new World().connect().putLogin(OPERATIONAL, [...identityOf({}), ...pairsOf({ InitialR2T: "No" })]);
    expect(peer.takeLogin().status).to.equal(LoginStatus.success);
    peer.putLogin(TO_FULL | OPERATIONAL, pairsOf({ InitialR2T: "No" }));
    expect(refused(peer)).to.equal(LoginStatus.initiatorError);
  });

  for (const [name, flags] of [
    ["stage 2", 2 << 2],
    ["stage 3", 3 << 2],
    ["backwards", TRANSIT | OPERATIONAL | Stage.security],
    ["to itself", TRANSIT | OPERATIONAL | Stage.operational],
    ["to stage 2", TRANSIT | OPERATIONAL | 2],
  ] as const) {
    it(`is refused where it goes ${name}`, () => {
      const peer = new World().connect().putLogin(flags, identityOf({}));
      expect(refused(peer)).to.equal(LoginStatus.invalidDuringLogin);
    });
  }

  for (const [name, text] of [
    ["without an end", "InitiatorName=a"],
    ["without a key", "=a\0"],
    ["without a value's sign", "InitiatorName\0"],
    ["with a key of 64 characters", `${"K".repeat(64)}=1\0`],
    ["that is no UTF-8", "\u00ff\u00fe=1\0"],
  ] as const) {
    it(`is refused with a text ${name}`, () => {
      const peer = new World().connect();
      peer.put(LoginRequest, { opcode: Opcode.login, flags: OPERATIONAL }, Buffer.from(text, "latin1"));
      expect(refused(peer)).to.equal(LoginStatus.initiatorError);
    });
  }

  it("is refused beyond 16 KiB of text, and beyond 32 requests", () => {
    const peer = new World().connect();
    const piece = Buffer.alloc(8192, "x");
    for (let i = 0; i < 2; i++) {
      peer.put(LoginRequest, { opcode: Opcode.login, flags: CONTINUE | OPERATIONAL }, piece);
      expect(peer.takeLogin().status).to.equal(LoginStatus.success);
    }
    peer.put(LoginRequest, { opcode: Opcode.login, flags: CONTINUE | OPERATIONAL }, piece);
    expect(refused(peer)).to.equal(LoginStatus.initiatorError);
    const slow = new World().connect().putLogin(OPERATIONAL, identityOf({}));
    for (let i = 1; i < 32; i++) {
      expect(slow.takeLogin().status).to.equal(LoginStatus.success);
      slow.putLogin(OPERATIONAL, []);
    }
    slow.takeLogin();
    slow.putLogin(OPERATIONAL, []);
    expect(refused(slow)).to.equal(LoginStatus.initiatorError);
  });

  it("drops a connection that begins with something else, or sends more than 8192 bytes", () => {
    const other = new World().connect().put(Request, { opcode: Opcode.nopOut });
    expect(other.destroyed).to.equal(true);
    other.expectNothing();
    const long = new World().connect().put(LoginRequest, { opcode: Opcode.login }, Buffer.alloc(8196));
    expect(long.destroyed).to.equal(true);
  });

  it("is refused where anything else follows its first request, and hears so (RFC 7143 6.3)", async () => {
    for (const flags of [OPERATIONAL, OPERATIONAL | CONTINUE]) {
      const peer = new World().connect().putLogin(flags, identityOf({}));
      peer.takeLogin();
      peer.put(Request, { opcode: Opcode.nopOut, itt: 7 }, Buffer.alloc(12));
      expect(refused(peer)).to.equal(LoginStatus.invalidDuringLogin);
      await peer.close();
    }
  });

  it("drops a connection that takes too long, however busy it is", async () => {
    const world = new World();
    const peer = world.connect().putLogin(OPERATIONAL, identityOf({}));
    await world.pass(14_999);
    peer.putLogin(OPERATIONAL, []);
    expect(peer.destroyed).to.equal(false);
    await world.pass(2);
    expect(peer.destroyed).to.equal(true);
  });

  it("again from the same port ends the former session first, and waits for its tasks", async () => {
    const unit = new HoldingUnit();
    unit.stubborn = true;
    const world = new World({}, {}, unit);
    const former = world.connect();
    former.login();
    former.command([0x00]);
    former.command([0x12, 0, 0, 0, 36, 0]);
    expect(unit.held.length).to.equal(1);
    const other = world.connect();
    other.login({ isid: 2 });
    const anew = world.connect().putLogin(TO_FULL | OPERATIONAL, identityOf({}));
    expect([former.destroyed, other.destroyed]).to.deep.equal([true, false]);
    await world.settle();
    anew.expectNothing();
    unit.end();
    await world.settle();
    expect(anew.takeLogin().status).to.equal(LoginStatus.success);
    expect(world.portal.sessions.length).to.equal(2);
    former.connection.closed();
    await world.settle();
    expect([former.overs, world.portal.sessions.length]).to.deep.equal([1, 2]);
    other.connection.closed();
    await anew.close();
  });

  for (const [name, byte] of [
    ["another ISID", 13],
    ["a TSIH", 15],
    ["another CID", 21],
    ["another Initiator Task Tag", 19],
  ] as const) {
    it(`is refused where a later request has ${name}`, () => {
      const peer = new World().connect().putLogin(OPERATIONAL, identityOf({}));
      expect(peer.takeLogin().status).to.equal(LoginStatus.success);
      const bytes = pduOf(LoginRequest, {
        opcode: Opcode.login | IMMEDIATE,
        flags: TO_FULL | OPERATIONAL,
        itt: 1,
        cmdSN: 1,
      });
      bytes[8] = 0x80;
      bytes[13] = 1;
      bytes[byte] ^= 2;
      expect(refused(peer.give(bytes))).to.equal(LoginStatus.invalidDuringLogin);
    });
  }

  it("gives each session a TSIH of its own: of one port with two targets, and of two initiators with one ISID (6.3.1)", async () => {
    const world = new World();
    world.portal.add({ name: `${TARGET}-other`, groups: [openGroup(new Target())] });
    const wishes = [{}, { target: `${TARGET}-other` }, { initiator: `${INITIATOR}-other` }];
    const peers = wishes.map((each) => world.connect().putLogin(TO_FULL | OPERATIONAL, identityOf(each)));
    const numbers = peers.map((peer) => peer.takeLogin().fields.tsih);
    expect([new Set(numbers).size, numbers.includes(0), world.portal.sessions.length]).to.deep.equal([3, false, 3]);
    for (const peer of peers.slice(1)) peer.connection.closed();
    await world.settle();
    await peers[0].close();
  });

  it("tells no TSIH before it is done", async () => {
    const peer = new World().connect().putLogin(TRANSIT | SECURITY | Stage.operational, identityOf({}));
    expect(peer.takeLogin().fields.tsih).to.equal(0);
    peer.putLogin(TO_FULL | OPERATIONAL, []);
    expect(peer.takeLogin().fields.tsih).to.be.greaterThan(0);
    await peer.close();
  });

  it("makes a nexus whose initiator port is the name and the ISID", async () => {
    const peer = new World().connect();
    peer.login({ initiator: "iqn.2026-11.LOCALHOST:Peer", isid: 0x2a });
    const [{ nexus }] = peer.world.portal.sessions;
    expect(nexus.identity.initiatorPort.text).to.equal("iqn.2026-11.localhost:peer,i,0x80000000002a");
    expect(nexus.initiator).to.equal(nexus.identity.initiatorPort.text);
    await peer.close();
  });

  it("for a further connection of a session is refused", () => {
    const world = new World();
    const peer = world.connect();
    peer.login();
    const { tsih } = world.portal.sessions[0];
    const pairs = identityOf({});
    const text = Buffer.from(pairs.map(({ key, value }) => `${key}=${value}\0`).join(""));
    const bytes = pduOf(LoginRequest, { opcode: Opcode.login, flags: TO_FULL | OPERATIONAL, tsih, cid: 1 }, text);
    bytes[8] = 0x80;
    bytes[13] = 1;
    expect(refused(world.connect().give(bytes))).to.equal(LoginStatus.tooManyConnections);
  });
});

// CHAP: each digest, one way and both, and every way not to prove who one is.

import { type Authentication, CHAP_DIGESTS, chapResponse, LoginStatus, Stage, TRANSIT } from "@pvscsi/iscsi";
import { expect } from "chai";
import { INITIATOR, identityOf, type Peer, pairsOf, World } from "./peer.js";

const SECRET = Buffer.from("correct-horse-battery");
const OURS = Buffer.from("staple-and-so-forth");
const ACCOUNTS: Authentication = {
  initiators: [
    { name: "bob", secret: Buffer.from("something-else-again") },
    { name: "alice", secret: SECRET },
  ],
  target: { name: "disks", secret: OURS },
};
const SECURITY = Stage.security << 2;
const TO_NEXT = TRANSIT | SECURITY | Stage.operational;

/** Asks for CHAP with digests of these numbers; gives the challenge. */
function begin(peer: Peer, algorithms: string): { digest: string; identifier: number; challenge: Buffer } {
  peer.putLogin(TO_NEXT, [...identityOf({}), ...pairsOf({ AuthMethod: "None,CHAP" })]);
  const first = peer.takeLogin();
  expect([first.keys.AuthMethod, first.flags]).to.deep.equal(["CHAP", SECURITY]);
  peer.putLogin(SECURITY, pairsOf({ CHAP_A: algorithms }));
  const { keys } = peer.takeLogin();
  const challenge = Buffer.from(keys.CHAP_C.slice(2), "hex");
  return { digest: CHAP_DIGESTS[keys.CHAP_A].name, identifier: Number(keys.CHAP_I), challenge };
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}

/** Answers the challenge; `more` are further keys, or others. */
function finish(
  peer: Peer,
  more: Readonly<Record<string, string>> = {},
  algorithms = "5",
): ReturnType<Peer["takeLogin"]> {
  const { digest, identifier, challenge } = begin(peer, algorithms);
  const response = hex(chapResponse(digest, identifier, SECRET, challenge));
  peer.putLogin(TO_NEXT, pairsOf({ CHAP_N: "alice", CHAP_R: response, ...more }));
  return peer.takeLogin();
}

function world(authentication: Authentication = ACCOUNTS): World {
  return new World({ authentication });
}

describe("CHAP", () => {
  for (const [number, { name }] of Object.entries(CHAP_DIGESTS)) {
    it(`lets in who knows the secret, by ${name}`, async () => {
      const peer = world().connect();
      expect(finish(peer, {}, number)).to.deep.include({ status: LoginStatus.success, flags: TO_NEXT, keys: {} });
      peer.putLogin(TRANSIT | (Stage.operational << 2) | Stage.fullFeature, []);
      expect(peer.takeLogin().status).to.equal(LoginStatus.success);
      expect(peer.world.portal.sessions.length).to.equal(1);
      await peer.close();
    });
  }

  it("takes the first digest that it has, of those that an initiator has", () => {
    expect(begin(world().connect(), "99,7,5").digest).to.equal("sha256");
  });

  it("takes a response in base64", () => {
    const peer = world().connect();
    const { digest, identifier, challenge } = begin(peer, "5");
    const response = chapResponse(digest, identifier, SECRET, challenge);
    peer.putLogin(TO_NEXT, pairsOf({ CHAP_N: "alice", CHAP_R: `0b${Buffer.from(response).toString("base64")}` }));
    expect(peer.takeLogin().status).to.equal(LoginStatus.success);
  });

  it("proves who the target is", () => {
    const challenge = Buffer.from("a challenge of the initiator's own");
    const { status, keys } = finish(world().connect(), { CHAP_I: "255", CHAP_C: hex(challenge) }, "7");
    expect(status).to.equal(LoginStatus.success);
    expect(keys).to.deep.equal({ CHAP_N: "disks", CHAP_R: hex(chapResponse("sha256", 255, OURS, challenge)) });
  });

  it("challenges each login with something else", () => {
    const challenges = [begin(world().connect(), "5"), begin(world().connect(), "5")];
    const stand = world();
    const again = [begin(stand.connect(), "5"), begin(stand.connect(), "5")];
    expect(challenges.every(({ challenge }) => challenge.length === 32)).to.equal(true);
    expect(again[0].challenge.equals(again[1].challenge)).to.equal(false);
  });

  for (const [name, more] of [
    ["another secret", { CHAP_R: `0x${"00".repeat(16)}` }],
    ["a response of another length", { CHAP_R: "0x00" }],
    ["a response that is no number", { CHAP_R: "twelve" }],
    ["base64 that is none", { CHAP_R: "0b=" }],
    ["an unknown name", { CHAP_N: "carol" }],
    ["another user's name", { CHAP_N: "bob" }],
    ["an identifier beyond 255", { CHAP_I: "256", CHAP_C: "0x0102" }],
    ["an identifier without a challenge", { CHAP_I: "1" }],
    ["a challenge without an identifier", { CHAP_C: "0x0102" }],
    ["an empty challenge", { CHAP_I: "1", CHAP_C: "0x" }],
    ["a challenge of 1025 bytes", { CHAP_I: "1", CHAP_C: `0x${"00".repeat(1025)}` }],
  ] as const) {
    it(`refuses ${name}`, () => {
      const peer = world().connect();
      expect(finish(peer, more).status).to.equal(LoginStatus.authenticationFailure);
      expect(peer.ended).to.equal(true);
    });
  }

  it("refuses to answer its own challenge", () => {
    const peer = world().connect();
    const { digest, identifier, challenge } = begin(peer, "5");
    const response = hex(chapResponse(digest, identifier, SECRET, challenge));
    peer.putLogin(TO_NEXT, pairsOf({ CHAP_N: "alice", CHAP_R: response, CHAP_I: "1", CHAP_C: hex(challenge) }));
    expect(peer.takeLogin().status).to.equal(LoginStatus.authenticationFailure);
  });

  it("refuses to say who the target is where it has no secret of its own", () => {
    const peer = world({ initiators: ACCOUNTS.initiators }).connect();
    const { status } = finish(peer, { CHAP_I: "1", CHAP_C: "0x0102030405060708" });
    expect(status).to.equal(LoginStatus.authenticationFailure);
  });

  for (const [name, flags, keys] of [
    ["who offers no method but None", TO_NEXT, { AuthMethod: "None" }],
    ["who offers no method", TO_NEXT, {}],
    ["who passes the security stage over", TRANSIT | (Stage.operational << 2) | Stage.fullFeature, {}],
    ["who has no digest that we have", TO_NEXT, { AuthMethod: "CHAP", CHAP_A: "1,2" }],
    ["who offers a digest by another's name", TO_NEXT, { AuthMethod: "CHAP", CHAP_A: "constructor" }],
  ] as const) {
    it(`refuses ${name}`, () => {
      const peer = world()
        .connect()
        .putLogin(flags, [...identityOf({}), ...pairsOf(keys)]);
      expect(peer.takeLogin().status).to.equal(LoginStatus.authenticationFailure);
    });
  }

  it("is asked of each initiator as is said of it", async () => {
    const initiators = new Map([
      [INITIATOR, ACCOUNTS],
      ["iqn.2026-11.localhost:trusted", null],
    ]);
    const stand = new World({ initiators });
    expect(finish(stand.connect()).status).to.equal(LoginStatus.success);
    const trusted = stand.connect();
    trusted.login({ initiator: "iqn.2026-11.localhost:trusted" });
    const peer = stand.connect().putLogin(TRANSIT | (Stage.operational << 2) | Stage.fullFeature, identityOf({}));
    expect(peer.takeLogin().status).to.equal(LoginStatus.authenticationFailure);
    await stand.settle();
  });

  it("is not offered where nothing has to be proved, and None is refused to who has only CHAP", () => {
    const peer = new World().connect();
    peer.putLogin(TO_NEXT, [...identityOf({}), ...pairsOf({ AuthMethod: "CHAP" })]);
    expect(peer.takeLogin().status).to.equal(LoginStatus.authenticationFailure);
  });

  it("is asked of a discovery session where the portal says so, and only there", async () => {
    const stand = new World({}, { discoveryAuthentication: ACCOUNTS });
    const peer = stand
      .connect()
      .putLogin(TO_NEXT, [...identityOf({ target: null }), ...pairsOf({ AuthMethod: "None" })]);
    expect(peer.takeLogin().status).to.equal(LoginStatus.authenticationFailure);
    stand.connect().login();
    await stand.settle();
  });
});

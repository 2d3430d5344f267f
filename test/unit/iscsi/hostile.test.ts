// Hostile initiators at a portal: nobody else notices, what they are answered is iSCSI, and in the end nothing is held.

import { Opcode, Reject, ScsiResponse, Stage, TRANSIT } from "@pvscsi/iscsi";
import { expect } from "chai";
import { collectGarbage } from "../../support/allocation.js";
import { AnswerJudge } from "./answer-judge.js";
import { HostileHistory, hostileHistory } from "./hostile-history.js";
import { headerOf, type Parts, sound } from "./hostile-pdu.js";
import { identityOf, pduOf, World } from "./peer.js";

const PDUS = Number(process.env.FUZZ_PDUS ?? 2000);
const HISTORIES = Number(process.env.FUZZ_HISTORIES ?? 4);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** Bytes: code that is compiled meanwhile lies on the heap as well. */
const MOST_GROWTH = 4 << 20;
const PLAIN = { headerDigest: false, dataDigest: false };

/** What the judge says of answers that follow a login. */
function judge(...pdus: readonly Uint8Array[]): string | null {
  const judged = loggedIn();
  for (const pdu of pdus) judged.feed(pdu);
  return judged.fault;
}

/** A judge that has seen a login; StatSN 2 is next. */
function loggedIn(): AnswerJudge {
  const judged = new AnswerJudge(512, () => {});
  const flags = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
  judged.feed(new World().connect().putLogin(flags, identityOf({})).received);
  expect([judged.fault, judged.phase, judged.statSN]).to.deep.equal([null, "full-feature", 1]);
  return judged;
}

function answer(opcode: number, itt: number, change: (header: Buffer) => void, data?: Uint8Array): Buffer {
  const header = headerOf(opcode, 0x80, itt);
  header.writeUInt32BE(2, 24);
  header.writeUInt32BE(1, 28);
  header.writeUInt32BE(128, 32);
  change(header);
  const parts: Parts = data === undefined ? { header } : { header, data };
  return sound(parts, PLAIN);
}

describe("a portal under hostile initiators", () => {
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    it(`serves others as if there were none, and holds nothing then: ${PDUS} PDUs of seed ${seed}`, async () => {
      const { ended, rejects, inFullFeature } = await hostileHistory(seed, PDUS);
      if (PDUS < 1000) return;
      expect(inFullFeature).to.be.above(PDUS / 40);
      expect(ended).to.be.above(PDUS / 40);
      expect(rejects).to.include.keys(["2", "4", "5", "7", "9"]);
    }).timeout(20_000 + PDUS * 5);
  }

  it("does not grow with them", async () => {
    const history = new HostileHistory(SEED);
    const heapAfter = async (pdus: number): Promise<number> => {
      await history.run(pdus);
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = await heapAfter(1000);
    expect((await heapAfter(1000)) - before).to.be.below(MOST_GROWTH);
    await history.end();
  }).timeout(60_000);

  it("does the same again from the same seed", async () => {
    expect(await hostileHistory(7, 300)).to.deep.equal(await hostileHistory(7, 300));
  });
});

describe("the judge of a target's answers", () => {
  const nothing = (): void => {};

  it("lets pass what is right", () => {
    const second = answer(Opcode.response, 2, (header) => header.writeUInt32BE(3, 24));
    expect(judge(answer(Opcode.response, 1, nothing), second)).to.equal(null);
  });

  for (const [what, fault, pdus] of [
    ["a StatSN is left out", "StatSN 3 where 2 is next", [answer(Opcode.response, 1, (h) => h.writeUInt32BE(3, 24))]],
    ["an opcode is an initiator's", "opcode 1", [answer(Opcode.command, 1, nothing)]],
    [
      "more data comes than was agreed on",
      "SCSI Data-In with 516 bytes, more than 512",
      [answer(Opcode.dataIn, 1, nothing, new Uint8Array(516))],
    ],
    [
      "data does not begin where it should",
      "data at 512 after 0 bytes",
      [answer(Opcode.dataIn, 1, (h) => h.writeUInt32BE(512, 40), new Uint8Array(8))],
    ],
    ["a status is none", "status 3", [answer(Opcode.response, 1, (h) => h.writeUInt8(3, 3))]],
    [
      "sense data is missing",
      "status 2 with 0 bytes of sense data",
      [answer(Opcode.response, 1, (h) => h.writeUInt8(2, 3))],
    ],
    ["an R2T asks for nothing", "an R2T for 0 bytes", [answer(Opcode.readyToTransfer, 1, nothing)]],
    [
      "the window goes back",
      "SCSI Response with MaxCmdSN 100 after 128",
      [
        answer(Opcode.response, 1, nothing),
        answer(Opcode.response, 2, (h) => {
          h.writeUInt32BE(3, 24);
          h.writeUInt32BE(100, 32);
        }),
      ],
    ],
    [
      "a Reject has no header",
      "a Reject without the header",
      [pduOf(Reject, { opcode: Opcode.reject, statSN: 2, maxCmdSN: 1 })],
    ],
    [
      "a residual is both ways",
      "a residual both ways",
      [pduOf(ScsiResponse, { opcode: Opcode.response, flags: 0x86, statSN: 2, maxCmdSN: 1 })],
    ],
  ] as const) {
    it(`notices where ${what}`, () => {
      expect(judge(...pdus)).to.equal(fault);
    });
  }

  it("notices a digest that is wrong", () => {
    const judged = loggedIn();
    judged.digests = { headerDigest: true, dataDigest: false };
    const bytes = sound({ header: answer(Opcode.response, 1, nothing) }, judged.digests);
    bytes[48] ^= 1;
    judged.feed(bytes);
    expect(judged.fault).to.equal("a header's digest");
  });
});

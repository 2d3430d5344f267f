// Knows sessions with CRC32C over headers and data, and that a bit which is turned over on the way costs a session, and no data
// (RFC 7143 7.8; ErrorRecoveryLevel is 0).

import { Opcode, PDUS, RejectReason } from "@pvscsi/iscsi";
import { expect } from "chai";
import { copy, sumOfFile, verifyOnce } from "../qemu/contents.js";
import type { Spoiling } from "./relay.js";
import type { Stand } from "./stand.js";

const COPIED = 16;
/** MiB of fio's work. */
const WORK = 32;
/** With a short first burst, so that there are Data-Outs. */
const BOTH = {
  "node.conn[0].iscsi.HeaderDigest": "CRC32C",
  "node.conn[0].iscsi.DataDigest": "CRC32C",
  "node.session.iscsi.FirstBurstLength": 65536,
};

/** What is turned over, and what the portal has to say to it; the others the initiator finds. */
const SPOILINGS: readonly (Spoiling & { readonly rejected?: number })[] = [
  { opcode: Opcode.command, part: "data", rejected: RejectReason.dataDigestError },
  { opcode: Opcode.dataOut, part: "data", rejected: RejectReason.dataDigestError },
  { opcode: Opcode.command, part: "header" },
  { opcode: Opcode.dataOut, part: "header" },
  { opcode: Opcode.dataIn, part: "data" },
  { opcode: Opcode.dataIn, part: "header" },
  { opcode: Opcode.response, part: "header" },
];

export async function judgeDigests(stand: Stand): Promise<void> {
  const { context, initiator, relay } = stand;
  await context.check("login with HeaderDigest=CRC32C and DataDigest=CRC32C", async () => {
    await initiator.set(BOTH);
    relay.digests = { header: true, data: true };
    await initiator.logIn();
    const agreed = [await initiator.attribute("header_digest"), await initiator.attribute("data_digest")];
    expect(agreed).to.deep.equal(["1", "1"]);
    return "both agreed on";
  });
  await context.check(`fio at depth 32 under digests: the MD5 of each block of ${WORK} MiB`, async () =>
    verifyOnce(initiator.guest, (await initiator.disk(0)).disk, WORK),
  );
  for (const spoiling of SPOILINGS) {
    const { name } = PDUS[spoiling.opcode];
    await context.check(`a bit of a ${name}'s ${spoiling.part} is turned over: all is said again`, () =>
      spoilOne(stand, spoiling),
    );
  }
  await initiator.logOut();
  await initiator.renew();
  relay.digests = { header: false, data: false };
}

async function spoilOne({ initiator, relay, file }: Stand, spoiling: (typeof SPOILINGS)[number]): Promise<string> {
  const { guest } = initiator;
  const before = relay.seen.length;
  const { disk } = await initiator.disk(0);
  relay.spoil(spoiling);
  const sum = await copy(guest, disk, COPIED);
  expect(relay.spoiled, "turned over").to.equal(true);
  expect(await sumOfFile(file, COPIED), "in the file").to.equal(sum);
  await initiator.recovered();
  const rejects = relay.seenSince(before, Opcode.reject).map(({ header }) => header[2]);
  const { rejected } = spoiling;
  expect(rejects, "reasons of rejects").to.deep.equal(rejected === undefined ? [] : [rejected]);
  const logins = relay.seenSince(before, Opcode.login).length;
  expect(logins, "login requests").to.be.above(0);
  return `${rejects.length} rejects, ${logins} login requests, ${sum.slice(0, 16)}`;
}

// A connection under any bytes: it never throws, takes nothing for good, and does the same wherever the stream is cut.

import {
  CommandFlag,
  DataOut,
  FINAL,
  formatText,
  HEADER_SIZE,
  IMMEDIATE,
  LoginRequest,
  LogoutRequest,
  ManagementRequest,
  Opcode,
  Request,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { expect } from "chai";
import * as fc from "fast-check";
import { blocksCdb } from "../../support/block-commands.js";
import { identityOf, NONE, type Peer, pairsOf, pduOf, World } from "./peer.js";

const LOGIN = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
/** Of the histories from a seed. */
const RUNS = Number(process.env.FUZZ_HISTORIES ?? 300);
const SEED = process.env.FUZZ_SEED === undefined ? {} : { seed: Number(process.env.FUZZ_SEED) };

function login(keys: Readonly<Record<string, string>>): Buffer {
  const text = formatText([...identityOf({}), ...pairsOf(keys)]);
  return pduOf(LoginRequest, { opcode: Opcode.login | IMMEDIATE, flags: LOGIN, itt: 1, cmdSN: 1 }, text);
}

function command(
  cmdSN: number,
  flags: number,
  cdb: readonly number[],
  expectedLength: number,
  data?: Uint8Array,
): Buffer {
  const fields = { opcode: Opcode.command, flags, itt: cmdSN, cmdSN, ttt: expectedLength };
  const bytes = pduOf(Request, fields, data);
  bytes.set(cdb, 32);
  return bytes;
}

/** A session with each request once, and the data of an R2T, whose tag is known to be 1. */
function everything(): Buffer[] {
  const [read, write] = [FINAL | CommandFlag.read, FINAL | CommandFlag.write];
  return [
    pduOf(Request, { opcode: Opcode.nopOut | IMMEDIATE, flags: FINAL, itt: 5, ttt: NONE }, Buffer.from("ping")),
    command(1, FINAL, [0x00], 0),
    command(2, read, [0x12, 0, 0, 0, 96, 0], 96),
    command(3, write, blocksCdb(0x2a, 0, 2), 1024, Buffer.alloc(512, 1)),
    pduOf(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt: 3, ttt: 1, bufferOffset: 512 }, Buffer.alloc(512, 2)),
    command(4, read, blocksCdb(0x28, 0, 2), 1024),
    pduOf(Request, { opcode: Opcode.text | IMMEDIATE, flags: FINAL, itt: 6, ttt: NONE }, Buffer.from("SendTargets=\0")),
    pduOf(ManagementRequest, { opcode: Opcode.management | IMMEDIATE, flags: FINAL | 1, itt: 7, referencedTag: 4 }),
    pduOf(Request, { opcode: Opcode.snack, itt: 8 }),
    command(6, read, blocksCdb(0x28, 0, 1), 512),
    command(5, FINAL, [0x00], 0),
    pduOf(LogoutRequest, { opcode: Opcode.logout | IMMEDIATE, flags: FINAL, itt: 9 }),
  ];
}

async function run(parts: readonly Uint8Array[]): Promise<Peer> {
  const peer = new World().connect();
  for (const part of parts) peer.give(part);
  await peer.world.settle();
  await peer.close();
  return peer;
}

/** What may be done to a PDU on its way. */
const damage = fc.record({
  pdu: fc.nat({ max: everything().length - 1 }),
  at: fc.nat({ max: HEADER_SIZE - 1 }),
  value: fc.nat({ max: 255 }),
  action: fc.constantFrom("change", "change", "change", "leave out", "twice", "cut"),
});

function damaged(
  pdus: readonly Buffer[],
  wounds: readonly { pdu: number; at: number; value: number; action: string }[],
): Buffer[] {
  const whole = pdus.map((pdu) => [Buffer.from(pdu)]);
  for (const { pdu, at, value, action } of wounds) {
    const copies = whole[pdu];
    if (copies.length === 0) continue;
    if (action === "change" && at < copies[0].length) copies[0][at] = value;
    else if (action === "leave out") copies.length = 0;
    else if (action === "twice") copies.push(Buffer.from(copies[0]));
    else copies[0] = copies[0].subarray(0, at);
  }
  return whole.flat();
}

describe("an iSCSI connection under any bytes", () => {
  for (const [name, keys] of [
    ["", { InitialR2T: "Yes" }],
    ["with pieces of 512 bytes", { InitialR2T: "Yes", MaxRecvDataSegmentLength: "512" }],
  ] as const) {
    it(`does the same wherever the stream is cut ${name}`, async () => {
      const bytes = Buffer.concat([login(keys), ...everything()]);
      const whole = (await run([bytes])).received;
      expect(whole.length).to.be.greaterThan(2400);
      for (let cut = 1; cut < bytes.length; cut += 3) {
        const { received } = await run([bytes.subarray(0, cut), bytes.subarray(cut)]);
        expect(received.equals(whole), `cut at ${cut}`).to.equal(true);
      }
      const { received } = await run(Array.from(bytes, (byte) => Uint8Array.of(byte)));
      expect(received.equals(whole), "byte by byte").to.equal(true);
    });
  }

  it("survives any bytes, and holds nothing afterwards", async () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(parts, fc.boolean(), async (given, loggedIn) => {
        await run(loggedIn ? [login({}), ...given] : given);
      }),
      { numRuns: RUNS, ...SEED },
    );
  });

  it("survives damaged logins, and holds nothing afterwards", async () => {
    const flips = fc.array(fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 })), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(flips, async (changes) => {
        const bytes = login({ InitialR2T: "No", HeaderDigest: "CRC32C,None" });
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        await run([bytes, ...everything()]);
      }),
      { numRuns: RUNS, ...SEED },
    );
  });

  it("survives damaged sessions, and holds nothing afterwards", async () => {
    const keys = fc.constantFrom(
      { InitialR2T: "Yes" },
      { InitialR2T: "No", FirstBurstLength: "512" },
      { ImmediateData: "No" },
    );
    await fc.assert(
      fc.asyncProperty(keys, fc.array(damage, { minLength: 1, maxLength: 6 }), async (agreed, wounds) => {
        await run([login(agreed as Record<string, string>), ...damaged(everything(), wounds)]);
      }),
      { numRuns: RUNS * 2, ...SEED },
    );
  });

  it("gives nobody what lay in a page before", async () => {
    const world = new World();
    const secret = Buffer.alloc(65536, 0x5a);
    const writer = world.loggedIn({ isid: 2 });
    writer.command(blocksCdb(0x2a, 0, 128), { flags: FINAL | CommandFlag.write, expectedLength: 65536, data: secret });
    const reader = world.loggedIn({ isid: 3 });
    // More is expected than any of these gives.
    for (const cdb of [
      [0x12, 0, 0, 0, 0xff, 0],
      [0x25],
      [0xa0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
      [0x03, 0, 0, 0, 0xff, 0],
    ]) {
      reader.command(cdb, { flags: FINAL | CommandFlag.read, expectedLength: 60000 });
    }
    expect(reader.received.length).to.be.greaterThan(150);
    expect(reader.received.includes(Buffer.alloc(8, 0x5a))).to.equal(false);
    writer.connection.closed();
    await reader.close();
  });
});

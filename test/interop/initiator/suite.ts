// Knows how Debian's tgt and istgt judge our initiator: logins, data both ways, task management, an end in the middle of the load, and
// what it answers beside what it answers an initiator of the tests' own.

import { createHash, randomBytes } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { LoginRefused, proofOfText } from "@pvscsi/iscsi";
import { HostByte } from "@pvscsi/scsi";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { Session } from "../../support/iscsi-session.js";
import type { Suite, SuiteContext } from "../suite.js";
import { Tgtd, unitWords } from "../tgt/daemon.js";
import { atOnce, Client } from "./client.js";
import { Istgt } from "./istgt.js";

const MIB = 1 << 20;
const DISK_SIZE = 64 * MIB;
const BLOCK = 512;
const PIECE = 256 * 1024;
const JOE = { name: "joe", secret: "secret-of-joe" };
const DISK = { name: "disk", secret: "secret-of-disk" };
const DIGESTS = { headerDigest: "CRC32C", dataDigest: "CRC32C" } as const;

export const initiatorSuite: Suite = {
  name: "initiator",
  judges:
    "our iSCSI initiator at Debian's tgt and istgt: CHAP, digests, 64 MiB, depth 32, task management, tgt killed under load, all types of device",
  packages: ["tgt", "istgt", "libiscsi-bin", "qemu-utils"],
  default: false,
  budgetSeconds: 180,
  async run(context) {
    await judgeData(context);
    await judgeDigests(context);
    await judgeChap(context);
    await judgeTypes(context);
    await judgeIstgt(context);
    await judgeKill(context);
  },
};

async function diskFile(context: SuiteContext): Promise<string> {
  const file = context.freshPath("disk");
  await writeFile(file, "");
  await truncate(file, DISK_SIZE);
  return file;
}

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

/** Writes 64 MiB of random bytes by `client`, reads them back, and has both compared with tgt's file. */
async function judgeContents(context: SuiteContext, client: Client, file: string, lun = 1): Promise<string> {
  const bytes = randomBytes(DISK_SIZE);
  const count = DISK_SIZE / PIECE;
  const blocks = PIECE / BLOCK;
  const begin = performance.now();
  await atOnce(count, 8, async (i) => {
    await client.good(blocksCdb(0x2a, i * blocks, blocks), { lun, data: bytes.subarray(i * PIECE, (i + 1) * PIECE) });
  });
  const written = performance.now();
  await client.good([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], { lun });
  const back = Buffer.alloc(DISK_SIZE);
  const reading = performance.now();
  await atOnce(count, 8, async (i) => {
    (await client.good(blocksCdb(0x28, i * blocks, blocks), { lun, room: PIECE })).data.copy(back, i * PIECE);
  });
  const read = performance.now();
  const sum = md5(bytes);
  expect(md5(back), "what was read").to.equal(sum);
  expect((await context.succeed("md5sum", file)).split(" ")[0], "md5sum of tgt's file").to.equal(sum);
  const rate = (milliseconds: number): string => `${Math.round(64_000 / milliseconds)} MiB/s`;
  return `${sum}, written ${rate(written - begin)}, read ${rate(read - reading)}`;
}

async function judgeData(context: SuiteContext): Promise<void> {
  const file = await diskFile(context);
  const tgt = await Tgtd.serve(context, [unitWords(1, file)]);
  const client = await Client.open(tgt);
  try {
    await context.check("a login without a proof, and what was agreed on", async () => {
      await client.ready();
      const { MaxRecvDataSegmentLength, MaxBurstLength, InitialR2T } = client.adapter.parameters ?? {};
      return `tgt takes ${MaxRecvDataSegmentLength} bytes a PDU, bursts of ${MaxBurstLength}, InitialR2T=${InitialR2T}`;
    });
    await context.check("a discovery session is told tgt's target and portal", async () => {
      const [found, ...others] = await Client.discover(tgt);
      expect(others.length).to.equal(0);
      expect(found).to.deep.equal({ name: tgt.target, portals: [{ host: "127.0.0.1", port: tgt.port, tag: 1 }] });
      return `${found.name} at ${tgt.address},1`;
    });
    await context.check("64 MiB out and back have the checksum of tgt's file", () =>
      judgeContents(context, client, file),
    );
    await context.check("what another pattern of qemu-io's leaves in tgt's file is read by us", async () => {
      await context.succeed("qemu-io", "-f", "raw", "-c", "write -P 0xa5 1M 1M", file);
      const { data } = await client.good(blocksCdb(0x28, MIB / BLOCK, PIECE / BLOCK), { room: PIECE });
      expect(data.every((byte) => byte === 0xa5)).to.equal(true);
      await client.good(blocksCdb(0x2a, (2 * MIB) / BLOCK, PIECE / BLOCK), { data: Buffer.alloc(PIECE, 0x3c) });
      await client.good([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      await context.succeed("qemu-io", "-f", "raw", "-c", "read -P 0x3c 2M 256k", file);
      return "and qemu-io finds there what we wrote";
    });
    await context.check("20000 READs of 4 KiB, 32 at once, each with its own data", () => judgeDepth(client));
    await context.check("INQUIRY, VPD pages, sense and residual are what another initiator gets, byte by byte", () =>
      judgeBytes(client, tgt),
    );
    await context.check("iscsi-inq and iscsi-readcapacity16 say of it what we read", () =>
      judgeLooks(context, client, tgt),
    );
    await context.check("LOGICAL UNIT RESET and ABORT TASK under load: each command ends once", () =>
      judgeFunctions(client),
    );
  } finally {
    await client.close();
    await tgt.end();
  }
}

async function judgeDepth(client: Client): Promise<string> {
  const COUNT = 20_000;
  const BLOCKS = DISK_SIZE / 4096;
  await atOnce(BLOCKS / 64, 8, async (i) => {
    const data = Buffer.alloc(PIECE);
    for (let j = 0; j < 64; j++) data.writeUInt32BE(i * 64 + j, j * 4096);
    await client.good(blocksCdb(0x2a, i * 512, 512), { data });
  });
  const begin = performance.now();
  await atOnce(COUNT, 32, async (i) => {
    const block = (i * 7919) % BLOCKS;
    const { data } = await client.good(blocksCdb(0x28, block * 8, 8), { room: 4096 });
    expect(data.readUInt32BE(0)).to.equal(block);
  });
  return `${Math.round((COUNT * 1000) / (performance.now() - begin))} a second`;
}

/** CDBs whose answers are compared, with room. */
const COMPARED: readonly (readonly [readonly number[], number])[] = [
  [[0x12, 0, 0, 0, 255, 0], 255],
  [[0x12, 0, 0, 0, 36, 0], 36],
  ...[0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2].map((page) => [[0x12, 1, page, 0, 252, 0], 252] as const),
  [[0x12, 1, 0xee, 0, 252, 0], 252],
  [[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8],
  [[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0], 512],
  [[0x1a, 0, 0x3f, 0, 192, 0], 192],
  [[0x03, 0, 0, 0, 252, 0], 252],
  [blocksCdb(0x28, 0x7fffffff, 1), 512],
  [blocksCdb(0x28, 0, 2), 512],
  [blocksCdb(0x28, 0, 1), 4096],
  [[0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], 256],
  [[0xff, 0, 0, 0, 0, 0], 0],
];

async function judgeBytes(client: Client, { address, target }: Tgtd, lun = 1): Promise<string> {
  const other = await Session.login({ address, target, initiator: "iqn.2026-11.localhost:other" });
  await other.execute({ lun, cdb: new Uint8Array(16), room: 0, data: null });
  for (const [cdb, room] of COMPARED) {
    const padded = new Uint8Array(16);
    padded.set(cdb);
    const theirs = await other.execute({ lun, cdb: padded, room, data: null });
    const ours = await client.run(cdb, { lun, room });
    const shown = {
      status: theirs.status,
      sense: Buffer.from(theirs.sense).toString("hex"),
      data: dataOf(theirs),
      residual: room - theirs.data.length,
    };
    const { status, sense, data, residual } = ours;
    const same = { status, sense: sense.toString("hex"), data: dataOf({ status, data }), residual };
    expect(same, `CDB ${Buffer.from(cdb).toString("hex")} to LUN ${lun}`).to.deep.equal(shown);
    if (theirs.status === 0 && theirs.residual >= 0) expect(residual).to.equal(theirs.residual);
  }
  await other.logout();
  return `${COMPARED.length} commands`;
}

/** With CHECK CONDITION tgt sends what happens to lie in its memory: another one each time. */
const dataOf = ({ status, data }: { readonly status: number; readonly data: Uint8Array }): string =>
  status === 0 ? Buffer.from(data).toString("hex") : `${data.length} bytes`;

async function judgeLooks(context: SuiteContext, client: Client, { address, target }: Tgtd): Promise<string> {
  const url = `iscsi://${address}/${target}/1`;
  const looks = await context.succeed("iscsi-inq", url);
  const { data } = await client.good([0x12, 0, 0, 0, 96, 0], { room: 96 });
  for (const [name, from, to] of [
    ["Vendor", 8, 16],
    ["Product", 16, 32],
    ["Revision", 32, 36],
  ] as const) {
    expect(looks).to.include(`${name}:${data.toString("latin1", from, to).trimEnd()}`);
  }
  const size = await context.succeed("iscsi-readcapacity16", "-s", url);
  const capacity = await client.good([0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0], { room: 32 });
  const bytes = (Number(capacity.data.readBigUInt64BE(0)) + 1) * capacity.data.readUInt32BE(8);
  expect(Number(size.trim()), "bytes").to.equal(bytes);
  return `${bytes} bytes`;
}

async function judgeFunctions(client: Client): Promise<string> {
  const outcomes = new Map<string, number>();
  const note = (hostByte: number, status: number): void => {
    const key = `${hostByte}/${status}`;
    outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
  };
  let resets = 0;
  let aborts = 0;
  await atOnce(2000, 32, async (i) => {
    if (i % 200 === 100) {
      expect(await client.adapter.reset("logicalUnitReset", 1), "LOGICAL UNIT RESET").to.equal(0);
      resets += 1;
    }
    const { command, ended } = client.start(blocksCdb(0x2a, i * 8, 512), { data: Buffer.alloc(PIECE) });
    if (i % 20 === 10 && (await client.abort(command))) aborts += 1;
    const { hostByte, status } = await ended;
    note(hostByte, status);
    expect([HostByte.ok, HostByte.reset, HostByte.abort], client.told.join("; ")).to.include(hostByte);
  });
  await client.ready();
  expect(client.told.length, client.told.join("; ")).to.equal(1);
  const words = [...outcomes].map(([key, count]) => `${key}: ${count}`).join(", ");
  return `${resets} resets, ${aborts} aborts; host byte/status ${words}`;
}

async function judgeDigests(context: SuiteContext): Promise<void> {
  const file = await diskFile(context);
  const update = (name: string) => ["--mode", "target", "--op", "update", "--tid", "1", "-n", name, "-v", "CRC32C"];
  const tgt = await Tgtd.serve(context, [update("HeaderDigest"), update("DataDigest"), unitWords(1, file)]);
  try {
    await context.check("64 MiB with digests of headers and data", async () => {
      const client = await Client.open(tgt, DIGESTS);
      expect(client.adapter.parameters).to.include({ HeaderDigest: "CRC32C", DataDigest: "CRC32C" });
      await client.ready();
      const figure = await judgeContents(context, client, file);
      expect(client.told).to.deep.equal(["logged in"]);
      await client.close();
      return figure;
    });
  } finally {
    await tgt.end();
  }
}

async function judgeChap(context: SuiteContext): Promise<void> {
  const account = ({ name, secret }: typeof JOE, ...more: readonly string[]) => [
    ["--mode", "account", "--op", "new", "--user", name, "--password", secret],
    ["--mode", "account", "--op", "bind", "--tid", "1", "--user", name, ...more],
  ];
  const file = await diskFile(context);
  const tgt = await Tgtd.serve(context, [...account(JOE), ...account(DISK, "--outgoing"), unitWords(1, file)]);
  const wrong = { ...JOE, secret: "another-secret" };
  const enter = async (proof: Parameters<typeof proofOfText>[0] | undefined): Promise<string> => {
    try {
      const client = await Client.open(tgt, proof === undefined ? {} : { proof: proofOfText(proof) });
      await client.ready();
      await client.close();
      return "logged in";
    } catch (error) {
      if (!(error instanceof LoginRefused)) throw error;
      return error.message;
    }
  };
  const judge = (name: string, proof: Parameters<typeof proofOfText>[0] | undefined, expected: RegExp) =>
    context.check(name, async () => {
      const outcome = await enter(proof);
      expect(outcome).to.match(expected);
      return outcome;
    });
  try {
    await judge("CHAP", { initiator: JOE }, /^logged in$/);
    await judge("CHAP with a wrong secret", { initiator: wrong }, /0x0201/);
    await judge("no CHAP where it is asked for", undefined, /0x0201|AuthMethod/);
    await judge("CHAP of both sides", { initiator: JOE, target: DISK }, /^logged in$/);
    await judge(
      "CHAP of both sides, and the target's secret is another",
      { initiator: JOE, target: { ...DISK, secret: "another-secret" } },
      /target has not proved/,
    );
  } finally {
    await tgt.end();
  }
}

async function judgeTypes(context: SuiteContext): Promise<void> {
  const [disk, cd, tape, changer] = ["disk", "cd", "tape", "changer"].map((name) => context.freshPath(name));
  for (const [file, size] of [
    [disk, MIB],
    [cd, 8 * MIB],
    [changer, 1024],
  ] as const) {
    await writeFile(file, "");
    await truncate(file, size);
  }
  const words = ["--op", "new", "--device-type", "tape", "--barcode", "A00001", "--size", "16", "--type", "data"];
  await context.succeed("tgtimg", ...words, "--file", tape);
  const tgt = await Tgtd.serve(context, [
    unitWords(1, disk),
    unitWords(2, cd, "--device-type", "cd"),
    unitWords(3, tape, "--device-type", "tape", "--bstype", "ssc"),
    unitWords(4, changer, "--device-type", "changer"),
  ]);
  const client = await Client.open(tgt);
  const types = [0x0c, 0x00, 0x05, 0x01, 0x08];
  try {
    await context.check(
      "tgt's controller, disk, CD, tape and changer are found, and answer as they do anybody",
      async () => {
        const { data } = await client.good([0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], { lun: 0, room: 256 });
        const luns = Array.from({ length: data.readUInt32BE(0) / 8 }, (_, i) => data.readUInt16BE(8 + i * 8));
        expect(luns).to.deep.equal([0, 1, 2, 3, 4]);
        for (const lun of luns) {
          const inquiry = await client.good([0x12, 0, 0, 0, 96, 0], { lun, room: 96 });
          expect(inquiry.data[0] & 31, `type of LUN ${lun}`).to.equal(types[lun]);
          await client.ready(lun);
          await judgeBytes(client, tgt, lun);
        }
        return `types ${types.map((type) => type.toString(16)).join(", ")}`;
      },
    );
  } finally {
    await client.close();
    await tgt.end();
  }
}

async function judgeIstgt(context: SuiteContext): Promise<void> {
  const file = await diskFile(context);
  const istgt = await Istgt.start(context, file);
  try {
    for (const [what, wishes] of [
      ["", {}],
      [" with digests", DIGESTS],
    ] as const) {
      await context.check(`istgt: 64 MiB out and back${what}, resets of unit and target, an abort`, async () => {
        const client = await Client.open(istgt, wishes);
        await client.ready(0);
        const figure = await judgeContents(context, client, file, 0);
        expect(await client.adapter.reset("logicalUnitReset")).to.equal(0);
        expect(await client.adapter.reset("targetWarmReset")).to.equal(0);
        let aborts = 0;
        await atOnce(200, 8, async (i) => {
          const { command, ended } = client.start(blocksCdb(0x28, i * 512, 512), { lun: 0, room: PIECE });
          if (i % 4 === 0) await client.abort(command);
          if ((await ended).hostByte === HostByte.abort) aborts += 1;
        });
        expect(client.told).to.deep.equal(["logged in"]);
        await client.close();
        return `${figure}; ${aborts} of 50 READs were aborted`;
      });
    }
  } finally {
    await istgt.end();
  }
}

/** Writes numbers to blocks in turn while tgt is killed and started again; whoever was told of a loss writes the number again. */
async function judgeKill(context: SuiteContext): Promise<void> {
  const file = await diskFile(context);
  const setUp = [unitWords(1, file)];
  const first = await Tgtd.serve(context, setUp);
  const client = await Client.open(first);
  let tgt = first;
  await context.check(
    "tgt is killed thrice under load: what was lost is told, the rest is there, none ends twice",
    async () => {
      await client.ready();
      const BLOCKS = 4096;
      const numbers = new Uint32Array(BLOCKS);
      const told = new Map<number, number>();
      let killing: Promise<void> = Promise.resolve();
      await atOnce(30_000, 32, async (i) => {
        if (i > 0 && i % 8000 === 0) {
          killing = killing.then(async () => {
            await tgt.kill();
            tgt = await Tgtd.serve(context, setUp, { port: first.port });
          });
        }
        const block = i % BLOCKS;
        const data = Buffer.alloc(4096);
        data.writeUInt32BE(i + 1, 0);
        for (;;) {
          const { hostByte, status } = await client.run(blocksCdb(0x2a, block * 8, 8), { data });
          if (hostByte !== HostByte.ok) told.set(hostByte, (told.get(hostByte) ?? 0) + 1);
          else if (status === 0) break;
        }
        numbers[block] = i + 1;
      });
      await killing;
      await client.good([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]).catch(() => client.ready());
      expect([...told.keys()], "host bytes").to.deep.equal([HostByte.transportDisrupted]);
      expect(client.told.filter((text) => text === "connected anew").length, client.told.join("; ")).to.equal(3);
      const bytes = await readFile(file);
      for (const [block, number] of numbers.entries()) expect(bytes.readUInt32BE(block * 4096)).to.equal(number);
      return `${told.get(HostByte.transportDisrupted)} of 30000 writes were told as lost; all ${BLOCKS} blocks have their last number`;
    },
  );
  await client.close();
  await tgt.end();
}

// Knows what is asked of a real device that is passed through in the dom0 of a real Xen: Linux' own scsi_debug by its sg node is served by
// `pvscsi xen serve` to Linux' own front end, and each command answers there as at the device itself: data, status, sense and residual.

import { randomFillSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { sha256 } from "../fio/image.js";
import type { Suite, SuiteContext } from "../suite.js";
import { Backend } from "./backend.js";
import { Device } from "./device.js";
import { Dom0 } from "./dom0.js";
import { HOST_PACKAGES, prepareImages } from "./images.js";

const MIB = 1024 * 1024;
const MEBIBYTES = 8;
const RANDOM = "random.raw";
/** Where scsi_debug is told what to do wrong, and when; its opts (2: errors of the medium from block 1234h on). */
const DEBUG = "/sys/bus/pseudo/drivers/scsi_debug";
const MEDIUM_ERRORS = 2;
const NOISE = 1;
/** Seconds for some dozens of programs on an emulated processor. */
const PATIENCE = 180;

/** Of each: what is asked, and with how many bytes of room. */
type Asked = readonly [what: string, room: number, cdb: string];

const ANY_TYPE: readonly Asked[] = [
  ["INQUIRY", 96, "12 00 00 00 60 00"],
  ["INQUIRY with more room than data", 512, "12 00 00 02 00 00"],
  ["INQUIRY cut", 5, "12 00 00 00 05 00"],
  ["VPD 00h", 255, "12 01 00 00 ff 00"],
  ["VPD 80h", 255, "12 01 80 00 ff 00"],
  ["VPD 83h", 255, "12 01 83 00 ff 00"],
  ["VPD 86h", 255, "12 01 86 00 ff 00"],
  ["a page that is not there", 255, "12 01 42 00 ff 00"],
  ["REQUEST SENSE", 252, "03 00 00 00 fc 00"],
  ["REQUEST SENSE of descriptors", 252, "03 01 00 00 fc 00"],
  ["MODE SENSE(6) of all", 252, "1a 00 3f 00 fc 00"],
  ["MODE SENSE(10) of all", 252, "5a 00 3f 00 00 00 00 00 fc 00"],
  ["MODE SENSE of a page that is not there", 252, "1a 00 2d 00 fc 00"],
  ["LOG SENSE", 252, "4d 00 40 00 00 00 00 00 fc 00"],
  ["an opcode that is not there", 0, "c1 00 00 00 00 00"],
  ["TEST UNIT READY", 0, "00 00 00 00 00 00"],
  ["a bit that is reserved", 0, "00 00 00 80 00 00"],
  ["REPORT SUPPORTED OPERATION CODES", 4096, "a3 0c 00 00 00 00 00 00 10 00 00 00"],
];

const DISK: readonly Asked[] = [
  ["READ CAPACITY(10)", 8, "25 00 00 00 00 00 00 00 00 00"],
  ["READ CAPACITY(16)", 32, "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00"],
  ["VPD B0h", 255, "12 01 b0 00 ff 00"],
  ["VPD B1h", 255, "12 01 b1 00 ff 00"],
  ["VPD B2h", 255, "12 01 b2 00 ff 00"],
  ["GET LBA STATUS", 64, "9e 12 00 00 00 00 00 00 00 00 00 00 00 40 00 00"],
  ["READ(10)", 4096, "28 00 00 00 00 08 00 00 08 00"],
  ["READ(16)", 4096, "88 00 00 00 00 00 00 00 00 08 00 00 00 08 00 00"],
  ["READ(6)", 512, "08 00 00 01 01 00"],
  ["READ beyond the end", 512, "28 00 7f ff ff ff 00 00 01 00"],
  ["VERIFY(10)", 0, "2f 00 00 00 00 00 00 00 08 00"],
  ["SYNCHRONIZE CACHE", 0, "35 00 00 00 00 00 00 00 00 00"],
  ["START STOP UNIT", 0, "1b 00 00 00 01 00"],
];

const TAPE: readonly Asked[] = [["READ BLOCK LIMITS", 6, "05 00 00 00 00 00"]];

/** 0x1234 = 4660: from there on ten blocks cannot be read, where scsi_debug is told so. */
const UNREADABLE: readonly Asked[] = [
  ["READ of a block that cannot be read", 4096, "28 00 00 00 12 34 00 00 08 00"],
  ["READ of a run with such a block in it", 8192, "28 00 00 00 12 30 00 00 10 00"],
];

export const xenPassSuite: Suite = {
  name: "xen-pass",
  judges: "real devices passed through in the dom0 of Xen 4.17: Linux' scsi_debug, xen-scsifront, sg_raw at both ends",
  packages: HOST_PACKAGES,
  default: false,
  budgetSeconds: 900,
  run: judge,
};

/** A type of device, as scsi_debug is told it, and what it is asked. */
interface Kind {
  readonly name: string;
  readonly words: string;
  readonly asked: readonly Asked[];
}

const DISKS: Kind = { name: "disk", words: "dev_size_mb=16 lbpu=1", asked: [...ANY_TYPE, ...DISK] };
const TAPES: Kind = { name: "tape", words: "dev_size_mb=16 ptype=1", asked: [...ANY_TYPE, ...TAPE] };

/** The nodes of one device: its own, and that of what is passed through. */
interface Ends {
  readonly real: string;
  readonly passed: string;
}

async function judge(context: SuiteContext): Promise<void> {
  let booted: Dom0 | null = null;
  await context.check("Xen and its dom0 start", async () => {
    const images = await prepareImages(context);
    booted = await Dom0.boot(context, images);
    return `Linux ${images.kernel}`;
  });
  if (booted === null) return;
  const dom0: Dom0 = booted;
  await judgeKind(context, dom0, DISKS, async (ends, device) => {
    await context.check("disk: what is written through is at the device", () => copy(dom0, device, ends));
    await context.check("disk: an error of the medium has the device's own sense data", async () => {
      await dom0.run(`echo ${MEDIUM_ERRORS} > ${DEBUG}/opts`);
      const said = await compare(dom0, ends, UNREADABLE);
      await dom0.run(`echo 0 > ${DEBUG}/opts`);
      return said;
    });
    await context.check("disk: a reset of the logical unit is one of the device", () => reset(dom0, ends));
  });
  await judgeKind(context, dom0, TAPES, async () => {});
  await dom0.end();
}

/** One device from its beginning to its end, alone: scsi_debug has one type for all of its devices. */
async function judgeKind(
  context: SuiteContext,
  dom0: Dom0,
  { name, words, asked }: Kind,
  more: (ends: Ends, device: Device) => Promise<void>,
): Promise<void> {
  await dom0.run(`modprobe scsi_debug num_tgts=1 max_luns=1 ${words}\nsleep 1`);
  const device = new Device(dom0);
  const [real] = await nodes(dom0);
  const backend = await Backend.serve(dom0, name, "--lun", real);
  let ends: Ends | null = null;
  await context.check(`${name}: Linux' front end finds it`, async () => {
    await device.create("0:0:0:0");
    await dom0.run("modprobe xen-scsifront");
    await device.connected();
    await dom0.run("sleep 1");
    const passed = (await nodes(dom0)).find((node) => node !== real) ?? expect.fail("there is no other sg node");
    ends = { real, passed };
    return `${passed} is ${real}; ${(await device.lsscsi()).join("; ")}`;
  });
  if (ends === null) return;
  const both: Ends = ends;
  await context.check(`${name}: it answers as at the device itself`, () => compare(dom0, both, asked));
  await more(both, device);
  await context.check(`${name}: nothing holds the device when all is closed`, async () => {
    await device.close();
    await device.remove();
    const said = await backend.end();
    await dom0.run("rmmod scsi_debug");
    return said.split("\n")[0];
  });
}

/** All sg nodes. */
async function nodes(dom0: Dom0): Promise<string[]> {
  return (await dom0.run("ls -d /dev/sg[0-9]*")).trim().split("\n");
}

/** Asks both ends the same; sg_raw tells status, sense data, and what came. */
async function compare(dom0: Dom0, { real, passed }: Ends, asked: readonly Asked[]): Promise<string> {
  const [ours, theirs] = [await ask(dom0, passed, asked), await ask(dom0, real, asked)];
  for (const [i, [what]] of asked.entries())
    expect(ours[i], `${what}: ${ours[i]} and not ${theirs[i]}`).to.equal(theirs[i]);
  const good = theirs.filter((text) => text.includes("exit 0")).length;
  return `${asked.length} commands alike, ${good} of them good`;
}

async function ask(dom0: Dom0, node: string, asked: readonly Asked[]): Promise<string[]> {
  // Whatever either end is owed first.
  const settle = `for n in 1 2 3; do sg_raw ${node} 00 00 00 00 00 00 > /dev/null 2>&1; done`;
  const commands = asked.map(([, room, cdb]) => {
    return `echo ==; sg_raw ${room > 0 ? `-r ${room} ` : ""}${node} ${cdb} 2>&1; echo "exit $?"`;
  });
  return (await dom0.run([settle, ...commands].join("\n"), PATIENCE)).split("==\n").slice(1);
}

async function copy(dom0: Dom0, device: Device, { real, passed }: Ends): Promise<string> {
  const blockOf = async (node: string) => {
    return (await dom0.run(`ls /sys/class/scsi_generic/${node.slice("/dev/".length)}/device/block`)).trim();
  };
  await writeFile(dom0.path(RANDOM), randomFillSync(Buffer.alloc(MEBIBYTES * MIB)));
  await device.write(await blockOf(passed), RANDOM);
  await device.read(await blockOf(real), "read.raw", MEBIBYTES);
  const [before, after] = [await sha256(dom0.path(RANDOM)), await sha256(dom0.path("read.raw"))];
  expect(after).to.equal(before);
  return `${MEBIBYTES} MiB, ${before.slice(0, 16)}`;
}

/** scsi_debug says it where it is told to talk. */
async function reset(dom0: Dom0, { passed }: Ends): Promise<string> {
  const text = await dom0.run(`echo ${NOISE} > ${DEBUG}/opts
dmesg -c > /dev/null
sg_reset -d ${passed}
echo 0 > ${DEBUG}/opts
dmesg`);
  return /scsi_debug_device_reset/.exec(text)?.[0] ?? expect.fail(text);
}

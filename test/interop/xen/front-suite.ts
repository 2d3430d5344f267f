// Knows what is asked of our front end in the dom0 of a real Xen: that Linux' own back end serves it as it serves Linux' front end,
// with LIO's disks, that they come and go, and that nothing is left of it, however it ends.

import { randomFillSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { sha256 } from "../fio/image.js";
import { reasonOf, type Suite, type SuiteContext } from "../suite.js";
import { Backend } from "./backend.js";
import { BACK, Device, FRONT, LunState } from "./device.js";
import { Dom0 } from "./dom0.js";
import { FrontEnd } from "./front-end.js";
import { HOST_PACKAGES, type Images, prepareImages } from "./images.js";
import { compareThings, MAPPED, nothing, openThings, PORT } from "./leftovers.js";
import { LioTarget } from "./lio-target.js";
import { harmIn } from "./messages.js";
import { MAIN } from "./repository.js";
import { FRONT_END, goldenChanges, startTrace, stopTrace } from "./trace.js";

const MIB = 1024 * 1024;
/** MiB of each disk: all of it is written and read back. */
const MEBIBYTES = 64;
/** Seconds for that on an emulated processor. */
const COPY = 120;
/** Pieces of a command: what Linux' back end offers. */
const PIECES = 128;
const RANDOM = "random.raw";
const OTHER_RANDOM = "other-random.raw";
/** MiB that are enough to be spoiled. */
const LITTLE = 8;
const LITTLE_RANDOM = "little-random.raw";
/** Pages that Linux may let processes have together: it has 1024 where it is not told, and a front end uses more than these. */
const FEW = 64;
const LIMIT = "/sys/module/xen_gntalloc/parameters/limit";

/** What there is to be written, and its MiB. */
const FILES = [
  [RANDOM, MEBIBYTES],
  [OTHER_RANDOM, MEBIBYTES],
  [LITTLE_RANDOM, LITTLE],
] as const;

export const xenFrontSuite: Suite = {
  name: "xen-front",
  judges: "a front end in the dom0 of Xen 4.17: Linux' xen-scsiback with LIO's ramdisk and fileio, xenstored, lsevtchn",
  packages: HOST_PACKAGES,
  default: true,
  budgetSeconds: 330,
  run: judge,
};

/** One machine with one target; front ends drive its one device after each other. */
interface Stand {
  readonly context: SuiteContext;
  readonly dom0: Dom0;
  readonly device: Device;
  readonly target: LioTarget;
  /** What was open before there was a device. */
  readonly before: readonly string[];
}

async function judge(context: SuiteContext): Promise<void> {
  const stand = await boot(context);
  if (stand === null) return;
  if (await judgeLife(stand)) {
    await judgeLeaving(stand);
    const limit = (await stand.dom0.run(`cat ${LIMIT}`)).trim();
    const front = await judgeTwo(stand);
    await stand.dom0.run(`echo ${limit} > ${LIMIT}`);
    if (front !== null) await judgeDeath(stand, front);
  }
  await context.check("LIO lets go of its disks, and the kernel of its back end", async () => {
    await stand.target.remove();
    return "nothing was in use";
  });
  await judgeBoth(stand);
  await judgeNotice(stand);
  await stand.dom0.end();
}

async function boot(context: SuiteContext): Promise<Stand | null> {
  let stand: Stand | null = null;
  await context.check("Xen, its dom0 and LIO's disks are there", async () => {
    const images: Images = await prepareImages(context);
    const dom0 = await Dom0.boot(context, images);
    for (const [name, mebibytes] of FILES) {
      await writeFile(dom0.path(name), randomFillSync(Buffer.alloc(mebibytes * MIB)));
    }
    const target = await LioTarget.make(dom0, MEBIBYTES);
    const before = await openThings(dom0);
    await dom0.run("dmesg -c");
    stand = { context, dom0, target, device: new Device(dom0), before };
    return `Linux ${images.kernel}, ${images.made ? "made" : "from the cache"}`;
  });
  return stand;
}

/** A device from its creation to its end by the toolstack. Gives whether it makes sense to go on. */
async function judgeLife(stand: Stand): Promise<boolean> {
  const { context, dom0, device, target } = stand;
  let front: FrontEnd | null = null;
  const connected = await context.check("it connects to xen-scsiback", async () => {
    await startTrace(dom0);
    await device.create(target.memory);
    front = await FrontEnd.start(dom0, "life");
    expect(await front.run("dmesg")).to.contain(`using up to ${PIECES} SG entries`);
    return await disks(front, "LIO-ORG RAMDISK-MCP");
  });
  if (!connected) return false;
  const ours = front as unknown as FrontEnd;
  const open = await openThings(dom0);
  const check = (name: string, body: () => Promise<string>) => context.check(name, body);
  await check("INQUIRY is LIO's", () => inquiry(ours));
  await check(`${MEBIBYTES} MiB on the disk in memory are read again`, () => copy(dom0, ours, "sda"));
  await check("a LUN comes, one that is not there is refused", () => plug(stand, ours));
  await check(`${MEBIBYTES} MiB on the disk in a file are read again, and are in the file`, () =>
    copyToFile(stand, ours),
  );
  await check("a command that fails has its sense data", () => fail(ours));
  await check("a LUN goes", () => unplug(stand, ours));
  await check("the toolstack closes the device", async () => {
    await device.close();
    expect(await ours.run("lsscsi")).to.equal("");
    return "both sides are closed, no disk is left";
  });
  await check("the nodes it wrote are those of Linux' front end", () => compareChanges(dom0));
  await check("no port, grant or node is left", async () => {
    await ours.end();
    return await leave(stand, open);
  });
  return true;
}

/** A device that its front end leaves by itself: one command, and the other end has let go before the nodes do. */
async function judgeLeaving(stand: Stand): Promise<void> {
  const { context, dom0, device, target } = stand;
  await context.check("one command runs, and all is given back while the device stays", async () => {
    await device.create(target.memory);
    const nodes = await openThings(dom0);
    const [hash] = (await dom0.run(`node ${MAIN} xen guest -- sha256sum /dev/sda`, COPY)).split(" ");
    expect(hash, "what the first front end has written").to.equal(await sha256(dom0.path(RANDOM)));
    const states = await dom0.run(`xenstore-read ${FRONT}/state ${BACK}/state`);
    expect(states.trim().split(/\s+/), "states of both ends").to.deep.equal([LunState.closed, LunState.closed]);
    const things = (await openThings(dom0)).filter((line) => PORT.test(line) || MAPPED.test(line));
    nothing(
      "left",
      things.filter((line) => !nodes.includes(line)),
    );
    await leave(stand, null);
    return hash.slice(0, 16);
  });
}

/** A second controller comes and goes, with few pages for all processes; gives the front end that has the first still. */
async function judgeTwo(stand: Stand): Promise<FrontEnd | null> {
  const { context, dom0, device, target } = stand;
  const second = new Device(dom0, 1);
  let front: FrontEnd | null = null;
  const came = await context.check(`a controller comes while another works, with ${FEW} pages for both`, async () => {
    await dom0.run(`echo ${FEW} > ${LIMIT}`);
    await device.create(target.memory);
    front = await FrontEnd.start(dom0, "two");
    await front.begin(`dd if=/host/${OTHER_RANDOM} of=/dev/sda bs=1M oflag=direct conv=notrunc`);
    await second.create(target.file);
    await second.connected();
    expect(await front.isBusy(), "the first works still").to.equal(true);
    await front.finish(COPY);
    return await disks(front, "LIO-ORG RAMDISK-MCP", "LIO-ORG FILEIO");
  });
  if (!came) return null;
  const ours = front as unknown as FrontEnd;
  await context.check(`${MEBIBYTES} MiB go from its disk to the other's through these pages`, () => pass(stand, ours));
  await context.check("a controller goes, and the other stays", async () => {
    await second.close();
    await second.remove();
    return await disks(ours, "LIO-ORG RAMDISK-MCP");
  });
  return ours;
}

/** What was written to the disk in memory goes to the disk in a file. */
async function pass({ dom0, target }: Stand, front: FrontEnd): Promise<string> {
  const begin = performance.now();
  await front.run("dd if=/dev/sda of=/dev/sdb bs=1M oflag=direct conv=notrunc", COPY);
  const seconds = (performance.now() - begin) / 1000;
  await target.copyFile("passed.raw");
  const hash = await sha256(dom0.path("passed.raw"));
  expect(hash, "the file").to.equal(await sha256(dom0.path(OTHER_RANDOM)));
  return `${hash.slice(0, 16)}; ${(MEBIBYTES / seconds).toFixed(1)} MiB/s`;
}

/** A process that ends without a word: its pages and ports go with it, its device's nodes stay until the toolstack comes. */
async function judgeDeath(stand: Stand, front: FrontEnd): Promise<void> {
  const { context, dom0 } = stand;
  await context.check("one that is killed leaves nothing when the toolstack has removed its device", async () => {
    const open = await openThings(dom0);
    await front.kill();
    await dom0.run(`xenstore-write ${BACK}/online 0 ${FRONT}/state ${LunState.closed}`);
    return await leave(stand, open);
  });
}

/** It leaves nothing watched, which the golden run does not show any more. */
async function compareChanges(dom0: Dom0): Promise<string> {
  const [golden, ours] = [goldenChanges(FRONT_END), await stopTrace(dom0, FRONT_END)];
  expect(ours).to.deep.equal([...golden, `UNWATCH ${BACK}/state *`]);
  return `${golden.length} writes and watches`;
}

/** Both ends of the device are ours, each a process, on grants and ports of the real Xen. */
async function judgeBoth(stand: Stand): Promise<void> {
  const { context, dom0, device } = stand;
  await context.check(`${MEBIBYTES} MiB go between both of our ends, each a process of dom0`, async () => {
    const backend = await Backend.serve(dom0, "ours", "--lun", `mem:${MEBIBYTES}MiB`);
    await device.create("0:0:0:0");
    const front = await FrontEnd.start(dom0, "both");
    const open = await openThings(dom0);
    const figure = await copy(dom0, front, "sda");
    await front.end();
    await leave(stand, open);
    await backend.end();
    return figure;
  });
}

/** Judges the judge: a back end that spoils what is written has to be found out. */
async function judgeNotice({ context, dom0, device }: Stand): Promise<void> {
  await context.check("one bit turned over in each write is noticed", async () => {
    const backend = await Backend.serveSpoiled(dom0, "spoiled", LITTLE);
    await device.create("0:0:0:0");
    const front = await FrontEnd.start(dom0, "noticing");
    const found = await copy(dom0, front, "sda", LITTLE_RANDOM).catch((error) => reasonOf(error));
    await front.end();
    await device.remove();
    await backend.end();
    expect(found).to.match(/^what was read is not what was written/);
    return found;
  });
}

async function disks(front: FrontEnd, ...names: readonly string[]): Promise<string> {
  const lines = (await front.run("lsscsi")).replace(/ +/g, " ").split("\n");
  expect(lines.length, lines.join("; ")).to.equal(names.length);
  for (const [i, name] of names.entries()) expect(lines[i]).to.contain(`disk ${name}`);
  return lines.join("; ");
}

async function inquiry(front: FrontEnd): Promise<string> {
  const text = await front.run("sg_inq /dev/sda");
  expect(text)
    .to.match(/Vendor identification: LIO-ORG/)
    .and.match(/Product identification: RAMDISK-MCP/);
  return "LIO-ORG RAMDISK-MCP";
}

/** Writes a file to a disk of its size, and reads it again. */
async function copy(dom0: Dom0, front: FrontEnd, disk: string, name = RANDOM): Promise<string> {
  const begin = performance.now();
  await front.run(`dd if=/host/${name} of=/dev/${disk} bs=1M oflag=direct conv=notrunc`, COPY);
  const written = performance.now();
  await front.run(`dd if=/dev/${disk} of=/host/read.raw bs=1M iflag=direct`, COPY);
  const end = performance.now();
  const [before, after] = [await sha256(dom0.path(name)), await sha256(dom0.path("read.raw"))];
  expect(after, "what was read is not what was written").to.equal(before);
  const rate = (milliseconds: number) => (MEBIBYTES / (milliseconds / 1000)).toFixed(1);
  return `${before.slice(0, 16)}; MiB/s: ${rate(written - begin)} written, ${rate(end - written)} read`;
}

async function copyToFile({ dom0, target }: Stand, front: FrontEnd): Promise<string> {
  const figure = await copy(dom0, front, "sdb");
  await target.copyFile("file.raw");
  expect(await sha256(dom0.path("file.raw")), "the file").to.equal(await sha256(dom0.path(RANDOM)));
  return figure;
}

async function plug({ device, target }: Stand, front: FrontEnd): Promise<string> {
  expect(await device.plug(1, target.file), "state of LUN 1").to.equal(LunState.connected);
  expect(await device.plug(2, target.nothing), "state of LUN 2").to.equal(LunState.closed);
  return await disks(front, "LIO-ORG RAMDISK-MCP", "LIO-ORG FILEIO");
}

async function unplug({ device }: Stand, front: FrontEnd): Promise<string> {
  expect(await device.unplug(1), "state of LUN 1").to.equal(LunState.closed);
  return await disks(front, "LIO-ORG RAMDISK-MCP");
}

async function fail(front: FrontEnd): Promise<string> {
  const sense = async (command: string) => (await front.run(command)).replace(/\s+/g, " ");
  const opcode = await sense("sg_raw /dev/sda c1 00 00 00 00 00");
  expect(opcode).to.contain("Illegal Request").and.contain("Invalid command operation code");
  const address = await sense("sg_raw --request=512 /dev/sda 28 00 ff ff ff 00 00 00 01 00");
  expect(address).to.contain("Illegal Request").and.contain("Logical block address out of range");
  return "invalid opcode, LBA out of range";
}

/** Takes the nodes away, and sees that what came with the device (`open`, where it is known) has gone. */
async function leave({ dom0, device, before }: Stand, open: readonly string[] | null): Promise<string> {
  await device.remove();
  const more = (open ?? []).filter((line) => !before.includes(line));
  // What is not seen when it is there is not missed when it is left.
  for (const kind of open === null ? [] : [PORT, MAPPED])
    expect(
      more.some((line) => kind.test(line)),
      `${kind}`,
    ).to.equal(true);
  compareThings(before, await openThings(dom0));
  expect((await dom0.run("grep xen_gntalloc /proc/modules")).split(" ")[2], "users of xen_gntalloc").to.equal("0");
  nothing("said of grants", harmIn(await dom0.run("dmesg")));
  return `${more.length} things were open`;
}

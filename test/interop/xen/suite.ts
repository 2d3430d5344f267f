// Knows what is asked of a back end in the dom0 of a real Xen: that Linux' own front end gets its disks, that what is written is
// what is read, that LUNs come and go, that it writes the nodes that Linux' back end writes, and that nothing is left of it.

import { randomFillSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { sha256 } from "../fio/image.js";
import { reasonOf, type Suite, type SuiteContext } from "../suite.js";
import { Backend } from "./backend.js";
import { Device, diskOf, LunState } from "./device.js";
import { Dom0 } from "./dom0.js";
import { HOST_PACKAGES, type Images, prepareImages } from "./images.js";
import { compareThings, MAPPED, nothing, openThings, PORT } from "./leftovers.js";
import { complaintsIn } from "./messages.js";
import { BACK_END, goldenChanges, startTrace, stopTrace } from "./trace.js";

const MIB = 1024 * 1024;
/** MiB that are written and read back: all of LUN 0. */
const MEBIBYTES = 64;
const LUNS = ["--lun", `mem:${MEBIBYTES}MiB`, "--lun", "mem:32MiB"];
const RANDOM = "random.raw";
/** Pieces of a command, as Linux' front end has them: of what it is offered, or what a request itself holds. */
const PIECES = { indirect: 128, direct: 26 };

export const xenSuite: Suite = {
  name: "xen",
  judges: "a back end in the dom0 of Xen 4.17: Linux' xen-scsifront, xenstored, xl, lsevtchn, lsscsi",
  packages: HOST_PACKAGES,
  default: true,
  budgetSeconds: 235,
  run: judge,
};

/** One machine; back ends serve its one device after each other. */
interface Stand {
  readonly context: SuiteContext;
  readonly dom0: Dom0;
  readonly device: Device;
}

async function judge(context: SuiteContext): Promise<void> {
  const stand = await boot(context);
  if (stand === null) return;
  if (await judgeLife(stand)) {
    await judgeDirect(stand);
    await judgeNotice(stand);
  }
  await stand.dom0.end();
}

async function boot(context: SuiteContext): Promise<Stand | null> {
  let images: Images | null = null;
  let dom0: Dom0 | null = null;
  await context.check("there are files to boot", async () => {
    images = await prepareImages(context);
    return `Linux ${images.kernel}, ${images.made ? "made" : "from the cache"}`;
  });
  if (images === null) return null;
  await context.check("Xen and its dom0 start", async () => {
    dom0 = await Dom0.boot(context, images as unknown as Images);
    await writeFile(dom0.path(RANDOM), randomFillSync(Buffer.alloc(MEBIBYTES * MIB)));
    const text = await dom0.run("xl info");
    const of = (key: string) => new RegExp(`^${key} +: (.*)$`, "m").exec(text)?.[1] ?? expect.fail(text);
    return `Xen ${of("xen_version")}, Linux ${of("release")}`;
  });
  return dom0 === null ? null : { context, dom0, device: new Device(dom0) };
}

/** A device from its creation to its end, as in the golden run. Gives whether it makes sense to go on. */
async function judgeLife({ context, dom0, device }: Stand): Promise<boolean> {
  const before = await openThings(dom0);
  await dom0.run("dmesg -c");
  const backend = await Backend.serve(dom0, "indirect", ...LUNS);
  await startTrace(dom0);
  const check = (name: string, judge: () => Promise<string>) => context.check(name, () => told(backend, judge));
  if (!(await check("xen-scsifront connects", () => connect(device, PIECES.indirect)))) return false;
  const open = await openThings(dom0);
  await check(`${MEBIBYTES} MiB written are read again, in indirect segments`, () => copy(dom0, device));
  await check("a LUN comes and goes, one that is not there is refused", () => reconfigure(device));
  await check("the device closes", () => close(device));
  await check("the nodes it wrote are those of Linux' back end", () => compareChanges(dom0));
  await check("Linux' front end says what it says to Linux' back end", () => listen(dom0));
  return await check("no port, grant or node is left", () => leave({ dom0, device, backend, before, open }));
}

async function judgeDirect({ context, dom0, device }: Stand): Promise<void> {
  const backend = await Backend.serve(dom0, "direct", "--no-indirect", ...LUNS);
  const check = (name: string, judge: () => Promise<string>) => context.check(name, () => told(backend, judge));
  await check("it connects again, without feature-sg-grant", () => connect(device, PIECES.direct));
  await check(`${MEBIBYTES} MiB written are read again, in direct segments`, () => copy(dom0, device));
  await check("that device closes, and its back end ends", async () => {
    await close(device);
    await device.remove();
    return await backend.end();
  });
}

/** Judges the judge: a back end that spoils what is written has to be found out. */
async function judgeNotice({ context, dom0, device }: Stand): Promise<void> {
  await context.check("one bit turned over in each write is noticed", async () => {
    const backend = await Backend.serveSpoiled(dom0, "spoiled", MEBIBYTES);
    await connect(device, PIECES.indirect);
    const found = await copy(dom0, device).catch((error) => reasonOf(error));
    await close(device);
    await backend.end();
    expect(found).to.match(/^what was read is not what was written/);
    return found;
  });
}

/** A failure is told with the last that the back end said. */
export async function told(backend: Backend, judge: () => Promise<string>): Promise<string> {
  try {
    return await judge();
  } catch (error) {
    throw new Error(`${reasonOf(error)}; the back end: ${(await backend.said()).split("\n").at(-1)}`);
  }
}

async function connect(device: Device, pieces: number): Promise<string> {
  await device.connect();
  const lines = await device.lsscsi();
  expect(lines.length, lines.join("; ")).to.equal(1);
  expect(diskOf(lines, 0)).to.match(/^sd/);
  expect(await device.pieces(), "pieces of a command").to.equal(pieces);
  return lines[0];
}

async function copy(dom0: Dom0, device: Device): Promise<string> {
  const disk = diskOf(await device.lsscsi(), 0);
  const begin = performance.now();
  await device.write(disk, RANDOM);
  const written = performance.now();
  await device.read(disk, "read.raw", MEBIBYTES);
  const end = performance.now();
  const [before, after] = [await sha256(dom0.path(RANDOM)), await sha256(dom0.path("read.raw"))];
  expect(after, "what was read is not what was written").to.equal(before);
  const rate = (milliseconds: number) => (MEBIBYTES / (milliseconds / 1000)).toFixed(1);
  return `${before.slice(0, 16)}; MiB/s: ${rate(written - begin)} written, ${rate(end - written)} read`;
}

async function reconfigure(device: Device): Promise<string> {
  expect(await device.plug(1, "0:0:0:1"), "state of LUN 1").to.equal(LunState.connected);
  const disk = diskOf(await device.lsscsi(), 1);
  await device.read(disk, "read.raw", 1);
  expect(await device.plug(2, "0:0:0:7"), "state of LUN 2").to.equal(LunState.closed);
  expect(await device.unplug(1), "state of LUN 1").to.equal(LunState.closed);
  const lines = await device.lsscsi();
  expect(lines.length, lines.join("; ")).to.equal(1);
  return `${disk} came and went`;
}

async function close(device: Device): Promise<string> {
  await device.close();
  expect(await device.lsscsi()).to.deep.equal([]);
  return "both sides are closed, no disk is left";
}

async function compareChanges(dom0: Dom0): Promise<string> {
  const [golden, ours] = [goldenChanges(BACK_END), await stopTrace(dom0, BACK_END)];
  const differs = golden.findIndex((line, i) => line !== ours[i]);
  expect(differs === -1 ? "" : `line ${differs + 1} is ${ours[differs]}, not ${golden[differs]}`).to.equal("");
  expect(ours.slice(golden.length)).to.deep.equal([]);
  return `${ours.length} writes and watches`;
}

async function listen(dom0: Dom0): Promise<string> {
  const text = await dom0.run("dmesg");
  nothing("said besides", complaintsIn(text));
  return `${text.trim().split("\n").length} lines`;
}

/** What was open before there was a device, and while it was connected. */
interface Leaving {
  readonly dom0: Dom0;
  readonly device: Device;
  readonly backend: Backend;
  readonly before: readonly string[];
  readonly open: readonly string[];
}

async function leave({ dom0, device, backend, before, open }: Leaving): Promise<string> {
  await device.remove();
  const said = await backend.end();
  const more = open.filter((line) => !before.includes(line));
  // What is not seen when it is there is not missed when it is left.
  for (const kind of [PORT, MAPPED]) expect(more.filter((line) => kind.test(line)).length, `${kind}`).to.be.above(0);
  compareThings(before, await openThings(dom0));
  return `${more.length} things were open; ${said.split("\n")[0]}`;
}

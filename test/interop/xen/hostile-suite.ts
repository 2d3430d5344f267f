// Knows what is asked of a back end in the dom0 of a real Xen while one of its front ends is hostile: that it lives, that Linux' own
// front end has its disk as before, and that nothing is left of the other.

import { randomFillSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { sha256 } from "../fio/image.js";
import type { Suite, SuiteContext } from "../suite.js";
import { Backend } from "./backend.js";
import { Device, diskOf } from "./device.js";
import { Dom0 } from "./dom0.js";
import { FrontEnd } from "./front-end.js";
import { HOST_PACKAGES, prepareImages } from "./images.js";
import { compareThings, MAPPED, nothing, openThings, PORT } from "./leftovers.js";
import { harmIn } from "./messages.js";
import { told } from "./suite.js";

const MIB = 1024 * 1024;
/** MiB of the disk of Linux' front end that are written and read each time. */
const MEBIBYTES = 2;
/** The disk of the hostile one has a block that is slow to be read: see injections.ts. */
const LUNS = ["--lun", `mem:${MEBIBYTES}MiB`, "--lun", "mem:1MiB,fault=read@8:delay=3s"];
/** Both halves of the hostile one's device: see hostile-device.ts. */
const HOSTILE_NODES = ["/local/domain/0/backend/vscsi/0/1", "/local/domain/0/hostile/1"];
const RANDOM = "random.raw";
const READ = "read.raw";
/** Seconds for the back end to let go of what was taken from under it, and for an injection. */
const PATIENCE = 60;
const INJECTION = 120;

/** What is done, by the words that the hostile program knows it by. */
const INJECTED: { readonly [name: string]: string } = {
  ids: "rqids that two requests have, 65535, an abort of itself",
  segments: "27, 127 and 255 segments, and what else a request must not be",
  lists: "lists of descriptors that lie",
  grants: "references that are none, alone and behind good ones, of data and of lists",
  taken: "a page that is taken back while the disk is at work",
  mutated: "slots and lists that change from their notification to their answer",
  producer: "a producer 17 ahead",
  flapping: "100 states, some of them with a new ring, and commands under way",
  names: "names of LUNs such as dev-1/../..",
  rings: "rings and ports that are not there",
  gone: "pages and ports given back without a word",
};

export const xenHostileSuite: Suite = {
  name: "xen-hostile",
  judges:
    "a back end in the dom0 of Xen 4.17 between a hostile front end and Linux' xen-scsifront; lsevtchn, Xen's grant tables",
  packages: HOST_PACKAGES,
  default: false,
  budgetSeconds: 1500,
  run: judge,
};

interface Stand {
  readonly context: SuiteContext;
  readonly dom0: Dom0;
  readonly device: Device;
  readonly backend: Backend;
  readonly hostile: FrontEnd;
  /** What was open before there was a device, and with Linux' front end alone. */
  readonly empty: readonly string[];
  readonly before: readonly string[];
}

async function judge(context: SuiteContext): Promise<void> {
  const stand = await boot(context);
  if (stand === null) return;
  const { dom0, backend } = stand;
  const check = (name: string, body: () => Promise<string>) => context.check(name, () => told(backend, body));
  await check("a front end played by hand is served, and what it has is seen", () => judgeSight(stand));
  for (const [name, what] of Object.entries(INJECTED)) {
    await check(what, async () => {
      const seen = await inject(stand, name);
      await judgeRest(stand);
      return seen;
    });
  }
  await check("a storm of events, in which Linux' disk is written and read", () => judgeStorm(stand));
  await check("one that is killed in its work", () => judgeKilled(stand));
  await check("all close, and nothing is left", () => judgeEnd(stand));
  await dom0.end();
}

async function boot(context: SuiteContext): Promise<Stand | null> {
  let stand: Stand | null = null;
  await context.check("Xen, its dom0, a back end and Linux' front end are there", async () => {
    const dom0 = await Dom0.boot(context, await prepareImages(context));
    const empty = await openThings(dom0);
    await dom0.run("dmesg -c");
    const backend = await Backend.serve(dom0, "backend", ...LUNS);
    const device = new Device(dom0);
    await device.connect();
    const hostile = await FrontEnd.startHostile(dom0, "hostile");
    const before = await openThings(dom0);
    stand = { context, dom0, device, backend, hostile, empty, before };
    await copy(stand);
    return (await device.lsscsi())[0];
  });
  return stand;
}

/** What is not seen when it is there is not missed when it is left. */
async function judgeSight(stand: Stand): Promise<string> {
  await see(stand);
  const said = held(await stand.hostile.run("await"));
  await judgeRest(stand);
  return said;
}

/** Lets it connect and do nothing, and waits until that is seen. */
async function see({ hostile, dom0, before }: Stand): Promise<void> {
  expect(await hostile.run("idle begin")).to.equal("begun");
  const seen = [PORT, MAPPED].map((kind) => async () => {
    const more = (await openThings(dom0)).filter((line) => !before.includes(line));
    return more.some((line) => kind.test(line));
  });
  for (const there of seen) await becomes(there, "a port and a mapping of the hostile front end");
}

async function inject({ hostile }: Stand, name: string): Promise<string> {
  return held(await hostile.run(name, INJECTION));
}

function held(said: string): string {
  expect(said).to.match(/^held: /);
  return said.slice("held: ".length);
}

/** The back end lives, Linux' disk keeps what is written to it, and all is as it was before. */
async function judgeRest(stand: Stand): Promise<void> {
  const { backend, dom0, before } = stand;
  expect(await backend.lives(), "the back end lives").to.equal(true);
  await copy(stand);
  await becomes(async () => differences(before, await openThings(dom0)).length === 0, "nothing is left").catch(
    async () => compareThings(before, await openThings(dom0)),
  );
}

async function judgeStorm(stand: Stand): Promise<string> {
  const { hostile, backend } = stand;
  expect(await hostile.run("storm begin")).to.equal("begun");
  const begin = [performance.now(), await backend.seconds()];
  await copy(stand);
  const took = (performance.now() - begin[0]) / 1000;
  const said = held(await hostile.run("await", INJECTION));
  const used = (await backend.seconds()) - begin[1];
  await judgeRest(stand);
  return `${said}; ${MEBIBYTES} MiB each way in ${took.toFixed(1)} s; the back end used ${used.toFixed(1)} s of the processor`;
}

/** The toolstack takes its nodes away afterwards. */
async function judgeKilled(stand: Stand): Promise<string> {
  await see(stand);
  await stand.hostile.kill();
  await stand.dom0.run(HOSTILE_NODES.map((path) => `xenstore-rm -t ${path}`).join("\n"));
  await judgeRest(stand);
  return "its pages and ports are gone with it";
}

async function judgeEnd({ device, backend, dom0, empty }: Stand): Promise<string> {
  await device.close();
  await device.remove();
  const said = await backend.end();
  compareThings(empty, await openThings(dom0));
  expect((await dom0.run("grep xen_gntalloc /proc/modules")).split(" ")[2], "users of xen_gntalloc").to.equal("0");
  nothing("said by dom0's kernel", harmIn(await dom0.run("dmesg")));
  return `${said.split("\n").length} lines were said`;
}

/** Linux' front end writes other bytes than the last time, and reads them. */
async function copy({ dom0, device }: Stand): Promise<void> {
  await writeFile(dom0.path(RANDOM), randomFillSync(Buffer.alloc(MEBIBYTES * MIB)));
  const disk = diskOf(await device.lsscsi(), 0);
  await device.write(disk, RANDOM);
  await device.read(disk, READ, MEBIBYTES);
  const [before, after] = [await sha256(dom0.path(RANDOM)), await sha256(dom0.path(READ))];
  expect(after, "what Linux' front end has read is not what it has written").to.equal(before);
}

/** What is open and was not, and the other way round. */
function differences(before: readonly string[], after: readonly string[]): string[] {
  return [...after.filter((line) => !before.includes(line)), ...before.filter((line) => !after.includes(line))];
}

async function becomes(reached: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + PATIENCE * 1000; performance.now() < end; await setTimeout(500)) {
    if (await reached()) return;
  }
  expect.fail(`not in ${PATIENCE} s: ${what}`);
}

// Knows what is asked of `pvscsi create --xen` and `destroy --xen` in the dom0 of a real Xen: a stock guest has the LUNs of its
// vscsi when it starts, what cannot be had is told before anything runs, and nothing is left of a guest that is gone.

import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import type { Suite, SuiteContext } from "../suite.js";
import { Backend } from "./backend.js";
import { Dom0 } from "./dom0.js";
import { DriverDomain } from "./driver-domain.js";
import { Guest, guestFiles, STOCK, startConsoles, writeConfiguration } from "./guest.js";
import { HOST_PACKAGES, type Images, prepareImages } from "./images.js";
import { compareThings, openThings } from "./leftovers.js";
import { Luns, MEBIBYTES } from "./luns.js";
import { MAIN } from "./repository.js";
import { told } from "./suite.js";

const SERVED = [0, 1, 2].flatMap(() => ["--lun", `mem:${MEBIBYTES}MiB`]);
/** Two LUNs on one controller and a third on another, and where Linux has them. */
const VSCSI = "vscsi = [ '0:0:0:0,0:0:0:0', '0:0:0:1,0:0:2:5', '0:0:0:2,1:0:0:0' ]";
const ADDRESSES = ["0:0:0:0", "0:0:2:5", "1:0:0:0"];
/** Seconds for Node to start twice on an emulated processor, for xl to make a domain, and for the longest wait for a back end. */
const VERB = 240;
/** Text that is written to a disk, to know it again. */
const MARK = "this-is-the-same-disk";
/** Seconds for LUNs that are plugged into a guest as it starts. */
const PLUG = 60;
/** Seconds for Xen and libxl to be done with a domain that was destroyed. */
const DYING = 60;

export const xenCreateSuite: Suite = {
  name: "xen-create",
  judges:
    "create and destroy of xl's guests with vscsi, by a domU of Xen 4.17: Linux' xen-scsifront, lsscsi, xl, xenstore-ls",
  packages: HOST_PACKAGES,
  default: false,
  budgetSeconds: 1800,
  run: judge,
};

interface Stand {
  readonly context: SuiteContext;
  readonly images: Images;
  readonly dom0: Dom0;
  /** What was open before there was a guest. */
  readonly empty: readonly string[];
}

async function judge(context: SuiteContext): Promise<void> {
  const stand = await boot(context);
  if (stand === null) return;
  await judgeRefusals(stand);
  const backend = await Backend.serve(stand.dom0, "serve", ...SERVED);
  await judgeMissing(stand, backend);
  await judgeGuest(stand, backend);
  await judgeRestart(stand, backend);
  await judgeDriverDomain(stand);
  await judgeWithout(stand, backend);
  await stand.dom0.end();
}

async function boot(context: SuiteContext): Promise<Stand | null> {
  let stand: Stand | null = null;
  await context.check("Xen and its dom0 start", async () => {
    const images = await prepareImages(context);
    const dom0 = await Dom0.boot(context, images, await guestFiles(images));
    await startConsoles(dom0);
    stand = { context, images, dom0, empty: await thingsIn(dom0) };
    return `Linux ${images.kernel}`;
  });
  return stand;
}

/** What is wrong, or missing, before a back end is there. */
async function judgeRefusals({ context, dom0, empty }: Stand): Promise<void> {
  await context.check("xl itself passes vscsi over", async () => {
    const file = await configure(dom0, "plain", VSCSI);
    const said = await dom0.run(`xl create -p ${file} 2>&1`);
    expect(said.trim()).to.equal(`Parsing config from ${file}`);
    expect(await dom0.run("xenstore-ls -f /local/domain/$(xl domid plain)/device")).to.not.include("vscsi");
    await dom0.run("xl destroy plain");
    await settle(dom0, empty);
    return "no word, no node";
  });
  await context.check("a wrong line of vscsi starts nothing", async () => {
    const file = await configure(dom0, "wrong", "vscsi = [ '0:0:0:0,0:0:0:0',", "  '0:0:0:1,0:0:0' ]");
    const said = await refused(dom0, `create --xen ${file}`);
    expect(said).to.match(new RegExp(`^${file}:\\d+:\\d+: invalid '0:0:0', expecting hst:chn:tgt:lun$`));
    compareThings(empty, await thingsIn(dom0));
    return said;
  });
  await context.check("no back end: it is told, nothing is left", async () => {
    const said = await refused(dom0, `create --xen ${await configure(dom0, "alone", VSCSI)}`);
    expect(said).to.include("pvscsi create: controller 0: no back end has answered in domain 0 after 10 s");
    await settle(dom0, empty);
    return said.split("\n").at(-1) ?? "";
  });
}

async function judgeMissing({ context, dom0, empty }: Stand, backend: Backend): Promise<void> {
  await context.check("a p-dev that is not there: the guest does not run, nothing is left", () =>
    told(backend, async () => {
      const vscsi = "vscsi = [ '0:0:0:0,0:0:0:0', '0:0:0:7,0:0:0:1' ]";
      const said = await refused(dom0, `create --xen ${await configure(dom0, "missing", vscsi)}`);
      expect(said).to.include("pvscsi create: vdev '0:0:0:1': no device 0:0:0:7: this host has 0:0:0:0");
      await settle(dom0, empty);
      return said.split("\n").at(-1) ?? "";
    }),
  );
}

async function judgeGuest({ context, dom0, empty }: Stand, backend: Backend): Promise<void> {
  const check = (name: string, judge: () => Promise<string>) => context.check(name, () => told(backend, judge));
  let guest: Guest | null = null;
  await check("a stock guest finds its disks when it starts", async () => {
    const file = await configure(dom0, "guest", VSCSI);
    guest = await Guest.startBy(dom0, "guest", `node ${MAIN} create --xen ${file} 2>&1`, VERB);
    const names = await new Luns(dom0, guest).names();
    expect([...names.keys()]).to.deep.equal(ADDRESSES);
    expect(await guest.run("dmesg")).to.not.include("Timeout connecting to device");
    return [...names].map((pair) => pair.join(" ")).join(", ");
  });
  if (guest === null) return;
  const domU: Guest = guest;
  const luns = new Luns(dom0, domU);
  await check("the nodes have libxl's permissions", async () => {
    const permissions = await luns.permissions();
    expect(permissions).to.deep.equal([`n${domU.id},r0`, `n0,r${domU.id}`]);
    return permissions.join(" ");
  });
  await check(`${MEBIBYTES} MiB on each are read again`, async () => {
    await luns.makeData();
    let sum = "";
    for (const disk of (await luns.names()).values()) sum = await luns.copy(disk);
    return sum.slice(0, 16);
  });
  await check("xl destroy: xen serve takes away what is left", async () => {
    await domU.destroy();
    await settle(dom0, empty);
    const said = await backend.said();
    for (const devid of [0, 1])
      expect(said).to.include(`backend/vscsi/${domU.id}/${devid}: its guest is gone, removed`);
    return said.split("\n").at(-1) ?? "";
  });
}

async function judgeRestart({ context, dom0, empty }: Stand, backend: Backend): Promise<void> {
  await context.check("a guest that reboots has its LUNs again, and nothing is left in the end", () =>
    told(backend, async () => {
      const file = await configure(dom0, "again", VSCSI);
      const stay = `(node ${MAIN} create --xen -F ${file}; echo "status $?") > /host/again.said 2>&1 < /dev/null &`;
      const wait = "until grep -E 'is domain|status' /host/again.said; do sleep 0.5; done";
      const guest = await Guest.startBy(dom0, "again", `${stay}\n${wait}`, VERB);
      const disk = await firstDisk(new Luns(dom0, guest));
      await mark(guest, disk);
      await guest.run("(sleep 1; reboot -f) > /dev/null 2>&1 < /dev/null &");
      const again = await guest.startsAgain(VERB);
      const same = await firstDisk(new Luns(dom0, again));
      expect(await beginningOf(again, same)).to.equal(MARK);
      await again.destroy();
      await settle(dom0, empty);
      const said = await dom0.run("until grep status /host/again.said; do sleep 0.5; done; cat /host/again.said");
      expect(said).to.include(`again has been started again, as domain ${again.id}\nagain has ended\nstatus 0\n`);
      return `domain ${guest.id}, then ${again.id}`;
    }),
  );
}

async function judgeDriverDomain({ context, images, dom0, empty }: Stand): Promise<void> {
  await context.check("LUNs of a driver domain, whose nodes destroy --xen takes away", async () => {
    const driver = await DriverDomain.start(dom0, images);
    await driver.serve(...SERVED);
    const before = await thingsIn(dom0);
    const file = await configure(dom0, "served", "vscsi = [ '0:0:0:1,0:0:0:0,backend=driver' ]");
    const guest = await Guest.startBy(dom0, "served", `node ${MAIN} create --xen ${file} 2>&1`, VERB);
    const [[address, disk]] = await new Luns(dom0, guest).names();
    await mark(guest, disk);
    expect(await beginningOf(guest, disk)).to.equal(MARK);
    await dom0.run(`node ${MAIN} destroy --xen served 2>&1`, VERB);
    const left = await dom0.run(`xenstore-ls /local/domain/${driver.id}/backend 2> /dev/null || true`);
    expect(left.trim(), "nodes that are left").to.equal("");
    await settle(dom0, before);
    await driver.end();
    await driver.destroy();
    await settle(dom0, empty);
    return `${disk} ${address}`;
  });
}

async function judgeWithout({ context, dom0, empty }: Stand, backend: Backend): Promise<void> {
  await context.check("destroy --xen takes all away itself, the back end killed", async () => {
    await dom0.run(`node ${MAIN} create --xen -p ${await configure(dom0, "paused", VSCSI)} 2>&1`, VERB);
    expect(await dom0.run("xl list paused")).to.match(/ --p--- /);
    const list = (await dom0.run(`node ${MAIN} scsi-list --xen paused`, VERB)).trim().split("\n");
    expect(list.length, list.join("; ")).to.equal(1 + ADDRESSES.length);
    await backend.kill();
    await dom0.run(`node ${MAIN} destroy --xen paused 2>&1`, VERB);
    await settle(dom0, empty);
    return list[1];
  });
}

/** The name of the first disk of a guest, when all are there: they may be plugged in as it starts. */
async function firstDisk(luns: Luns): Promise<string> {
  let names = await luns.names();
  for (const end = performance.now() + PLUG * 1000; names.size < ADDRESSES.length && performance.now() < end; ) {
    await setTimeout(500);
    names = await luns.names();
  }
  expect([...names.keys()]).to.deep.equal(ADDRESSES);
  return names.get(ADDRESSES[0]) ?? "";
}

async function mark(guest: Guest, disk: string): Promise<void> {
  await guest.run(`echo ${MARK} | dd of=${disk} conv=sync bs=512 oflag=direct 2>&1`);
}

/** As much of a disk's first bytes as the mark has. */
async function beginningOf(guest: Guest, disk: string): Promise<string> {
  const read = `dd if=${disk} bs=512 count=1 iflag=direct 2> /dev/null`;
  return (await guest.run(`${read} | head -c ${MARK.length}; echo`)).trim();
}

/** The path of a stock guest's configuration, with lines of vscsi. */
async function configure(dom0: Dom0, name: string, ...lines: readonly string[]): Promise<string> {
  return await writeConfiguration(dom0, name, { ...STOCK, lines });
}

/** What a verb says that fails, as it has to. */
async function refused(dom0: Dom0, words: string): Promise<string> {
  const output = await dom0.run(`node ${MAIN} ${words} 2>&1; echo "status $?"`, VERB);
  expect(output).to.match(/\nstatus 1\n$/);
  return output.trim().split("\n").slice(0, -1).join("\n");
}

/** What is open, and what Xen and libxl have of domains. */
async function thingsIn(dom0: Dom0): Promise<string[]> {
  const domains = await dom0.run(
    "xl list | cut -c 1-50; xenstore-list /local/domain; xenstore-ls -f /libxl 2> /dev/null || true",
  );
  return [...(await openThings(dom0)), ...domains.split("\n").filter((line) => line.trim() !== "")];
}

/** Waits until all is as it was before; fails when it does not become so. */
async function settle(dom0: Dom0, wanted: readonly string[]): Promise<void> {
  let now = await thingsIn(dom0);
  for (const end = performance.now() + DYING * 1000; performance.now() < end; now = await thingsIn(dom0)) {
    if (now.length === wanted.length && now.every((line) => wanted.includes(line))) return;
    await setTimeout(500);
  }
  compareThings(wanted, now);
}

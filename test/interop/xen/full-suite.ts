// Knows what is asked of a back end in dom0 by a guest in a domain of its own, and of our verbs there: LUNs on two controllers keep
// what is written to them, come and go under load, outlive a reset; a guest that is destroyed in its work leaves nothing.

import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import type { Suite, SuiteContext } from "../suite.js";
import { Backend } from "./backend.js";
import { Dom0 } from "./dom0.js";
import { DriverDomain } from "./driver-domain.js";
import { Guest, guestFiles, startConsoles } from "./guest.js";
import { HOST_PACKAGES, type Images, prepareImages } from "./images.js";
import { compareThings, nothing, openThings } from "./leftovers.js";
import { Luns, MEBIBYTES } from "./luns.js";
import { complaintsIn } from "./messages.js";
import { MAIN } from "./repository.js";
import { told } from "./suite.js";

const SERVED = [0, 1, 2, 3].flatMap(() => ["--lun", `mem:${MEBIBYTES}MiB`]);
/** P-devs and v-devs: three LUNs on two controllers, and the disks that Linux makes of them. */
const LUNS = [
  ["0:0:0:0", "0:0:0:0"],
  ["0:0:0:1", "0:0:0:1"],
  ["0:0:0:2", "1:0:0:0"],
] as const;
const DISKS = ["/dev/sda 0:0:0", "/dev/sdb 0:0:1", "/dev/sdc 0:0:0"];
const PLUGGED = ["0:0:0:3", "0:0:0:5"] as const;
/** A LUN whose first write of its first blocks takes longer than Linux waits, in seconds, once it is told to wait no longer. */
const SLOW = [`mem:${MEBIBYTES}MiB,fault=write@0-1:delay=600s,,times=1`, "0:0:0:0", "0:0:0:0", 5] as const;
/** Seconds for Xen and libxl to be done with a domain that was destroyed. */
const DYING = 60;
/** Seconds for Node to start and say no. */
const REFUSAL = 120;

export const xenFullSuite: Suite = {
  name: "xen-full",
  judges:
    "a back end in dom0 and our verbs there, by a domU of Xen 4.17: Linux' xen-scsifront, sg_reset, xl, xenstore-ls",
  packages: HOST_PACKAGES,
  default: false,
  budgetSeconds: 2400,
  run: judge,
};

interface Stand {
  readonly context: SuiteContext;
  readonly images: Images;
  readonly dom0: Dom0;
  readonly guest: Guest;
  readonly luns: Luns;
  /** What was open before there was a guest. */
  readonly empty: readonly string[];
}

async function judge(context: SuiteContext): Promise<void> {
  const stand = await boot(context);
  if (stand === null) return;
  if (await judgeIndirect(stand)) {
    await judgeDirect(stand);
    await judgeSlow(stand);
    await judgeSecond(stand);
    await judgeKilled(stand);
    await judgeKernel(stand);
    await judgeDriverDomain(stand);
    await judgeDestruction(stand);
  }
  await stand.dom0.end();
}

async function boot(context: SuiteContext): Promise<Stand | null> {
  let stand: Stand | null = null;
  await context.check("Xen, its dom0 and a guest start", async () => {
    const images: Images = await prepareImages(context);
    const dom0 = await Dom0.boot(context, images, await guestFiles(images));
    await startConsoles(dom0);
    const empty = await openThings(dom0);
    const guest = await Guest.start(dom0, "first");
    stand = { context, images, dom0, guest, luns: new Luns(dom0, guest), empty };
    await stand.luns.makeData();
    return `Linux ${(await guest.run("uname -r")).trim()} in domain ${guest.id}`;
  });
  return stand;
}

/** Gives whether it makes sense to go on. */
async function judgeIndirect({ context, dom0, guest, luns }: Stand): Promise<boolean> {
  const before = await openThings(dom0);
  const backend = await Backend.serve(dom0, "indirect", ...SERVED);
  const check = (name: string, judge: () => Promise<string>) => context.check(name, () => told(backend, judge));
  await guest.run("dmesg -c > /dev/null");
  if (!(await check("scsi-attach: three LUNs on two controllers", () => attach(luns)))) return false;
  await check("the nodes have libxl's permissions", async () => {
    const permissions = await luns.permissions();
    expect(permissions).to.deep.equal([`n${guest.id},r0`, `n0,r${guest.id}`]);
    return permissions.join(" ");
  });
  await check(`${MEBIBYTES} MiB on each are read again, in indirect segments`, () => copyAll(luns));
  await check("a LUN comes and goes, a disk is reset, while another is written", () => change(guest, luns));
  await check("the guest says what it says to Linux' back end", async () => {
    const text = await guest.run("dmesg");
    nothing("said besides", complaintsIn(text));
    return `${text.trim().split("\n").length} lines`;
  });
  return await check("scsi-detach: nothing is left", async () => {
    await detach(luns);
    const said = await backend.end();
    compareThings(before, await openThings(dom0));
    return said.split("\n")[0];
  });
}

async function judgeDirect({ context, dom0, luns }: Stand): Promise<void> {
  const backend = await Backend.serve(dom0, "direct", "--no-indirect", ...SERVED);
  const check = (name: string, judge: () => Promise<string>) => context.check(name, () => told(backend, judge));
  await check("they come again, without feature-sg-grant", () => attach(luns));
  await check(`${MEBIBYTES} MiB on each are read again, in direct segments`, () => copyAll(luns));
  await check("they go again", async () => {
    await detach(luns);
    return await backend.end();
  });
}

/** Linux gives up a command, which its front end asks to be aborted, and says it again. */
async function judgeSlow({ context, dom0, guest, luns }: Stand): Promise<void> {
  const [word, physical, virtual, limit] = SLOW;
  const backend = await Backend.serve(dom0, "slow", "--lun", word);
  await context.check(`a command that takes longer than ${limit} s is aborted, and done when it is said again`, () =>
    told(backend, async () => {
      await luns.attach(physical, virtual);
      const device = "/sys/block/sda/device";
      await guest.run(`echo ${limit} > ${device}/timeout && dmesg -c > /dev/null`);
      const begin = performance.now();
      const sum = await luns.copy("/dev/sda");
      const taken = (performance.now() - begin) / 1000;
      const counts = (await guest.run(`cat ${device}/iotmo_cnt`)).trim();
      expect(counts, "commands that Linux gave up").to.equal("0x1");
      expect(taken, "seconds").to.be.above(limit);
      nothing("said besides", complaintsIn(await guest.run("dmesg")));
      await luns.detach(virtual);
      await backend.end();
      return `${sum.slice(0, 16)}; ${counts} given up`;
    }),
  );
}

/** Two guests at one back end: what one has and does is none of the other's. */
async function judgeSecond({ context, dom0, luns }: Stand): Promise<void> {
  const backend = await Backend.serve(dom0, "two", ...SERVED);
  await context.check("a second guest has LUNs of its own, and goes under load; the first goes on", () =>
    told(backend, async () => {
      const before = await openThings(dom0);
      const second = await Guest.start(dom0, "second");
      const others = new Luns(dom0, second);
      await others.makeData();
      await luns.attach(...LUNS[0]);
      await others.attach(LUNS[1][0], LUNS[0][1]);
      await luns.startLoad("/dev/sda");
      const sum = await others.copy("/dev/sda");
      await others.startLoad("/dev/sda");
      await second.destroy();
      const rounds = await luns.endLoad("told");
      expect(rounds, "rounds of the first guest's load").to.be.above(1);
      expect(await luns.copy("/dev/sda"), "the first guest's data").not.to.equal(sum);
      await luns.detach(LUNS[0][1]);
      await settle(dom0, before);
      compareThings(before, await openThings(dom0));
      const said = await backend.end();
      expect(said).to.include(`backend/vscsi/${second.id}/0: its guest is gone, removed`);
      return `${rounds} rounds of the first guest were written meanwhile`;
    }),
  );
}

async function judgeDriverDomain({ context, images, dom0, luns }: Stand): Promise<void> {
  await context.check("a driver domain's back end serves a guest, and clears up after another", async () => {
    const before = await openThings(dom0);
    const driver = await DriverDomain.start(dom0, images);
    const said = await driver.serve(...SERVED.slice(0, 2));
    await luns.attach(...lunOf(driver));
    const sum = await luns.copy("/dev/sda");
    await luns.detach(LUNS[0][1]);
    await destroyServed(dom0, driver);
    await driver.end();
    await driver.destroy();
    await settle(dom0, before);
    compareThings(before, await openThings(dom0));
    return `${said}; ${sum.slice(0, 16)}`;
  });
}

/** Starts a guest with a LUN of a driver domain's, and ends it at once: its back end alone can clear up. */
async function destroyServed(dom0: Dom0, driver: DriverDomain): Promise<void> {
  const guest = await Guest.start(dom0, "passing");
  await new Luns(dom0, guest).attach(...lunOf(driver));
  await guest.destroy();
  await driver.says(`backend/vscsi/${guest.id}/0: its guest is gone, removed`);
  // The directory of the guest is dom0's, which made it.
  const left = await dom0.run(`xenstore-ls /local/domain/${driver.id}/backend/vscsi/${guest.id}`);
  expect(left.trim(), "nodes that are left").to.equal("");
}

function lunOf(driver: DriverDomain): readonly [physical: string, virtual: string] {
  return [LUNS[0][0], `${LUNS[0][1]},backend=${driver.name}`];
}

async function judgeKilled({ context, dom0, guest, luns }: Stand): Promise<void> {
  const idle = await Backend.serve(dom0, "idle", ...SERVED);
  await context.check("kill -9 of a back end with nothing to do: its front end is notified", () =>
    told(idle, async () => {
      await luns.attach(...LUNS[0]);
      const before = await notifications(guest);
      await idle.kill();
      const after = await notifications(guest);
      expect(after - before, "events").to.equal(1);
      return `event ${after}`;
    }),
  );
  const killed = await Backend.serve(dom0, "killed", ...SERVED);
  await context.check("kill -9 of the back end: the guest's commands end, the LUNs come again", () =>
    told(killed, async () => {
      await luns.detach(LUNS[0][1]);
      await attach(luns);
      await luns.startLoad("/dev/sda", "/dev/sdc");
      await killed.kill();
      const next = await Backend.serve(dom0, "next", ...SERVED);
      await luns.endLoad("by themselves");
      await detach(luns);
      await luns.attach(...LUNS[0]);
      const sum = await luns.copy("/dev/sda");
      await luns.detach(LUNS[0][1]);
      return `${sum.slice(0, 16)}; ${(await next.end()).split("\n").length} lines were said`;
    }),
  );
}

/** Linux' own back end is loaded: ours refuses, says the line that mends it, and unloads it when it is told to. */
async function judgeKernel({ context, dom0 }: Stand): Promise<void> {
  await context.check("xen-scsiback in the way is told, and unloaded", async () => {
    await dom0.run("modprobe xen-scsiback");
    const refused = await dom0.run(`node ${MAIN} xen serve --lun mem:1MiB 2>&1; echo "status $?"`, REFUSAL);
    expect(refused).to.match(/^pvscsi: the kernel's xen-scsiback is loaded; as root: modprobe -r xen-scsiback && /);
    expect(refused).to.match(/status 1\n$/);
    const backend = await Backend.serve(dom0, "unloading", "--unload-xen-scsiback", "--lun", "mem:1MiB");
    expect((await dom0.run("lsmod")).includes("xen_scsiback"), "it is loaded").to.equal(false);
    await backend.end();
    return refused.split("\n")[0];
  });
}

async function judgeDestruction({ context, dom0, guest, luns, empty }: Stand): Promise<void> {
  const backend = await Backend.serve(dom0, "destroyed", ...SERVED);
  await context.check("a guest destroyed in its work leaves no port, grant or node", () =>
    told(backend, async () => {
      await attach(luns);
      const open = (await openThings(dom0)).filter((line) => !empty.includes(line));
      await luns.startLoad("/dev/sda", "/dev/sdc");
      await guest.destroy();
      await settle(dom0, empty);
      const said = await backend.end();
      expect(said).to.include(`backend/vscsi/${guest.id}/0: its guest is gone, removed`);
      compareThings(empty, await openThings(dom0));
      return `${open.length} things were open; ${said.split("\n").at(-1)}`;
    }),
  );
}

async function attach(luns: Luns): Promise<string> {
  for (const [physical, virtual] of LUNS) await luns.attach(physical, virtual);
  expect(await luns.disks()).to.deep.equal(DISKS);
  const lines = await luns.list();
  expect(lines.length, lines.join("; ")).to.equal(LUNS.length);
  return DISKS.join(", ");
}

async function detach(luns: Luns): Promise<void> {
  for (const [, virtual] of LUNS) await luns.detach(virtual);
  expect(await luns.disks()).to.deep.equal([]);
}

async function copyAll(luns: Luns): Promise<string> {
  const begin = performance.now();
  let sum = "";
  for (const disk of DISKS) sum = await luns.copy(disk.split(" ")[0]);
  const rate = (2 * MEBIBYTES * DISKS.length) / ((performance.now() - begin) / 1000);
  return `${sum.slice(0, 16)}; ${rate.toFixed(1)} MiB/s, sums included`;
}

async function change(guest: Guest, luns: Luns): Promise<string> {
  await luns.startLoad("/dev/sdb");
  await luns.attach(...PLUGGED);
  expect(await luns.disks()).to.include("/dev/sdd 0:0:5");
  await luns.copy("/dev/sdd");
  await guest.run("sg_reset --device /dev/sda");
  await luns.detach(PLUGGED[1]);
  expect(await luns.disks()).to.deep.equal(DISKS);
  const rounds = await luns.endLoad("told");
  expect(rounds, "rounds of the load").to.be.above(1);
  await luns.copy("/dev/sdb");
  return `${rounds} rounds were written meanwhile`;
}

/** How many events the controller of a guest has had. */
async function notifications(guest: Guest): Promise<number> {
  return Number((await guest.run("grep scsif /proc/interrupts")).trim().split(/\s+/)[1]);
}

/** Waits until the nodes of a destroyed guest are gone. */
async function settle(dom0: Dom0, wanted: readonly string[]): Promise<void> {
  for (const end = performance.now() + DYING * 1000; performance.now() < end; await setTimeout(500)) {
    const nodes = await dom0.run("xenstore-ls -fp /local/domain/0");
    if (nodes.split("\n").every((line) => line.trim() === "" || wanted.includes(line))) return;
  }
}

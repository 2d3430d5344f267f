// Knows what is asked of whatever serves disks to a stock Linux guest over virtio-scsi: that its own driver gets them, that what is
// written is what is read, that disks come, grow and go while it looks, and what the usual tools say of them.

import { expect } from "chai";
import type { KernelKind } from "../linux/debian.js";
import { reasonOf, type Suite, type SuiteContext } from "../suite.js";
import { startFromDisk, writeBootSector } from "./bios.js";
import { clock } from "./clock.js";
import { copy, noticeSpoiled, sumOfFile, sumOnDisk, verifyAtDepth } from "./contents.js";
import { type Disk, type DiskServer, type DiskServerKind, textOf } from "./disks.js";
import { makeFile } from "./files.js";
import { Guest } from "./guest.js";
import { appeared, type GuestDisk, LSSCSI, numberOf, resized, untilSo, vanished } from "./guest-disk.js";
import { judgeStarts, judgeTogether, leave } from "./guests.js";
import { type Images, PACKAGES, prepareImages } from "./images.js";
import { runLibiscsi } from "./libiscsi.js";
import { LIBVIRT_PACKAGES, validateXml } from "./libvirt.js";
import { judgeLostEvents } from "./lost-events.js";
import { GOLDEN_DISK, missingIn } from "./messages.js";
import { ownDisks } from "./own-disks.js";
import { judgePaths } from "./paths.js";
import { useQueues } from "./queues.js";
import { servedDisks } from "./served-disks.js";
import { ask, QUESTIONS } from "./sg3-utils.js";
import { judgeSpeed } from "./speed.js";

const QUEUES = 2;
/** MiB that are written and read back, of a disk of so many. */
const COPIED = 32;
const DISK_SIZE = 64;
const GROWN_SIZE = 96;
/** Seconds of fio. */
const WORK = 8;
const TOOLS_DISK: Disk = { target: 1, lun: 2, mebibytes: DISK_SIZE };
const MANY = 300;
/** Failures of libiscsi's suite that are shown one by one: as many as there may be. */
const LISTED = 5;
/** MiB of a guest whose memory goes beyond the addresses of 32 bits; Linux takes from above first. */
const MUCH_MEMORY = 6144;

const JUDGES = "a stock Linux guest under QEMU: its virtio_scsi, lsscsi, fio, sg3_utils, libiscsi's tests, SeaBIOS";

export const qemuSuite: Suite = {
  name: "qemu",
  judges: `disks of a vhost-user server, by ${JUDGES}`,
  packages: [...PACKAGES, ...LIBVIRT_PACKAGES],
  default: true,
  budgetSeconds: 210,
  run: async (context) => {
    await context.check("libvirt's schema takes the XML that is printed for it", () => validateXml(context));
    const images = await judge(context, servedDisks, "cloud");
    if (images !== null) await judgePaths(context, images);
  },
};

/** With a kernel that has more of everything, and figures of speed beside QEMU's own. */
export const qemuFullSuite: Suite = {
  name: "qemu-full",
  judges: `the same with Debian's other kernel, and how fast they are beside QEMU's own`,
  packages: PACKAGES,
  default: false,
  budgetSeconds: 1200,
  run: async (context) => {
    const images = await judge(context, servedDisks, "generic");
    if (images === null) return;
    await judgeTogether(context, servedDisks, images);
    await judgeLostEvents(context, servedDisks, images);
    await judgeStarts(context, servedDisks, images);
    await judgeSpeed(context, servedDisks, images);
  },
};

export const qemuOwnSuite: Suite = {
  name: "qemu-own",
  judges: "the same judges on the disks of QEMU's own target: what they are worth",
  packages: PACKAGES,
  default: false,
  budgetSeconds: 240,
  run: async (context) => {
    await judge(context, ownDisks, "cloud");
  },
};

/** A guest and what serves its disks. */
interface Stand {
  readonly context: SuiteContext;
  readonly kind: DiskServerKind;
  readonly images: Images;
  readonly server: DiskServer;
  readonly guest: Guest;
}

/** Gives what was booted. */
async function judge(context: SuiteContext, kind: DiskServerKind, kernel: KernelKind): Promise<Images | null> {
  const images: Images[] = [];
  await context.check("there are files to boot", async () => {
    images.push(await prepareImages(context, kernel));
    return `Linux ${images[0].kernel}, ${images[0].made ? "made" : "from the cache"}`;
  });
  if (images.length === 0) return null;
  await judgeLife(context, kind, images[0]);
  await context.check(`${MANY} LUNs of one target are ${MANY} disks`, () => manyLuns(context, kind, images[0]));
  await context.check("SeaBIOS starts from LBA 0", () => startBios(context, kind));
  return images[0];
}

async function judgeLife(context: SuiteContext, kind: DiskServerKind, images: Images): Promise<void> {
  const seed = { ...GOLDEN_DISK, file: await makeFile(context, GOLDEN_DISK.mebibytes) };
  const work = { target: 1, lun: 1, mebibytes: DISK_SIZE, file: await makeFile(context, DISK_SIZE) };
  const server = await kind.start(context, [seed], QUEUES);
  const before = await server.open?.();
  const stands: Stand[] = [];
  await context.check("Linux' virtio_scsi attaches its disk", async () => {
    const guest = await Guest.boot(context, images, { processors: 2, words: server.words });
    stands.push({ context, kind, images, server, guest });
    const { disk, generic } = await appeared(guest, seed);
    return `${disk} ${generic}, ${(await guest.run("cut -d' ' -f1 /proc/uptime")).trim()} s after its start`;
  });
  if (stands.length > 0) {
    await judgeDisks(stands[0], seed, work);
    await stands[0].guest.end();
    await judgeNextGuest(stands[0], seed);
    if (before !== undefined)
      await context.check("the server holds nothing of its guests", () => leave(server, before));
  }
  await context.check("what served it ends in order", () => server.close());
}

async function judgeDisks(stand: Stand, seed: Disk, work: Disk & { file: string }): Promise<void> {
  const { context, server, guest } = stand;
  await context.check("dmesg and lsscsi have the lines of the seed's guest", () => listen(guest));
  const disks: GuestDisk[] = [];
  await context.check("a disk that is attached is seen without a rescan", async () => {
    const since = clock();
    await server.attach(work);
    disks.push(await appeared(guest, work));
    return `${disks[0].disk} after ${since()} ms`;
  });
  if (disks.length === 0) return;
  const { disk, generic } = disks[0];
  await context.check(`${COPIED} MiB written are read again and are in the file`, () => copyThrough(guest, disk, work));
  await context.check("a bit turned over in the file is noticed", () => noticeSpoiled(guest, disk, work.file));
  await context.check(`fio at depth 32 for ${WORK} s, every block's MD5 verified`, () =>
    verifyAtDepth(guest, disk, { seconds: WORK }),
  );
  await context.check("the same while the disk is reset three times", () => {
    const reset = `sleep 1; sg_reset --device ${generic}`;
    return verifyAtDepth(guest, disk, { seconds: WORK, meanwhile: [reset, reset, reset].join(" && ") });
  });
  await context.check("both request queues are used from two processors", async () => {
    const counts = await useQueues(guest, disk, QUEUES);
    expect(counts.length, `${counts}`).to.equal(QUEUES);
    for (const count of counts) expect(count, `${counts}`).to.be.above(100);
    return `${counts.join(" and ")} interrupts`;
  });
  await context.check("a disk that has grown is seen to without a rescan", () => grow(stand, work, disks[0]));
  await context.check("a disk that is detached is gone without a rescan", async () => {
    const since = clock();
    await server.detach(work);
    await vanished(guest, work);
    return `after ${since()} ms`;
  });
  await judgeByTools(stand);
  await context.check("a guest that starts anew reads what it wrote before", () => restart(guest, seed));
}

/** What other programs say, of a disk that has all that the server can do. */
async function judgeByTools(stand: Stand): Promise<void> {
  const { context, kind, server, guest } = stand;
  const disks: GuestDisk[] = [];
  await context.check("a disk for tools is attached", async () => {
    await server.attach(TOOLS_DISK);
    disks.push(await appeared(guest, TOOLS_DISK));
    return `${disks[0].disk} ${disks[0].generic}`;
  });
  if (disks.length === 0) return;
  for (const question of QUESTIONS) {
    const lacking = kind.lacks.includes(question.name);
    const judge = () => ask(guest, disks[0], question);
    await context.check(question.name, lacking ? () => refused(judge) : judge);
  }
  await judgeByLibiscsi(stand, disks[0].generic);
}

/** Each failure that is known has a row of its own, unless they are too many. */
async function judgeByLibiscsi({ context, kind, guest }: Stand, generic: string): Promise<void> {
  const failed: string[] = [];
  await context.check("iscsi-test-cu, all SCSI tests", async () => {
    const findings = await runLibiscsi(context, guest, generic, kind.failing);
    failed.push(...findings.failed);
    return findings.figures;
  });
  if (failed.length > LISTED) return;
  for (const name of failed) {
    const figure = `known: ${kind.failing.get(name)}`;
    context.add({ check: `iscsi-test-cu fails ${name}`, passed: true, figure, seconds: 0 });
  }
}

/** What is known not to be answered well; that it still is not keeps the list short. */
async function refused(judge: () => Promise<string>): Promise<string> {
  const answer = await judge().then(
    () => expect.fail("is answered now"),
    (error) => reasonOf(error),
  );
  return `known: ${answer}`;
}

async function listen(guest: Guest): Promise<string> {
  await guest.run(untilSo("dmesg | grep -q 'Attached SCSI disk'"));
  const text = await guest.run(`${LSSCSI} -g; dmesg`);
  const missing = missingIn(text);
  const said = text.split("\n").filter((line) => /scsi|sd \d/.test(line));
  expect(missing, `missing in ${said.join(" | ")}`).to.deep.equal([]);
  return text.split("\n")[0].replace(/\s+/g, " ");
}

async function copyThrough(guest: Guest, disk: string, { file }: { file: string }): Promise<string> {
  const since = clock();
  const sum = await copy(guest, disk, COPIED);
  const milliseconds = since();
  expect(await sumOfFile(file, COPIED), "in the file").to.equal(sum);
  return `${sum.slice(0, 16)}, there and back in ${milliseconds} ms`;
}

async function grow({ server, guest }: Stand, work: Disk, disk: GuestDisk): Promise<string> {
  const since = clock();
  await server.resize(work, GROWN_SIZE);
  await resized(guest, disk, GROWN_SIZE);
  const milliseconds = since();
  await guest.run(`dd if=/dev/zero of=${disk.disk} bs=1M seek=${GROWN_SIZE - 1} count=1 oflag=direct 2>&1`);
  return `${DISK_SIZE} to ${GROWN_SIZE} MiB after ${milliseconds} ms`;
}

async function restart(guest: Guest, seed: Disk): Promise<string> {
  const before = await copy(guest, (await appeared(guest, seed)).disk, COPIED);
  const since = clock();
  await guest.reboot();
  const { disk } = await appeared(guest, seed);
  const milliseconds = since();
  expect(await sumOnDisk(guest, disk, COPIED), "what was written before").to.equal(before);
  await copy(guest, disk, COPIED);
  return `${before.slice(0, 16)} after ${milliseconds} ms, and ${COPIED} MiB more`;
}

async function judgeNextGuest({ context, kind, images, server }: Stand, seed: Disk & { file: string }): Promise<void> {
  if (!kind.outlivesGuest) return;
  await context.check(`the next guest, of ${MUCH_MEMORY} MiB, reads what the last one wrote, and writes`, async () => {
    const guest = await Guest.boot(context, images, { memory: MUCH_MEMORY, words: server.words });
    const { disk } = await appeared(guest, seed);
    expect(await sumOnDisk(guest, disk, COPIED)).to.equal(await sumOfFile(seed.file, COPIED));
    const sum = await copy(guest, disk, COPIED);
    await guest.end();
    return sum.slice(0, 16);
  });
}

async function manyLuns(context: SuiteContext, kind: DiskServerKind, images: Images): Promise<string> {
  const disks = Array.from({ length: MANY }, (_, lun) => ({ target: 0, lun, mebibytes: 1 }));
  const server = await kind.start(context, disks, 1);
  const guest = await Guest.boot(context, images, { words: server.words });
  const since = clock();
  await guest.run(untilSo(`[ $(ls /sys/class/block | grep -c ^sd) = ${MANY} ]`, 60), 90);
  const milliseconds = since();
  const places = (await guest.run(LSSCSI)).match(/0:\d+(?=\])/g) ?? [];
  expect(places.sort()).to.deep.equal(disks.map((disk) => textOf({ ...disk, lun: numberOf(disk.lun) })).sort());
  const { disk, generic } = await appeared(guest, { target: 0, lun: numberOf(MANY - 1) });
  await guest.run(`dd if=${disk} of=/dev/null bs=64k iflag=direct 2>&1`);
  if (!kind.lacks.includes("sg_luns")) {
    expect(await guest.run(`sg_luns ${generic}`)).to.match(new RegExp(` ${MANY} lun entr`));
  }
  await guest.end();
  await server.close();
  return `${MANY} disks, the last ${disk}, ${milliseconds} ms after the guest's start`;
}

async function startBios(context: SuiteContext, kind: DiskServerKind): Promise<string> {
  const file = await makeFile(context, 1);
  await writeBootSector(file);
  const server = await kind.start(context, [{ target: 0, lun: 0, mebibytes: 1, file }], 1);
  const word = await startFromDisk(context, server.words);
  await server.close();
  return word;
}

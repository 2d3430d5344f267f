// Knows the order in which a guest's disk is shown to its judges: fio, QEMU's tools and libnbd's.

import type { Suite, SuiteContext } from "../suite.js";
import { judgeCopies, judgeImages } from "./copies.js";
import { judgeInformation } from "./information.js";
import { serveDisk } from "./served-disk.js";
import { judgeContents, judgeNotice } from "./verification.js";

/** Seconds that fio runs on each disk. */
const THIN_SECONDS = 60;
const FILE_SECONDS = 20;
const VIRTIO_SECONDS = 20;

export const fioSuite: Suite = {
  name: "fio",
  judges: "a guest's disk over NBD: fio with verification, qemu-img, qemu-io, nbdinfo, nbdcopy",
  packages: ["fio", "qemu-utils", "libnbd-bin"],
  default: true,
  budgetSeconds: 190,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  await judgeThin(context);
  await judgeFile(context);
  await judgeVirtio(context);
}

/** A thin disk over memory: all that can be judged. */
async function judgeThin(context: SuiteContext): Promise<void> {
  const disk = await serveDisk(context, "memory");
  await judgeInformation(context, disk);
  await judgeCopies(context, disk);
  await judgeContents(context, disk, THIN_SECONDS);
  await judgeNotice(context);
  await context.check("nothing is left behind", () => disk.finish());
}

/** The same way down to a file of dom0. */
async function judgeFile(context: SuiteContext): Promise<void> {
  const disk = await serveDisk(context, "file");
  await judgeImages(context, disk);
  await judgeContents(context, disk, FILE_SECONDS);
  await context.check("nothing is left behind of the disk in a file", () => disk.finish());
}

/** The same target and the same guest with virtio-scsi between them. */
async function judgeVirtio(context: SuiteContext): Promise<void> {
  const disk = await serveDisk(context, "virtio");
  await judgeImages(context, disk);
  await judgeContents(context, disk, VIRTIO_SECONDS);
  await context.check("nothing is left behind of the disk on virtio-scsi", () => disk.finish());
}

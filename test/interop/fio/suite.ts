// Knows the order in which a guest's disk is shown to its judges: fio, QEMU's tools and libnbd's.

import type { Suite, SuiteContext } from "../suite.js";
import { judgeCopies } from "./copies.js";
import { judgeInformation } from "./information.js";
import { serveDisk } from "./served-disk.js";
import { judgeContents } from "./verification.js";

export const fioSuite: Suite = {
  name: "fio",
  judges: "a guest's disk over NBD: fio with verification, qemu-img, qemu-io, nbdinfo, nbdcopy",
  packages: ["fio", "qemu-utils", "libnbd-bin"],
  default: true,
  budgetSeconds: 240,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const disk = await serveDisk(context, "disk.socket");
  await judgeInformation(context, disk);
  await judgeCopies(context, disk);
  await judgeContents(context, disk);
  await context.check("nothing is left behind", () => disk.finish());
}

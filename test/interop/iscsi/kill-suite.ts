// Knows the suite that kills an iSCSI portal again and again.

import type { Suite } from "../suite.js";
import { judgeKills } from "./kill.js";

const KILLS = 20;

export const iscsiKillSuite: Suite = {
  name: "iscsi-kill",
  judges: `pvscsi iscsi serve, killed ${KILLS} times while qemu-io writes, with the power of its disks cut`,
  packages: ["qemu-utils", "qemu-block-extra"],
  default: false,
  budgetSeconds: 600,
  run: (context) => judgeKills(context, KILLS, Number(process.env.FUZZ_SEED ?? 1)),
};

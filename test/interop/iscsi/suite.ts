// Knows the order in which our iSCSI portal is shown to its judges: libiscsi's programs and QEMU's tools.

import type { Suite, SuiteContext } from "../suite.js";
import { judgeConformance } from "./conformance.js";
import { judgeContents } from "./contents.js";
import { judgeKills } from "./kill.js";
import { judgeLogins } from "./logins.js";
import { judgeLooks } from "./looks.js";
import { judgePaths } from "./paths.js";
import { ServedPortal } from "./portal.js";

/** More of them: the suite `iscsi-kill`. */
const KILLS = 2;

export const iscsiSuite: Suite = {
  name: "iscsi",
  judges:
    "pvscsi iscsi serve: libiscsi's programs, its tests of iSCSI itself, of reservations and of two paths, qemu-img, qemu-io; CHAP, digests",
  packages: ["libiscsi-bin", "qemu-utils", "qemu-block-extra"],
  default: true,
  budgetSeconds: 60,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const portal = await ServedPortal.start(context, [
    "mem:64MiB,thin",
    `${context.path("disk")},size=64MiB`,
    "mem:8MiB,ro",
  ]);
  await judgeLooks(context, portal);
  await judgeContents(context, portal);
  await judgeConformance(context, portal);
  await context.check("the portal ends, and has nothing to complain of", async () => {
    const said = await portal.end();
    if (said.length > 0) throw new Error(said.join("; "));
    return "status 0, nothing said";
  });
  await judgeLogins(context);
  await judgePaths(context);
  await judgeKills(context, KILLS, 1);
}

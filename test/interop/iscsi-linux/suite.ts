// Knows the order in which our iSCSI portal is shown to Linux' own initiator.

import { PACKAGES } from "../qemu/images.js";
import type { Suite, SuiteContext } from "../suite.js";
import { judgeChanges } from "./changes.js";
import { judgeDigests } from "./digests.js";
import { judgeFailover } from "./failover.js";
import { judgeFaults } from "./faults.js";
import { judgeFunctions } from "./functions.js";
import { judgeGoodbye } from "./goodbye.js";
import { prepareInitiator } from "./images.js";
import { judgeLooks } from "./looks.js";
import { judgeParameters } from "./parameters.js";
import { judgePaths } from "./paths.js";
import { judgeProofs } from "./proofs.js";
import { Stand } from "./stand.js";

export const iscsiLinuxSuite: Suite = {
  name: "iscsi-linux",
  judges:
    "pvscsi iscsi serve: Linux' own initiator (iscsi_tcp, open-iscsi) in a guest of QEMU, and what goes wrong on its way",
  packages: PACKAGES,
  default: false,
  budgetSeconds: 1200,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const stands: Stand[] = [];
  await context.check("a guest with Linux' own initiator", async () => {
    const images = await prepareInitiator(context);
    stands.push(await Stand.open(context, images));
    return `Linux ${images.kernel}, ${images.made ? "made" : "from the cache"}`;
  });
  for (const stand of stands) await judgeAll(stand);
}

async function judgeAll(stand: Stand): Promise<void> {
  await judgeLooks(stand);
  await judgeParameters(stand);
  await judgeDigests(stand);
  await judgePaths(stand);
  await judgeFailover(stand);
  await judgeChanges(stand);
  await judgeFunctions(stand);
  await judgeFaults(stand);
  await judgeGoodbye(stand);
  await stand.context.check("the portal ends, and has nothing to complain of", () => stand.endPortal());
  await judgeProofs(stand);
  await stand.close();
}

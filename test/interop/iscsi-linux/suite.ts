// Knows the order in which our iSCSI portal is shown to Linux' own initiator.

import { PACKAGES } from "../qemu/images.js";
import type { Suite, SuiteContext } from "../suite.js";
import { prepareInitiator } from "./images.js";
import { judgeLooks } from "./looks.js";
import { Stand } from "./stand.js";

export const iscsiLinuxSuite: Suite = {
  name: "iscsi-linux",
  judges:
    "pvscsi iscsi serve: Linux' own initiator (iscsi_tcp, open-iscsi) in a guest of QEMU, and what goes wrong on its way",
  packages: PACKAGES,
  default: false,
  budgetSeconds: 900,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const stands: Stand[] = [];
  await context.check("a guest with Linux' own initiator", async () => {
    const images = await prepareInitiator(context);
    stands.push(await Stand.open(context, images));
    return `Linux ${images.kernel}, ${images.made ? "made" : "from the cache"}`;
  });
  for (const stand of stands) {
    await judgeLooks(stand);
    await context.check("the portal ends, and has nothing to complain of", () => stand.close());
  }
}

// Knows what is asked of `pvscsi xenstore` in the dom0 of a real Xen, where xenstored is Xen's own: through the kernel's device,
// through xenstored's socket and as it is found by itself it shows and does what Debian's clients show and do.

import { expect } from "chai";
import type { Suite, SuiteContext } from "../suite.js";
import { Dom0 } from "./dom0.js";
import { HOST_PACKAGES, prepareImages } from "./images.js";
import { MAIN } from "./repository.js";

const VERB = `node ${MAIN} xenstore`;
/** Words of the verb that lead to dom0's xenstored. */
const WAYS = ["--socket /dev/xen/xenbus", "--socket /run/xenstored/socket", "--xen"];
const PLACE = "/judge";
/** Seconds for a command that starts Node four times on an emulated processor: 12 where nobody else is at work. */
const PATIENCE = 200;

export const xenStoreSuite: Suite = {
  name: "xen-store",
  judges: "pvscsi xenstore in the dom0 of Xen 4.17: xenstore-ls, -read, -write beside it at Xen's own xenstored",
  packages: HOST_PACKAGES,
  default: false,
  budgetSeconds: 1200,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const dom0 = await boot(context);
  if (dom0 === null) return;
  for (const way of WAYS) {
    await context.check(`${way} ls -fp shows what xenstore-ls -fp shows`, () => compareTrees(dom0, way));
    await context.check(`${way}: it and Debian's clients see what the other does`, () => exchange(dom0, way));
  }
  await dom0.end();
}

async function boot(context: SuiteContext): Promise<Dom0 | null> {
  let dom0: Dom0 | null = null;
  await context.check("Xen and its dom0 start", async () => {
    const images = await prepareImages(context);
    dom0 = await Dom0.boot(context, images);
    return `Linux ${images.kernel}`;
  });
  return dom0;
}

/** With a node that has to be escaped, and one with more permissions than one. */
async function compareTrees(dom0: Dom0, way: string): Promise<string> {
  await dom0.run(`xenstore-write ${PLACE}/odd 'a\\tb\\\\\\xe9"' && xenstore-chmod ${PLACE}/odd n0 r1 b2`);
  const theirs = await dom0.run("xenstore-ls -fp");
  const ours = await dom0.run(`${VERB} ${way} ls -fp`, PATIENCE);
  await dom0.run(`xenstore-rm ${PLACE}`);
  expect(ours).to.equal(theirs);
  const lines = theirs.trim().split("\n");
  return `${lines.length} nodes, one is ${lines.find((line) => line.startsWith(`${PLACE}/odd`))}`;
}

/** What one writes, the other reads; what changes is told as it happens. */
async function exchange(dom0: Dom0, way: string): Promise<string> {
  const text = await dom0.run(
    `xenstore-write ${PLACE}/theirs 1
rm -f /run/watched
${VERB} ${way} watch -n 3 ${PLACE} > /run/watched &
until [ -s /run/watched ]; do sleep 0.1; done
${VERB} ${way} write ${PLACE}/ours "2 3"
xenstore-write ${PLACE}/theirs 4
wait
cat /run/watched
xenstore-read ${PLACE}/ours
${VERB} ${way} read ${PLACE}/theirs
${VERB} ${way} rm ${PLACE}
xenstore-read ${PLACE} 2>&1 | cat`,
    PATIENCE,
  );
  const heard = [PLACE, `${PLACE}/ours`, `${PLACE}/theirs`];
  expect(text.trim().split("\n")).to.deep.equal([...heard, "2 3", "4", `xenstore-read: couldn't read path ${PLACE}`]);
  return "written, read, watched and removed";
}

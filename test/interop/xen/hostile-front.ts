// Knows a program that is a hostile front end, in the dom0 of a Xen host: `node hostile-front.js`, which is told what to do line by
// line. `NAME` does one injection and says `held: ...` or `failed: ...`; `NAME begin` says `begun`, and `await` waits for the rest.

import { createInterface } from "node:readline";
import { hostCalls, openHostDomain } from "@pvscsi/xenbus";
import { nodeScheduler } from "pvscsi";
import { HostileDevice } from "./hostile-device.js";
import { INJECTIONS } from "./injections.js";

const dom0 = await openHostDomain({ calls: await hostCalls(), scheduler: nodeScheduler() });
let underWay: Promise<string> = Promise.resolve("failed: nothing was begun");

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "exit") break;
  console.log(await obey(line));
}
await dom0.close();
process.exit(0);

async function obey(line: string): Promise<string> {
  if (line === "await") return await underWay;
  const [name, begin] = line.split(" ");
  if (INJECTIONS[name] === undefined) return `${line}: no such injection`;
  underWay = inject(name);
  return begin === undefined ? await underWay : "begun";
}

/** Does it with a device of its own. */
async function inject(name: string): Promise<string> {
  let device: HostileDevice | null = null;
  try {
    device = await HostileDevice.connect(dom0.store);
    const seen = await INJECTIONS[name](device);
    await device.leave();
    return `held: ${seen}`;
  } catch (error) {
    await device?.vanish();
    await device?.leave();
    return `failed: ${error instanceof Error ? error.message : error}`.replace(/\s*\n\s*/g, " ");
  }
}

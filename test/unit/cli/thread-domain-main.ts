// A domain in a thread: a guest that runs the commands it is told, or a driver domain with devices of its own.

import { parentPort, workerData } from "node:worker_threads";
import { parseHostConfig } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import { Scsiback } from "@pvscsi/scsiback";
import { nullProbes } from "@pvscsi/wire";
import { connectThread, type ThreadLink } from "@pvscsi/xenbus";
import { nodeClock, nodeScheduler, RunningGuest } from "pvscsi";

/** All that the thread of a domain has to know. */
export interface ThreadDomain {
  readonly name: string;
  readonly domain: number;
  readonly link: ThreadLink;
  readonly secret: Uint8Array;
  /** For a driver domain: its devices, as the text of a host.yaml. Empty for a guest. */
  readonly host: string;
}

/** A command for a guest. */
export interface ThreadCommand {
  readonly words: readonly string[];
  readonly directory: string;
}

const port = parentPort as NonNullable<typeof parentPort>;
const { name, domain, link, secret, host } = workerData as ThreadDomain;
const parts = { clock: nodeClock, scheduler: nodeScheduler(), probes: nullProbes };
const joined = await connectThread({ ...parts, link, domain, secret });
if (host === "") {
  const guest = new RunningGuest({ ...parts, name, domain: joined.domain });
  await guest.driver.start();
  port.on("message", async ({ words, directory }: ThreadCommand) => {
    port.postMessage(await guest.run(words, directory));
  });
} else {
  const directory = openHost(parseHostConfig(host, "host.yaml"), { directory: "/", clock: nodeClock });
  await new Scsiback({ ...parts, domain: joined.domain, directory }).start();
}
port.postMessage("running");
await joined.ended;
process.exit();

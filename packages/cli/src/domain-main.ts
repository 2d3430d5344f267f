#!/usr/bin/env node

// Knows how a domain runs as a process of its own, a guest or a driver domain: dom0 starts it, tells it who it is on a
// file descriptor, and is where it connects to. What it is asked comes on its own socket. It ends when its hub does.

import { dirname } from "node:path";
import { openHost, readHostConfig } from "@pvscsi/host";
import { Scsiback } from "@pvscsi/scsiback";
import { ProbeHub } from "@pvscsi/wire";
import type { Domain } from "@pvscsi/xen";
import { connectXenbus } from "@pvscsi/xenbus";
import { serveDomain } from "./domain-commands.js";
import { type DomainSettings, readSettings, settingsLine, settingsSocket } from "./domain-settings.js";
import { hostParts } from "./host-parts.js";
import { machineTime, nodeClock, nodeScheduler } from "./platform.js";
import { RunningGuest } from "./running-guest.js";
import { Exit } from "./verb.js";

const parts = { clock: nodeClock, scheduler: nodeScheduler(), probes: new ProbeHub() };

interface StartedDomain {
  /** Resolves with the reason of the domain's end. */
  readonly ended: Promise<string>;
}

async function start(settings: DomainSettings): Promise<StartedDomain> {
  const { url, domain: id, secret, host, authority } = settings;
  const trust = authority === "" ? {} : { authority };
  const joined = await connectXenbus({ ...parts, ...trust, url, domain: id, secret: Buffer.from(secret, "hex") });
  const close = host === "" ? await startGuest(joined.domain, settings) : await startDriver(joined.domain, settings);
  const ended = joined.ended.then(async (reason) => {
    await close();
    return reason;
  });
  return { ended };
}

/** A guest with its driver; gives what ends those who use its disks. */
async function startGuest(domain: Domain, settings: DomainSettings): Promise<() => Promise<void>> {
  const running = new RunningGuest({ ...parts, name: settings.name, domain });
  await running.driver.start();
  const control = await serveDomain(settings, rings(settings), running);
  return async () => {
    await control.close();
    await running.endServices();
  };
}

/** A back end with devices of its own. What it has stored is as durable as it has said. */
async function startDriver(domain: Domain, settings: DomainSettings): Promise<() => Promise<void>> {
  const { host } = settings;
  const directory = openHost(await readHostConfig(host), { directory: dirname(host), ...hostParts() });
  await new Scsiback({ ...parts, domain, directory }).start();
  const control = await serveDomain(settings, rings(settings), null);
  return () => control.close();
}

/** What passes them here, on the clock of all processes. */
function rings({ domain }: DomainSettings) {
  return { ...parts, now: machineTime, domain };
}

const dom0 = settingsSocket();
// Who has started us is gone; the hub's connection says so too.
dom0.on("error", () => {});
try {
  const { ended } = await start(await readSettings(dom0));
  dom0.end(settingsLine({ failure: null }));
  process.stderr.write(`the domain has ended: ${await ended}\n`);
} catch (error) {
  dom0.end(settingsLine({ failure: error instanceof Error ? error.message : String(error) }));
}
process.exitCode = Exit.failed;
// What is still under way was for a hub that is gone.
setImmediate(() => process.exit());

// Knows how scsiback runs on a real Xen host: in the domain of this process, for whatever front ends the toolstack of that
// host writes nodes for, until it is to end.

import { dirname, resolve } from "node:path";
import { formatAddress, formatWarning, type HostConfig, hostOfLunWords, xenDevices } from "@pvscsi/config";
import { type Host, openHost, readHostConfig, readSaveconfig } from "@pvscsi/host";
import { type ControllerMessage, Scsiback } from "@pvscsi/scsiback";
import { Leftovers, ToolstackError } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { type HostDomain, hostCalls, openHostDomain } from "@pvscsi/xenbus";
import { type Doors, type DoorWords, openDoors } from "./doors.js";
import { type HostFacts, hostFacts } from "./host-facts.js";
import { hostParts } from "./host-parts.js";
import { kernelScsiback, unloadKernelScsiback } from "./kernel-scsiback.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { Exit } from "./verb.js";
import { onXenHost } from "./xen-host.js";

export interface XenServeOptions {
  /** LUN words; the p-dev of word number n is 0:0:0:n. */
  readonly luns: readonly string[];
  /** A host.yaml instead of them. */
  readonly host?: string | undefined;
  /** A saveconfig.json instead of them; the p-devs are those of its xen-pvscsi portal groups. */
  readonly config?: string | undefined;
  /** Whether requests with indirect segments are offered. */
  readonly indirect: boolean;
  /** Whether the kernel's own back end is unloaded where it is in the way. */
  readonly unload: boolean;
  /** By which wires others than front ends reach the devices that are shareable. */
  readonly doors: DoorWords;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<unknown>;
}

/** Serves and gives the exit status. Throws `ConfigError`, and `ToolstackError` where this is no Xen host. */
export async function runXenServe({ luns, host, config, printer, ended, ...how }: XenServeOptions): Promise<number> {
  const served = await servedDevices({ luns, host, config, printer });
  const devices = openDevices(served, dirname(resolve(host ?? config ?? "host.yaml")));
  const over = ended();
  const domain = await openDomain();
  const scsiback = newScsiback(domain, devices, how.indirect, printer);
  const leftovers = newLeftovers(domain, printer);
  let doors: Doors | null = null;
  try {
    await keepKernelOut(hostFacts(), how.unload);
    doors = await openDoors(devices, how.doors, printer);
    for (const address of doors.addresses) printer.print(address);
    await scsiback.start();
    await leftovers.start();
    const names = served.hosts.flatMap((each) =>
      each.luns.flatMap(({ portNames, address }) => portNames ?? [formatAddress(address)]),
    );
    printer.print(
      `scsiback of domain ${domain.id} has ${names.join(", ")} for its front ends, until Ctrl-C or SIGTERM`,
    );
    await over;
    return Exit.done;
  } finally {
    await leftovers.close();
    await doors?.close();
    await scsiback.close();
    await domain.close();
  }
}

/** Throws ToolstackError, with the line that mends it, where Linux' own back end would answer for the same nodes. */
export async function keepKernelOut(facts: HostFacts, unload: boolean): Promise<void> {
  let inTheWay = await kernelScsiback(facts);
  if (inTheWay?.loaded && unload) {
    const failed = await unloadKernelScsiback(facts);
    if (failed !== null) throw new ToolstackError("FAIL", failed);
    inTheWay = await kernelScsiback(facts);
  }
  if (inTheWay === null) return;
  const option = inTheWay.loaded ? ", or start with --unload-xen-scsiback" : "";
  throw new ToolstackError("FAIL", `${inTheWay.reason}; as root: ${inTheWay.mend}${option}`);
}

function newScsiback(domain: HostDomain, directory: Host, indirect: boolean, printer: Printer): Scsiback {
  const probes = new ProbeHub();
  probes.listen((name, subject) => {
    if (name !== "scsiback:message") return;
    const { path, text } = subject as ControllerMessage;
    printer.error(`${path}: ${text}`);
  });
  const parts = { domain, directory, probes, clock: nodeClock, scheduler: nodeScheduler(), takesOver: true };
  return new Scsiback({ ...parts, ...(indirect ? {} : { indirectLimit: null }) });
}

function newLeftovers({ store, id }: HostDomain, printer: Printer): Leftovers {
  return new Leftovers({
    store,
    backend: id,
    removed: (guest, devid) => printer.error(`backend/vscsi/${guest}/${devid}: its guest is gone, removed`),
    failed: (error) => printer.error(`backend/vscsi: ${error}`),
  });
}

function openDomain(): Promise<HostDomain> {
  return onXenHost(async () => openHostDomain({ calls: await hostCalls(), scheduler: nodeScheduler() }));
}

function openDevices(config: HostConfig, directory: string): Host {
  return openHost(config, { directory, ...hostParts() });
}

async function servedDevices(
  options: Pick<XenServeOptions, "luns" | "host" | "config" | "printer">,
): Promise<HostConfig> {
  const { luns, host, config, printer } = options;
  if (host !== undefined) return readHostConfig(host);
  if (config === undefined) return hostOfLunWords(luns);
  const { devices, warnings } = xenDevices(await readSaveconfig(config));
  for (const warning of warnings) printer.error(formatWarning(warning));
  return devices;
}

// Knows how a whole system is brought up from two files, host.yaml and domU.cfg, on Node's clock and loop.

import { formatAddress } from "@pvscsi/config";
import { type Host, openHost, readHostConfig } from "@pvscsi/host";
import type { PhysicalDevices } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { OneProcess } from "./one-process.js";
import { nodeClock, nodeScheduler } from "./platform.js";

export interface Session {
  readonly system: OneProcess;
  readonly host: Host;
  readonly probes: ProbeHub;
  close(): Promise<void>;
}

/** How the toolstack finds the host's devices: as a p-dev goes H:C:T:L, or naa.WWN:LUN where that was asked for. */
export function physicalDevices(host: Host): PhysicalDevices {
  return {
    resolve: ({ kind, text }) => {
      const found = host.find(text);
      if (typeof found === "string") return { reason: found };
      return { physicalDevice: kind === "wwn" ? text : formatAddress(found.address) };
    },
  };
}

/** Starts dom0 with the devices of a host.yaml; relative paths in it begin at `directory`. */
export async function openSession(hostFile: string, directory: string): Promise<Session> {
  const probes = new ProbeHub();
  const clock = nodeClock;
  const host = openHost(await readHostConfig(hostFile), { directory, clock });
  const system = new OneProcess({
    clock,
    scheduler: nodeScheduler(),
    probes,
    directory: host,
    devices: physicalDevices(host),
  });
  await system.start();
  return { system, host, probes, close: () => system.close() };
}

// Knows how a driver domain is brought up with the devices of a host.yaml, on Node's clock and loop.

import { formatAddress } from "@pvscsi/config";
import { type Host, openHost, readHostConfig } from "@pvscsi/host";
import type { NotFound, PhysicalDevices } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { hostParts } from "./host-parts.js";
import { OneProcess } from "./one-process.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { SystemOptions } from "./system.js";

export interface Session {
  readonly system: OneProcess;
  close(): Promise<void>;
}

/** How the toolstack finds the host's devices: as a p-dev goes H:C:T:L, or naa.WWN:LUN where that was asked for. */
export function physicalDevices(host: Host): PhysicalDevices {
  const find = (text: string) => {
    const found = host.find(text);
    return typeof found === "string" ? ({ reason: found } satisfies NotFound) : found;
  };
  return {
    resolve({ kind, text }) {
      const found = find(text);
      if ("reason" in found) return found;
      return { physicalDevice: kind === "wwn" ? text : formatAddress(found.address) };
    },
    wholeHost({ text }) {
      const found = find(text);
      if ("reason" in found) return found;
      const addresses = host.list().map(({ address }) => address);
      return addresses.filter((address) => address.host === found.address.host);
    },
    async grow(physicalDevice, bytes) {
      const reason = await host.grow(physicalDevice, bytes);
      return reason === null ? null : { reason };
    },
    async insert(physicalDevice, path) {
      const reason = await host.insert(physicalDevice, path);
      return reason === null ? null : { reason };
    },
    async eject(physicalDevice) {
      const reason = await host.eject(physicalDevice);
      return reason === null ? null : { reason };
    },
  };
}

/** Starts a dom0 with its guests in this process. Throws `ConfigError`. */
export async function openSession(hostFile: string, directory: string): Promise<Session> {
  const system = new OneProcess(await systemOptions(hostFile, directory));
  await system.start();
  return { system, close: () => system.close() };
}

/** What a dom0 has here; relative paths in its host.yaml begin at `directory`. Throws `ConfigError`. */
export async function systemOptions(
  hostFile: string,
  directory: string,
): Promise<SystemOptions & { readonly directory: Host }> {
  const host = openHost(await readHostConfig(hostFile), { directory, ...hostParts() });
  return {
    clock: nodeClock,
    scheduler: nodeScheduler(),
    probes: new ProbeHub(),
    directory: host,
    devices: physicalDevices(host),
    library: (changer) => host.library(changer),
  };
}

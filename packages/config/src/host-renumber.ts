// Knows what becomes of hosts at another start of Linux: drivers come in another order, and take other numbers.

import type { ScsiAddress } from "./device-names.js";
import type { HostConfig, HostLun, ScsiHostConfig } from "./host-types.js";
import type { LibraryConfig } from "./library-config.js";

/**
 * The same hosts with the numbers that another start gives them, and their LUNs at the addresses that follow. A driver makes the hosts of
 * a PCI function one after the other, so those stay neighbours, in their order. `below` draws a number in [0, limit); `wwnOf` tells the
 * name of a LUN at this start, which it keeps.
 */
export function renumberHosts(
  config: HostConfig,
  below: (limit: number) => number,
  wwnOf: (lun: HostLun) => string,
): HostConfig {
  const functions = groupsOf(config.hosts);
  for (let left = functions.length; left > 1; left--) {
    const drawn = below(left);
    [functions[left - 1], functions[drawn]] = [functions[drawn], functions[left - 1]];
  }
  const hosts = functions.flat().map((host, number) => renumbered(host, number, wwnOf));
  return { ...config, hosts };
}

/** The hosts of each PCI function in the order of their numbers; one without is alone. */
function groupsOf(hosts: readonly ScsiHostConfig[]): ScsiHostConfig[][] {
  const groups = new Map<string, ScsiHostConfig[]>();
  for (const host of [...hosts].sort((a, b) => a.host - b.host)) {
    const key = host.pci ?? `host${host.host}`;
    groups.set(key, [...(groups.get(key) ?? []), host]);
  }
  return [...groups.values()];
}

function renumbered(config: ScsiHostConfig, host: number, wwnOf: (lun: HostLun) => string): ScsiHostConfig {
  const addresses = new Map<ScsiAddress, ScsiAddress>();
  const libraries = new Map<LibraryConfig, LibraryConfig>();
  // A library knows its LUNs by the very addresses that they have.
  const moved = (address: ScsiAddress): ScsiAddress => {
    const known = addresses.get(address) ?? { ...address, host };
    addresses.set(address, known);
    return known;
  };
  const movedLibrary = (library: LibraryConfig): LibraryConfig => {
    const { changer, drives } = library;
    const known = libraries.get(library) ?? { ...library, changer: moved(changer), drives: drives.map(moved) };
    libraries.set(library, known);
    return known;
  };
  const luns = config.luns.map((lun): HostLun => {
    const { backing, address } = lun;
    return {
      ...lun,
      wwn: wwnOf(lun),
      backing: backing.kind === "library" ? { ...backing, library: movedLibrary(backing.library) } : backing,
      address: moved(address),
    };
  });
  return { ...config, host, luns };
}

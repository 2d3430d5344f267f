// Knows the SCSI host of LUNs that were named one by one: host 0, channel 0, target 0, and the LUNs by their order.

import type { ScsiAddress } from "./device-names.js";
import { argumentOrigin, ConfigError, type Origin } from "./errors.js";
import type { DeviceNames, HostConfig, HostLun } from "./host-types.js";
import { parseLunWord } from "./lun-word.js";
import type { LunPortGroup } from "./port-group-config.js";

/** What flat space addressing reaches (SAM-5 4.7.7.3). */
const MOST_LUNS = 16384;
/** Every name is derived. */
export const NO_NAMES: DeviceNames = { node: undefined, sg: undefined, byId: undefined, byPath: undefined };

/** The host whose LUN `0:0:0:n` is the word number n, from 0; throws `ConfigError` at the part of a word that is wrong. */
export function hostOfLunWords(words: readonly string[], option = "--lun"): HostConfig {
  const origin = argumentOrigin(option);
  if (words.length > MOST_LUNS) {
    throw new ConfigError(origin.file, origin.at(0), `${words.length} LUNs, and a target has ${MOST_LUNS}`);
  }
  return hostOf(
    words.map((word, lun) => lunAt(word, { host: 0, channel: 0, target: 0, lun }, origin)),
    origin,
  );
}

/** The host with one LUN, at an address on host 0. Throws as `hostOfLunWords`. */
export function hostOfLunWord(word: string, address: ScsiAddress, option = "--lun"): HostConfig {
  const origin = argumentOrigin(option);
  return hostOf([lunAt(word, address, origin)], origin);
}

/** The same hosts, with every LUN behind these target port groups. */
export function behindPortGroups(config: HostConfig, portGroups: readonly LunPortGroup[]): HostConfig {
  const hosts = config.hosts.map((host) => ({ ...host, luns: host.luns.map((lun) => ({ ...lun, portGroups })) }));
  return { ...config, hosts };
}

function lunAt(word: string, address: ScsiAddress, origin: Origin): HostLun {
  return { ...parseLunWord(word, origin), address, shareable: false, names: NO_NAMES };
}

function hostOf(luns: readonly HostLun[], { file, at }: Origin): HostConfig {
  return { file, hosts: [{ host: 0, driver: undefined, pci: undefined, luns, at: at(0) }] };
}

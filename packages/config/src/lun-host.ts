// Knows the SCSI host of LUNs that were named one by one: host 0, channel 0, target 0, and the LUNs by their order.

import { argumentOrigin, ConfigError } from "./errors.js";
import type { DeviceNames, HostConfig, HostLun } from "./host-config.js";
import { parseLunWord } from "./lun-word.js";

/** What flat space addressing reaches (SAM-5 4.7.7.3). */
const MOST_LUNS = 16384;
/** Every name is derived. */
export const NO_NAMES: DeviceNames = { sd: undefined, sg: undefined, byId: undefined, byPath: undefined };

/** The host whose LUN `0:0:0:n` is the word number n, from 0; throws `ConfigError` at the part of a word that is wrong. */
export function hostOfLunWords(words: readonly string[], option = "--lun"): HostConfig {
  const origin = argumentOrigin(option);
  const { file } = origin;
  const at = origin.at(0);
  if (words.length > MOST_LUNS) throw new ConfigError(file, at, `${words.length} LUNs, and a target has ${MOST_LUNS}`);
  const luns = words.map((word, lun): HostLun => {
    const address = { host: 0, channel: 0, target: 0, lun };
    return { ...parseLunWord(word, origin), address, shareable: false, names: NO_NAMES };
  });
  return { file, hosts: [{ host: 0, driver: undefined, pci: undefined, luns, at }] };
}

// Knows what Xen guests find of LIO's configuration by xen-pvscsi: the p-devs of its portal groups. Knows no ring and no file.

import type { ConfigWarning } from "./errors.js";
import type { HostConfig } from "./host-types.js";
import type { PortalGroup, Saveconfig } from "./saveconfig.js";
import { SavedDevices } from "./saveconfig-devices.js";

const FABRIC = "xen-pvscsi";
/** Bytes of an alias that Linux keeps (VSCSI_NAMELEN, with its end). */
const MOST_ALIAS = 63;

export interface XenDevices {
  /** Each storage object once, under the address 0:0:GROUP:LUN where it is first found: groups are counted through the file, from 0. */
  readonly devices: HostConfig;
  readonly warnings: readonly ConfigWarning[];
}

/**
 * The devices of a file with their p-devs, as Linux' xen-scsiback names them: `naa.WWN:LUN` by the target, `ALIAS:LUN` by the `alias`
 * among the parameters of a portal group. Throws `ConfigError` for what cannot be served, and for a p-dev that two LUNs have.
 */
export function xenDevices(config: Saveconfig): XenDevices {
  const devices = new SavedDevices(config);
  const names = new Map<string, string>();
  let number = 0;
  for (const { fabric, wwn, groups, at } of config.targets) {
    if (fabric !== FABRIC) {
      devices.warn(at, `target ${wwn} of fabric ${fabric} is not served: only ${FABRIC} is`);
      continue;
    }
    for (const group of groups.filter(({ enable }) => enable !== false))
      addGroup(devices, names, { wwn, group, number: number++ });
  }
  if (number === 0) devices.fail(config.at, `no portal group of fabric ${FABRIC}`);
  return { devices: named(devices.config(config.at), names), warnings: devices.warnings };
}

function addGroup(
  devices: SavedDevices,
  names: Map<string, string>,
  { wwn, group, number }: { readonly wwn: string; readonly group: PortalGroup; readonly number: number },
): void {
  const alias = aliasOf(devices, group);
  for (const lun of group.luns) {
    const place = placeKey(devices.at(lun, number, number + 1));
    for (const name of alias === null ? [wwn] : [wwn, alias]) {
      const physical = `${name}:${lun.index}`;
      if (names.has(physical)) devices.fail(lun.at, `${physical} is the p-dev of two LUNs`);
      names.set(physical, place);
    }
  }
}

function aliasOf(devices: SavedDevices, { others, at }: PortalGroup): string | null {
  const parameters = others.parameters;
  const alias = isFields(parameters) ? parameters.alias : undefined;
  if (alias === undefined || alias === null || alias === "") return null;
  if (typeof alias === "string" && alias.length <= MOST_ALIAS && /^[!-~]+$/.test(alias)) return alias;
  return devices.fail(at, `an alias that is no text of 1 to ${MOST_ALIAS} printable ASCII characters`);
}

function isFields(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function named(config: HostConfig, names: ReadonlyMap<string, string>): HostConfig {
  const portNames = (place: string) => [...names].filter(([, of]) => of === place).map(([name]) => name);
  const hosts = config.hosts.map((host) => ({
    ...host,
    luns: host.luns.map((lun) => ({ ...lun, portNames: portNames(placeKey(lun.address)) })),
  }));
  return { ...config, hosts };
}

function placeKey({ target, lun }: { readonly target: number; readonly lun: number }): string {
  return `${target}:${lun}`;
}

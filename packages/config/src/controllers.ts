// Knows how a guest's LUNs are put on controllers, and which LUNs cannot be on one together. Knows no text.

import { formatAddress, type ScsiAddress } from "./device-names.js";
import { ConfigError, formatPosition } from "./errors.js";
import type { VscsiDevice, VscsiDialect, WholeHost } from "./vscsi.js";

/** One virtual SCSI host of a guest: a frontend and a backend of type vscsi. */
export interface VscsiController {
  /** Its device number in xenstore. With libxl 0, 1, 2 in order of appearance; with xend the vHOST. */
  readonly devid: number;
  /** The vHOST that its devices name. */
  readonly host: number;
  readonly featureHost: boolean;
  readonly backend: string | undefined;
  readonly devices: readonly VscsiDevice[];
}

/**
 * Puts devices on controllers by vHOST, in order of appearance. Throws `ConfigError` at a device whose v-dev is taken,
 * or that differs from its controller in `feature-host` or backend; with xend also where a p-dev is named twice.
 */
export function groupControllers(devices: readonly VscsiDevice[], dialect: VscsiDialect): VscsiController[] {
  const groups = new Map<number, VscsiDevice[]>();
  const virtuals = new Map<string, VscsiDevice>();
  const physicals = new Map<string, VscsiDevice>();
  for (const device of devices) {
    const name = formatAddress(device.virtual);
    claim(virtuals, name, device, `vdev '${name}' is already used`, "virtualAt");
    if (dialect === "xend") {
      const { text } = device.physical;
      claim(physicals, text, device, `physical device '${text}' is already defined`, "physicalAt");
    }
    const group = groups.get(device.virtual.host);
    if (group === undefined) groups.set(device.virtual.host, [device]);
    else group.push(checkSame(group[0], device));
  }
  return [...groups].map(([host, group], index) => ({
    devid: dialect === "xend" ? host : index,
    host,
    featureHost: group[0].featureHost,
    backend: group[0].backend,
    devices: group,
  }));
}

/** The devices of xend's host mode: every LUN of one physical host, under its own address. */
export function wholeHostDevices(whole: WholeHost, addresses: readonly ScsiAddress[]): VscsiDevice[] {
  return addresses.map((address) => ({
    kind: "device",
    file: whole.file,
    physical: { kind: "address", text: formatAddress(address), address },
    virtual: address,
    featureHost: true,
    options: [],
    backend: whole.backend,
    at: whole.at,
    physicalAt: whole.physicalAt,
    virtualAt: whole.at,
  }));
}

function claim(
  taken: Map<string, VscsiDevice>,
  name: string,
  device: VscsiDevice,
  reason: string,
  where: "virtualAt" | "physicalAt",
): void {
  const first = taken.get(name);
  if (first !== undefined) {
    throw new ConfigError(device.file, device[where], `${reason}, first at ${formatPosition(first[where])}`);
  }
  taken.set(name, device);
}

function checkSame(first: VscsiDevice, device: VscsiDevice): VscsiDevice {
  const difference =
    first.featureHost !== device.featureHost
      ? "feature-host setting"
      : first.backend !== device.backend
        ? "backend"
        : undefined;
  if (difference === undefined) return device;
  const { host } = device.virtual;
  const reason = `different ${difference} on virtual host ${host} than at ${formatPosition(first.at)}`;
  throw new ConfigError(device.file, device.at, reason);
}

// Knows where Linux' sysfs tells of the SCSI devices of a machine, and gives them as host.yaml would have them: LUNs that are passed
// through by their nodes of the sg driver. Opens no device.

import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import {
  ConfigError,
  compareAddresses,
  formatAddress,
  type HostConfig,
  type HostLun,
  type LunType,
  lunSpec,
  MAX_HOST,
  type Position,
  parseAddress,
  parseLunName,
  type ScsiAddress,
  type ScsiHostConfig,
} from "@pvscsi/config";
import { idLinks, pathLinks, serialId } from "./udev-links.js";

/** sysfs counts blocks of 512 bytes, whatever those of the disk are. */
const SECTOR = 512;
/** More than sysfs has in an attribute. */
const MAX_ATTRIBUTE = 4096;

/** Types of LUN by their peripheral device type (SPC-4 6.6.2): sd has some that are no 00h. */
const TYPES: { readonly [type: string]: LunType } = {
  0: "disk",
  1: "tape",
  4: "disk",
  5: "cdrom",
  7: "disk",
  8: "changer",
  13: "enclosure",
  14: "disk",
  20: "disk",
};
/** Folders of a device in which its driver has its node, and what those are called. */
const NODES: ReadonlyArray<readonly [folder: string, name: RegExp]> = [
  ["block", /^(?:sd[a-z]{1,8}|sr\d{1,8})$/],
  ["scsi_tape", /^st\d{1,8}$/],
  ["scsi_changer", /^sch\d{1,8}$/],
];
/** The transports that udev's path_id names otherwise than by host:channel:target:lun; what links they have sysfs does not tell alone. */
const OWN_PATHS = /\/(?:rport-|end_device-|session\d|ata\d|vmbus_|usb\d)/i;

/** The configuration with the machine's own devices, where it has `sysfs`. Throws `ConfigError`: a host's number is the machine's. */
export async function joinRealHosts(config: HostConfig): Promise<HostConfig> {
  const { file, sysfs } = config;
  if (sysfs === undefined) return config;
  const real = await realHosts(sysfs.root, sysfs.at);
  for (const { host, driver } of real) {
    const same = config.hosts.find((other) => other.host === host);
    if (same === undefined) continue;
    const whose = driver === undefined ? "" : `, by ${driver}`;
    throw new ConfigError(file, same.at, `host ${host} is one of this machine${whose}, expected another number`);
  }
  return { ...config, hosts: [...config.hosts, ...real] };
}

/**
 * The SCSI hosts of the machine whose sysfs is at `root`, with those of their devices that sg has a node for; none where there is no SCSI.
 * `at` is where `root` was said.
 */
export async function realHosts(root: string, at: Position): Promise<ScsiHostConfig[]> {
  const addresses = (await names(join(root, "class/scsi_device")))
    .map(parseAddress)
    .filter((address) => address !== undefined && address.host <= MAX_HOST)
    .sort((a, b) => compareAddresses(a!, b!)) as ScsiAddress[];
  const hosts = new Map<number, HostLun[]>();
  const found: ScsiHostConfig[] = [];
  for (const { host } of addresses) {
    if (hosts.has(host)) continue;
    hosts.set(host, []);
    found.push({ ...(await hostOf(root, host)), luns: hosts.get(host)!, real: true, at });
  }
  for (const address of addresses) {
    const luns = hosts.get(address.host)!;
    const lun = await lunOf(root, address, found, at);
    if (lun !== undefined) luns.push(lun);
  }
  return found.filter(({ luns }) => luns.length > 0);
}

async function hostOf(root: string, host: number): Promise<Omit<ScsiHostConfig, "luns" | "at">> {
  const folder = join(root, "class/scsi_host", `host${host}`);
  const uniqueId = await attribute(folder, "unique_id");
  const fibre = join(root, "class/fc_host", `host${host}`);
  const [wwnn, wwpn] = await Promise.all(["node_name", "port_name"].map((name) => attribute(fibre, name)));
  const place = await realpath(folder).catch(() => "");
  return {
    host,
    driver: await attribute(folder, "proc_name"),
    // The function itself is behind the bridges that lead to it.
    pci: place.match(/(?<=\/)[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](?=\/)/g)?.at(-1),
    uniqueId: uniqueId !== undefined && /^\d{1,10}$/.test(uniqueId) ? Number(uniqueId) : undefined,
    wwnn: worldWide(wwnn),
    wwpn: worldWide(wwpn),
  };
}

function worldWide(text: string | undefined): string | undefined {
  return text === undefined ? undefined : /^0x([0-9a-f]{16})$/i.exec(text)?.[1].toLowerCase();
}

async function lunOf(
  root: string,
  address: ScsiAddress,
  hosts: readonly ScsiHostConfig[],
  at: Position,
): Promise<HostLun | undefined> {
  const folder = join(root, "class/scsi_device", formatAddress(address), "device");
  const sg = (await names(join(folder, "scsi_generic"))).find((name) => /^sg\d{1,8}$/.test(name));
  if (sg === undefined) return undefined;
  const [vendor, product, revision, number, wwid] = await Promise.all(
    ["vendor", "model", "rev", "type", "wwid"].map((name) => attribute(folder, name)),
  );
  const type = TYPES[number ?? ""] ?? "controller";
  const wwn = wwid?.startsWith("naa.") ? parseLunName(wwid) : undefined;
  const serial = await serialOf(folder);
  const identity =
    vendor === undefined || product === undefined || serial === undefined
      ? undefined
      : { vendor, product, revision: revision ?? "", serial };
  const serialLink =
    identity === undefined || (type !== "disk" && type !== "cdrom") ? [] : [`scsi-${serialId(identity)}`];
  const node = (await nodeOf(folder)) ?? `bsg/${formatAddress(address)}`;
  const spec = lunSpec({ kind: "device", path: `/dev/${sg}`, size: await sizeOf(folder, node), at }, { type }, [], at);
  return {
    ...spec,
    ...{ vendor, product, revision, serial, wwn },
    address,
    shareable: false,
    names: {
      node,
      sg,
      byId: wwn === undefined ? serialLink : idLinks(type, wwn, identity),
      byPath: pathLinks(type, await pathId(folder, address, hosts)),
    },
  };
}

/** udev's ID_PATH of a device whose transport has no names of its own. */
async function pathId(
  folder: string,
  address: ScsiAddress,
  hosts: readonly ScsiHostConfig[],
): Promise<string | undefined> {
  const place = await realpath(folder).catch(() => "");
  const pci = hosts.find(({ host }) => host === address.host)?.pci;
  if (pci === undefined || place === "" || OWN_PATHS.test(place)) return undefined;
  const parent = place.slice(0, place.lastIndexOf(`/host${address.host}/`));
  const siblings = (await names(parent)).flatMap((name) => /^host(\d{1,10})$/.exec(name)?.[1] ?? []).map(Number);
  const first = Math.min(address.host, ...siblings);
  return `pci-${pci}-scsi-${formatAddress({ ...address, host: address.host - first })}`;
}

async function nodeOf(folder: string): Promise<string | undefined> {
  for (const [kind, pattern] of NODES) {
    const node = (await names(join(folder, kind))).find((name) => pattern.test(name));
    if (node !== undefined) return node;
  }
  return undefined;
}

async function sizeOf(folder: string, node: string): Promise<number | undefined> {
  const sectors = await attribute(join(folder, "block", node), "size");
  return sectors !== undefined && /^\d{1,13}$/.test(sectors) ? Number(sectors) * SECTOR : undefined;
}

/** PRODUCT SERIAL NUMBER of VPD page 80h (SPC-4 7.8.18), which is behind the page's header of 4 bytes. */
async function serialOf(folder: string): Promise<string | undefined> {
  const page = await readFile(join(folder, "vpd_pg80")).catch(() => null);
  if (page === null || page.length < 4 || page[1] !== 0x80) return undefined;
  const text = page.toString("latin1", 4, Math.min(page.length, 4 + page.readUInt16BE(2)));
  return printable(text);
}

/** An attribute's one line without blanks at its ends; undefined where there is none, or it is nothing to print. */
async function attribute(folder: string, name: string): Promise<string | undefined> {
  const text = await readFile(join(folder, name), "latin1").catch(() => "");
  return printable(text);
}

function printable(text: string): string | undefined {
  const trimmed = text.trim();
  return trimmed.length <= MAX_ATTRIBUTE && /^[ -~]+$/.test(trimmed) ? trimmed : undefined;
}

/** What is in a folder; nothing where there is none. */
async function names(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

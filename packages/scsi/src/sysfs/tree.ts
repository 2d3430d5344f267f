// Knows Linux' sysfs as far as it tells of SCSI hosts and devices, with the classes and links that lead from one to the other:
// a description becomes files. Writes none, and knows neither where the devices are nor who has them.

import { deviceNumber } from "./device-number.js";

/** What is at a path: a file's content, or where a symbolic link leads, from the folder that it is in. */
export type SysfsEntry = { readonly content: string | Uint8Array } | { readonly link: string };

/** Entries by their paths below the root, `class/scsi_host/host0`; folders are where something is in them. */
export type SysfsTree = ReadonlyMap<string, SysfsEntry>;

/** A SCSI host as sysfs tells of it. */
export interface SysfsHost {
  readonly host: number;
  /** The folders below `devices` that lead to it: `pci0000:00/0000:00:1f.2`, `vscsi-2050`. */
  readonly parent: string;
  /** The driver's proc_name. */
  readonly driver: string;
  readonly uniqueId: number;
  /** Commands under way, of the whole host and of each LUN before its depth is set. */
  readonly canQueue: number;
  readonly commandsPerLun: number;
  /** Pieces of memory that a command may have. */
  readonly tableSize: number;
  /** A Fibre Channel host's: names of 16 hex digits, and its 24-bit address in the fabric. */
  readonly fibre?: FibrePort | undefined;
}

export interface FibrePort {
  readonly wwnn: string;
  readonly wwpn: string;
  readonly id: number;
}

/** A SCSI device as sysfs tells of it. */
export interface SysfsDevice {
  readonly host: number;
  readonly channel: number;
  readonly target: number;
  readonly lun: number;
  /** From standard INQUIRY data (SPC-4 6.6.2): PERIPHERAL DEVICE TYPE, the texts without the blanks they are filled with, VERSION, RMB. */
  readonly type: number;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly version: number;
  readonly removable: boolean;
  /** What its driver calls it: sda, st0, sr0, sch0; null where it has no driver with nodes. */
  readonly node: string | null;
  /** N of sgN; null where sg has none. */
  readonly generic: number | null;
  /** Bytes of a disk or disc, and of its blocks; undefined where it is no block device. */
  readonly size?: number | undefined;
  readonly blockSize?: number | undefined;
  readonly readOnly?: boolean;
  /** The device's name as the kernel writes it: `naa.5000c500a1b2c3d4`. */
  readonly wwid?: string | undefined;
  /** Vital product data pages that are known, whole, by page code. */
  readonly pages?: ReadonlyMap<number, Uint8Array>;
  readonly state?: "running" | "offline" | "blocked";
  readonly queueDepth: number;
  /** The port of a Fibre Channel target that it is behind. */
  readonly port?: FibrePort | undefined;
}

/** The pages that Linux keeps of a device. */
const KEPT_PAGES = [0x00, 0x80, 0x83, 0x89, 0xb0, 0xb1, 0xb2];
/** sysfs counts blocks of 512 bytes, whatever those of the disk are. */
const SECTOR = 512;
const ENCLOSURE = 0x0d;
/** Seconds that a command has: st's ST_TIMEOUT, and what all others have. */
const TAPE_TIMEOUT = 900;
const TIMEOUT = 30;

/** The files of a sysfs that has these hosts and devices; a device whose host is not among them throws a RangeError. */
export function sysfsTree(hosts: readonly SysfsHost[], devices: readonly SysfsDevice[]): SysfsTree {
  const tree = new Tree();
  const folders = new Map(hosts.map((host) => [host.host, addHost(tree, host)]));
  for (const device of devices) {
    const folder = folders.get(device.host);
    if (folder === undefined) throw new RangeError(`no host ${device.host} for its device`);
    addDevice(tree, folder, device);
  }
  return tree.entries;
}

class Tree {
  readonly entries = new Map<string, SysfsEntry>();

  /** One line each, as sysfs ends them. */
  attributes(folder: string, attributes: { readonly [name: string]: string | number }): void {
    for (const [name, value] of Object.entries(attributes)) this.file(`${folder}/${name}`, `${value}\n`);
  }

  file(path: string, content: string | Uint8Array): void {
    this.entries.set(path, { content });
  }

  /** A link at `path` to another path of the tree. */
  link(path: string, to: string): void {
    this.entries.set(path, { link: relative(path.split("/").slice(0, -1), to.split("/")) });
  }

  /** What the bus has a link to. */
  busDevice(folder: string, name: string): void {
    this.link(`bus/scsi/devices/${name}`, folder);
    this.link(`${folder}/subsystem`, "bus/scsi");
  }

  /** What a class has of the device in a folder; gives its own folder. */
  classDevice(device: string, kind: string, name: string, attributes: { readonly [name: string]: string | number }) {
    const folder = `${device}/${kind}/${name}`;
    this.attributes(folder, attributes);
    this.link(`${folder}/device`, device);
    this.link(`${folder}/subsystem`, `class/${kind}`);
    this.link(`class/${kind}/${name}`, folder);
    const { dev } = attributes;
    if (dev !== undefined) this.link(`dev/${kind === "block" ? "block" : "char"}/${dev}`, folder);
    return folder;
  }
}

function relative(from: readonly string[], to: readonly string[]): string {
  let same = 0;
  while (same < from.length && same < to.length && from[same] === to[same]) same += 1;
  const path = [...from.slice(same).map(() => ".."), ...to.slice(same)];
  return path.length === 0 ? "." : path.join("/");
}

function addHost(tree: Tree, config: SysfsHost): string {
  const { host, parent, driver, uniqueId, canQueue, commandsPerLun, tableSize, fibre } = config;
  const name = `host${host}`;
  const folder = `devices/${parent}/${name}`;
  tree.busDevice(folder, name);
  tree.classDevice(folder, "scsi_host", name, {
    proc_name: driver,
    unique_id: uniqueId,
    can_queue: canQueue,
    cmd_per_lun: commandsPerLun,
    sg_tablesize: tableSize,
    host_busy: 0,
    state: "running",
  });
  if (fibre !== undefined) tree.classDevice(folder, "fc_host", name, portAttributes(fibre));
  return folder;
}

function portAttributes({ wwnn, wwpn, id }: FibrePort) {
  return { node_name: `0x${wwnn}`, port_name: `0x${wwpn}`, port_id: `0x${id.toString(16).padStart(6, "0")}` };
}

function addDevice(tree: Tree, hostFolder: string, device: SysfsDevice): void {
  const target = addTarget(tree, hostFolder, device);
  const { host, channel, target: number, lun, type, vendor, product, revision, version, wwid } = device;
  const name = `${host}:${channel}:${number}:${lun}`;
  const folder = `${target}/${name}`;
  tree.busDevice(folder, name);
  tree.attributes(folder, {
    type,
    vendor: vendor.slice(0, 8).padEnd(8),
    model: product.slice(0, 16).padEnd(16),
    rev: revision.slice(0, 4).padEnd(4),
    scsi_level: scsiLevel(version),
    state: device.state ?? "running",
    queue_depth: device.queueDepth,
    queue_type: "simple",
    timeout: type === 1 ? TAPE_TIMEOUT : TIMEOUT,
    device_blocked: 0,
    iocounterbits: 32,
    iorequest_cnt: "0x0",
    iodone_cnt: "0x0",
    ioerr_cnt: "0x0",
    ...(wwid === undefined ? {} : { wwid }),
  });
  for (const code of KEPT_PAGES) {
    const page = device.pages?.get(code);
    if (page !== undefined) tree.file(`${folder}/vpd_pg${code.toString(16).padStart(2, "0")}`, page);
  }
  tree.classDevice(folder, "scsi_device", name, {});
  addNodes(tree, folder, name, device);
}

/** A target, behind its remote port where it has one; gives its folder. */
function addTarget(tree: Tree, hostFolder: string, { host, channel, target, port }: SysfsDevice): string {
  const name = `target${host}:${channel}:${target}`;
  const remote = `rport-${host}:${channel}-${target}`;
  const folder = port === undefined ? `${hostFolder}/${name}` : `${hostFolder}/${remote}/${name}`;
  if (tree.entries.has(`bus/scsi/devices/${name}`)) return folder;
  tree.busDevice(folder, name);
  if (port === undefined) return folder;
  tree.classDevice(folder, "fc_transport", name, portAttributes(port));
  tree.classDevice(`${hostFolder}/${remote}`, "fc_remote_ports", remote, {
    ...portAttributes(port),
    roles: "FCP Target",
    port_state: "Online",
    scsi_target_id: target,
    dev_loss_tmo: 60,
    fast_io_fail_tmo: "off",
    supported_classes: "Class 3",
  });
  return folder;
}

/** What the drivers have of it: sg, and sd, sr, st, ch or ses. */
function addNodes(tree: Tree, folder: string, name: string, device: SysfsDevice): void {
  const { type, node, generic } = device;
  if (generic !== null) {
    const sg = `sg${generic}`;
    tree.link(`${folder}/generic`, tree.classDevice(folder, "scsi_generic", sg, { dev: deviceNumber(sg) }));
  }
  if (type === ENCLOSURE) tree.classDevice(folder, "enclosure", name, {});
  if (node === null) return;
  const dev = deviceNumber(node);
  if (/^st\d/.test(node)) {
    tree.link(`${folder}/tape`, tree.classDevice(folder, "scsi_tape", node, { dev }));
    tree.classDevice(folder, "scsi_tape", `n${node}`, { dev: deviceNumber(`n${node}`) });
  } else if (node.startsWith("sch")) {
    tree.classDevice(folder, "scsi_changer", node, { dev });
  } else {
    addBlockDevice(tree, folder, node, device);
    if (node.startsWith("sd")) tree.classDevice(folder, "scsi_disk", name, {});
  }
}

function addBlockDevice(tree: Tree, folder: string, node: string, device: SysfsDevice): void {
  const { size = 0, blockSize = SECTOR, removable, readOnly = false } = device;
  const block = tree.classDevice(folder, "block", node, {
    dev: deviceNumber(node),
    size: Math.floor(size / SECTOR),
    removable: removable ? 1 : 0,
    ro: readOnly ? 1 : 0,
  });
  tree.attributes(`${block}/queue`, { logical_block_size: blockSize });
}

/** The kernel's own number of a VERSION: one more than it, from SCSI-2 on (scsi_scan.c). */
function scsiLevel(version: number): number {
  return version >= 2 ? version + 1 : version;
}

// Knows what Linux and udev call the LUNs of a host, and that no two have one name.

import {
  ConfigError,
  compareAddresses,
  formatAddress,
  formatPosition,
  type HostConfig,
  type HostLun,
  isService,
  type LunType,
  NODE_PREFIXES,
  type PhysicalDevice,
  type ScsiHostConfig,
} from "@pvscsi/config";
import { diskName, localNaa } from "@pvscsi/scsi";
import { identityOf, isOurs } from "./identity.js";
import { idLinks, LINK_FOLDERS, pathLinks, scsiId, serialId } from "./udev-links.js";

/** A LUN with all it is called. */
export interface NamedLun {
  readonly lun: HostLun;
  readonly host: ScsiHostConfig;
  /** `naa.` and 16 hex digits, or 32. */
  readonly wwn: string;
  /** What its driver calls it: sda, st0, sr0 or sch0. */
  readonly node: string;
  readonly sg: string;
  /** Links without their directory. */
  readonly byId: readonly string[];
  readonly byPath: readonly string[];
}

/** `0:0:1:0 (/dev/sdb)`. */
export function titleOf({ lun, node }: NamedLun): string {
  return `${formatAddress(lun.address)} (/dev/${node})`;
}

/**
 * Names every LUN, in the order in which Linux finds them, beside those that have their names already; throws `ConfigError` where two would
 * have one name.
 */
export function nameLuns(config: HostConfig, known: readonly NamedLun[] = []): NamedLun[] {
  const luns = config.hosts
    .flatMap((host) => host.luns.map((lun) => ({ host, lun })))
    .sort((a, b) => compareAddresses(a.lun.address, b.lun.address));
  const nodes = new UnusedNodes([...known.map(({ node }) => node), ...luns.map(({ lun }) => lun.names.node)]);
  const takenSgs = new Set([...known.map(({ sg }) => sg), ...luns.map(({ lun }) => lun.names.sg)]);
  const sgs = unusedNames(takenSgs, (index) => `sg${index}`);
  const named = luns.map(({ host, lun }) => {
    const wwn = wwnOf(lun);
    return {
      lun,
      host,
      wwn,
      node: lun.names.node ?? (isService(lun.backing) ? `bsg/${formatAddress(lun.address)}` : nodes.next(lun.type)),
      sg: lun.names.sg ?? sgs(),
      byId: lun.names.byId ?? idLinks(lun.type, wwn, isOurs(lun) ? identityOf(lun, wwn) : undefined),
      byPath: lun.names.byPath ?? pathLinks(lun.type, pathId(host, lun, config)),
    };
  });
  checkUnique(config.file, [...known, ...named]);
  return named;
}

/** What a LUN is called everywhere; one that its address decides where it has no name of its own. */
export function wwnOf({ wwn, address }: HostLun): string {
  return wwn ?? `naa.${localNaa(formatAddress(address))}`;
}

/** Every key under which a LUN is found; `lookupKey` makes the same from a p-dev. */
export function lookupKeys(named: NamedLun): string[] {
  const { lun, wwn, byId, byPath } = named;
  const folder = LINK_FOLDERS[lun.type];
  return [
    formatAddress(lun.address),
    `${wwn}:${lun.address.lun}`,
    ...(lun.portNames ?? []),
    scsiId(wwn),
    ...(isOurs(lun) || lun.serial !== undefined ? [serialId(identityOf(lun, wwn))] : []),
    `/dev/bsg/${formatAddress(lun.address)}`,
    ...nodesOf(named).flatMap((name) => [name, `/dev/${name}`]),
    ...byId.map((link) => `/dev/${folder}/by-id/${link}`),
    ...byPath.map((link) => `/dev/${folder}/by-path/${link}`),
  ];
}

/** The key of a p-dev. */
export function lookupKey(device: PhysicalDevice): string {
  switch (device.kind) {
    case "address":
      return formatAddress(device.address);
    case "wwn":
      return `${device.wwn}:${device.lun}`;
    case "kernel-name":
      return device.name;
    case "path":
    case "scsi-id":
      return device.text;
  }
}

/** Every kernel name of a device: a tape has a second node, which does not rewind (st.c). */
export function nodesOf({ lun, node, sg }: NamedLun): string[] {
  return lun.type === "tape" ? [node, `n${node}`, sg] : [node, sg];
}

/** Counts the names of each driver on its own. */
class UnusedNodes {
  readonly #next = new Map<LunType, () => string>();
  readonly #taken: ReadonlySet<string | undefined>;

  constructor(taken: readonly (string | undefined)[]) {
    this.#taken = new Set(taken);
  }

  next(type: LunType): string {
    let next = this.#next.get(type);
    if (next === undefined) {
      next = unusedNames(this.#taken, type === "disk" ? diskName : (index) => `${NODE_PREFIXES[type]}${index}`);
      this.#next.set(type, next);
    }
    return next();
  }
}

function unusedNames(taken: ReadonlySet<string | undefined>, name: (index: number) => string): () => string {
  let index = 0;
  return () => {
    while (taken.has(name(index))) index += 1;
    return name(index++);
  };
}

/**
 * udev's path_id: the host is counted from the first one on the same PCI function. Of Fibre Channel it is the target's port, by whichever
 * of the function's hosts, virtual ones too, a LUN is reached.
 */
function pathId(host: ScsiHostConfig, { address, path }: HostLun, config: HostConfig): string | undefined {
  if (host.pci === undefined) return undefined;
  if (path !== undefined) return `pci-${host.pci}-fc-0x${path.port}-lun-${lunOfPath(path.lun.lun)}`;
  const first = Math.min(...config.hosts.filter((other) => other.pci === host.pci).map((other) => other.host));
  return `pci-${host.pci}-scsi-${formatAddress({ ...address, host: host.host - first })}`;
}

/** Decimal as long as it fits into peripheral device addressing. */
function lunOfPath(lun: number): string {
  return lun < 256 ? String(lun) : `0x${lun.toString(16).padStart(4, "0")}000000000000`;
}

function checkUnique(file: string, luns: readonly NamedLun[]): void {
  const seen = new Map<string, NamedLun>();
  for (const named of luns) {
    const { wwn, byId, byPath } = named;
    const ids = [wwn, ...byId.map((link) => `by-id/${link}`)];
    for (const name of [...ids, ...nodesOf(named), ...byPath.map((link) => `by-path/${link}`)]) {
      const first = seen.get(name);
      if (first === undefined) seen.set(name, named);
      else if (!areOne(first, named) && !(ids.includes(name) && areReal(first, named))) {
        const where = formatPosition(first.lun.at);
        throw new ConfigError(file, named.lun.at, `${name} is the name of two LUNs, the other at ${where}`);
      }
    }
  }
}

/** Whether both are paths to one LUN of a fabric. */
function areOne({ lun }: NamedLun, { lun: other }: NamedLun): boolean {
  return lun.path !== undefined && lun.path.lun === other.path?.lun && lun.address !== other.address;
}

/** Whether both are the machine's, where several paths may lead to one LUN. */
function areReal(...luns: readonly NamedLun[]): boolean {
  return luns.every(({ host }) => host.real === true);
}

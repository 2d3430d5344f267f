// Knows what Linux and udev call the LUNs of a host, and that no two have one name.

import {
  ConfigError,
  compareAddresses,
  formatAddress,
  formatPosition,
  type HostConfig,
  type HostLun,
  type PhysicalDevice,
  type Position,
  type ScsiHostConfig,
} from "@pvscsi/config";
import { diskName, localNaa } from "@pvscsi/scsi";

/** A LUN with all it is called. */
export interface NamedLun {
  readonly lun: HostLun;
  readonly host: ScsiHostConfig;
  /** `naa.` and 16 hex digits, or 32. */
  readonly wwn: string;
  readonly sd: string;
  readonly sg: string;
  /** Links without their directory. */
  readonly byId: readonly string[];
  readonly byPath: readonly string[];
}

/** `0:0:1:0 (/dev/sdb)`. */
export function titleOf({ lun, sd }: NamedLun): string {
  return `${formatAddress(lun.address)} (/dev/${sd})`;
}

/** Names every LUN, in the order in which Linux finds them; throws `ConfigError` where two would have one name. */
export function nameLuns(config: HostConfig): NamedLun[] {
  const luns = config.hosts
    .flatMap((host) => host.luns.map((lun) => ({ host, lun })))
    .sort((a, b) => compareAddresses(a.lun.address, b.lun.address));
  const sds = unusedNames(new Set(luns.map(({ lun }) => lun.names.sd)), diskName);
  const sgs = unusedNames(new Set(luns.map(({ lun }) => lun.names.sg)), (index) => `sg${index}`);
  const named = luns.map(({ host, lun }) => {
    const wwn = lun.wwn ?? `naa.${localNaa(formatAddress(lun.address))}`;
    return {
      lun,
      host,
      wwn,
      sd: lun.names.sd ?? sds(),
      sg: lun.names.sg ?? sgs(),
      byId: lun.names.byId ?? idLinks(wwn),
      byPath: lun.names.byPath ?? pathLinks(host, lun, config),
    };
  });
  checkUnique(config, named);
  return named;
}

/** Every key under which a LUN is found; `lookupKey` makes the same from a p-dev. */
export function lookupKeys({ lun, wwn, sd, sg, byId, byPath }: NamedLun): string[] {
  return [
    formatAddress(lun.address),
    `${wwn}:${lun.address.lun}`,
    scsiId(wwn),
    ...[sd, sg].flatMap((name) => [name, `/dev/${name}`]),
    ...byId.map((link) => `/dev/disk/by-id/${link}`),
    ...byPath.map((link) => `/dev/disk/by-path/${link}`),
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

function unusedNames(taken: ReadonlySet<string | undefined>, name: (index: number) => string): () => string {
  let index = 0;
  return () => {
    while (taken.has(name(index))) index += 1;
    return name(index++);
  };
}

/** What scsi_id prints for an NAA name: the designator type 3, then its digits. */
function scsiId(wwn: string): string {
  return `3${wwn.slice("naa.".length)}`;
}

function idLinks(wwn: string): string[] {
  return [`scsi-${scsiId(wwn)}`, `wwn-0x${wwn.slice("naa.".length)}`];
}

/** udev's path_id: the host is counted from the first one on the same PCI function. */
function pathLinks(host: ScsiHostConfig, { address }: HostLun, config: HostConfig): string[] {
  if (host.pci === undefined) return [];
  const first = Math.min(...config.hosts.filter((other) => other.pci === host.pci).map((other) => other.host));
  return [`pci-${host.pci}-scsi-${formatAddress({ ...address, host: host.host - first })}`];
}

function checkUnique(config: HostConfig, luns: readonly NamedLun[]): void {
  const seen = new Map<string, Position>();
  for (const named of luns) {
    const { wwn, sd, sg, byId, byPath } = named;
    for (const name of [wwn, sd, sg, ...byId.map((l) => `by-id/${l}`), ...byPath.map((l) => `by-path/${l}`)]) {
      const first = seen.get(name);
      if (first !== undefined) {
        const where = formatPosition(first);
        throw new ConfigError(config.file, named.lun.at, `${name} is the name of two LUNs, the other at ${where}`);
      }
      seen.set(name, named.lun.at);
    }
  }
}

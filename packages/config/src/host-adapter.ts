// Knows how libvirt names the SCSI host that a storage pool or a hostdev is about: by its number, by the PCI function it is on, by its WWNs.
// Knows no LUN. The words of what is refused are libvirt's, where it has any.

import type { HostConfig, ScsiHostConfig } from "./host-types.js";

/** A host by one of its three names. What is given is text, as in libvirt's XML. */
export type AdapterName =
  /** `scsi_host0`, and as older texts have it `host0` and `fc_host0`. */
  | { readonly name: string }
  /** `pci_0000_00_1f_2`, or `0000:00:1f.2`, and which of the hosts there: without `uniqueId` the one with the smallest. */
  | { readonly parent: string; readonly uniqueId?: number | undefined }
  /** A Fibre Channel host, by 16 hex digits each. */
  | { readonly wwnn: string; readonly wwpn: string };

/** The host that a name is of, or in words why there is none. */
export function findHost({ hosts }: HostConfig, adapter: AdapterName): ScsiHostConfig | string {
  if ("name" in adapter) return byNumber(hosts, adapter.name);
  if ("parent" in adapter) return byParent(hosts, adapter.parent, adapter.uniqueId);
  return byWorldWideNames(hosts, adapter.wwnn, adapter.wwpn);
}

/** The unique_id of a host in sysfs. */
export function uniqueIdOf({ uniqueId }: ScsiHostConfig): number {
  return uniqueId ?? 0;
}

function byNumber(hosts: readonly ScsiHostConfig[], name: string): ScsiHostConfig | string {
  const number = /^(?:scsi_|fc_)?host(\d{1,10})$/.exec(name)?.[1];
  if (number === undefined) return `Invalid adapter name '${name}' for SCSI pool`;
  const found = hosts.find(({ host }) => host === Number(number));
  if (found !== undefined) return found;
  const known = hosts.map(({ host }) => `scsi_host${host}`).join(", ");
  return `no SCSI host '${name}': ${known === "" ? "there is none" : `there are ${known}`}`;
}

function byParent(hosts: readonly ScsiHostConfig[], parent: string, wanted?: number): ScsiHostConfig | string {
  const pci = pciOf(parent);
  if (pci === undefined) return `invalid parent '${parent}', expecting pci_0000_00_1f_2 or 0000:00:1f.2`;
  const there = hosts.filter((host) => host.pci === pci);
  if (there.length === 0 && wanted === undefined) return `Failed to find scsi_host using PCI '${pci}'`;
  const uniqueId = wanted ?? Math.min(...there.map(uniqueIdOf));
  const [found, other] = there.filter((host) => uniqueIdOf(host) === uniqueId);
  if (found === undefined) return `Failed to find scsi_host using PCI '${pci}' and unique_id='${uniqueId}'`;
  if (other === undefined) return found;
  return `scsi_host${found.host} and scsi_host${other.host} of PCI '${pci}' have one unique_id='${uniqueId}'`;
}

/** DDDD:BB:DD.F of what libvirt calls a PCI node device, or of itself. */
function pciOf(parent: string): string | undefined {
  const found =
    /^(?:pci_([0-9a-f]{4})_([0-9a-f]{2})_([0-9a-f]{2})_([0-7])|([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]))$/i;
  const parts = found.exec(parent);
  if (parts === null) return undefined;
  const [, domain, bus, slot, part, whole] = parts;
  return (whole ?? `${domain}:${bus}:${slot}.${part}`).toLowerCase();
}

function byWorldWideNames(hosts: readonly ScsiHostConfig[], wwnn: string, wwpn: string): ScsiHostConfig | string {
  for (const name of [wwnn, wwpn]) if (!/^[0-9a-f]{16}$/i.test(name)) return `Malformed wwn: ${name}`;
  const node = wwnn.toLowerCase();
  const port = wwpn.toLowerCase();
  const found = hosts.find((host) => host.wwnn === node && host.wwpn === port);
  return found ?? `Failed to find SCSI host with wwnn='${wwnn}', wwpn='${wwpn}'`;
}

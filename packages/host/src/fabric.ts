// Knows which LUNs a host has by the fabric that its port is in, and the virtual ports (NPIV) that are made of it. Knows no user.

import { type HostConfig, type HostLun, NO_NAMES, type ScsiHostConfig, visibleLuns } from "@pvscsi/config";
import { localNaa } from "@pvscsi/scsi";

/** What a port is called, 16 hex digits each. */
export interface PortNames {
  readonly wwnn: string;
  readonly wwpn: string;
}

/** Why the kernel refuses a virtual port (scsi_transport_fc, and its drivers' VPCERR_BAD_WWN). */
export type VportRefusal = "ENODEV" | "EINVAL" | "ENOSPC" | "ENOTUNIQ";

/** The host with the LUNs that its port sees; targets have their ids in the order of the configuration. */
export function inFabric({ fabrics = [] }: Pick<HostConfig, "fabrics">, host: ScsiHostConfig): ScsiHostConfig {
  const fabric = fabrics.find(({ name }) => name === host.fabric);
  if (fabric === undefined || host.wwpn === undefined) return host;
  const seen = visibleLuns(fabric, host.wwpn).flatMap(({ target, luns }, id) =>
    luns.map((given): HostLun => {
      const { lun, initiators: _initiators, ...spec } = given;
      return {
        ...spec,
        wwn: spec.wwn ?? `naa.${localNaa(`${target.wwpn}:${lun}`)}`,
        address: { host: host.host, channel: 0, target: id, lun },
        names: NO_NAMES,
        path: { lun: given, port: target.wwpn },
      };
    }),
  );
  // A host that has LUNs of its own has them on another channel.
  const channel = host.luns.length === 0 ? 0 : 1 + Math.max(...host.luns.map(({ address }) => address.channel));
  return { ...host, luns: [...host.luns, ...seen.map((lun) => ({ ...lun, address: { ...lun.address, channel } }))] };
}

/** The virtual port of a host among `hosts`, as it would be made now: with the lowest number that is free; or why it is refused. */
export function vportOf(
  hosts: readonly ScsiHostConfig[],
  parent: ScsiHostConfig | undefined,
  { wwnn, wwpn }: PortNames,
): ScsiHostConfig | VportRefusal {
  if (parent?.maxVports === undefined) return "ENODEV";
  if (![wwnn, wwpn].every((name) => /^[0-9a-f]{16}$/i.test(name))) return "EINVAL";
  if (vportsOf(hosts, parent).length >= parent.maxVports) return "ENOSPC";
  if (hosts.some((host) => host.wwpn === wwpn.toLowerCase())) return "ENOTUNIQ";
  const numbers = new Set(hosts.map(({ host }) => host));
  let host = 0;
  while (numbers.has(host)) host += 1;
  const { driver, pci, fabric, at } = parent;
  return {
    ...{ host, driver, pci, at, luns: [] },
    uniqueId: 1 + Math.max(...hosts.filter((other) => other.pci === pci).map(({ uniqueId }) => uniqueId ?? 0)),
    ...{ wwnn: wwnn.toLowerCase(), wwpn: wwpn.toLowerCase() },
    vportOf: parent.host,
    ...(fabric === undefined ? {} : { fabric }),
  };
}

/** The virtual ports of a host. */
export function vportsOf(hosts: readonly ScsiHostConfig[], { host }: ScsiHostConfig): readonly ScsiHostConfig[] {
  return hosts.filter((other) => other.vportOf === host);
}

// Knows what host.yaml says: the driver domain's SCSI hosts, and their LUNs and what those are called.

import type { ScsiAddress } from "./device-names.js";
import type { Position } from "./errors.js";
import type { FabricConfig, FabricLun } from "./fabric-config.js";
import type { LunSpec } from "./lun-keys.js";
import type { LunPortGroup } from "./port-group-config.js";

/** Names given to a LUN; what is not given is derived as Linux and udev do. Links are without their directory. */
export interface DeviceNames {
  /** What its driver calls it: sda, st0, sr0 or sch0, by its type. */
  readonly node: string | undefined;
  readonly sg: string | undefined;
  readonly byId: readonly string[] | undefined;
  readonly byPath: readonly string[] | undefined;
}

export interface HostLun extends LunSpec {
  readonly address: ScsiAddress;
  /** More than one guest may have it at a time. */
  readonly shareable: boolean;
  readonly names: DeviceNames;
  /** Beside its other names, those by the ports that lead to it: `naa.WWN:LUN`, `ALIAS:LUN`. */
  readonly portNames?: readonly string[];
  /** What leads to it; nothing where no port is better than another. */
  readonly portGroups?: readonly LunPortGroup[];
  /** What a LUN is that a fabric leads to, and the WWPN of the port it is behind; several paths may lead to it. */
  readonly path?: { readonly lun: FabricLun; readonly port: string };
}

export interface ScsiHostConfig {
  readonly host: number;
  /** proc_name in sysfs. */
  readonly driver: string | undefined;
  /** The PCI function it is on, DDDD:BB:DD.F. */
  readonly pci: string | undefined;
  /** Which of the hosts on its PCI function it is, as sysfs has it; 0 where none is given, as Linux has it then. */
  readonly uniqueId?: number | undefined;
  /** The WWN of a Fibre Channel host's node, 16 hex digits in lower case. */
  readonly wwnn?: string | undefined;
  /** The WWN of its port. */
  readonly wwpn?: string | undefined;
  /** The name of the fabric its port is in. */
  readonly fabric?: string;
  /** Virtual ports (NPIV) that it may have; absent: none. */
  readonly maxVports?: number;
  /** The number of the host that it is a virtual port of. */
  readonly vportOf?: number;
  /** It is one of the machine's, which sysfs tells of and host.yaml does not. */
  readonly real?: true;
  readonly luns: readonly HostLun[];
  readonly at: Position;
}

/** The driver domain's SCSI devices. */
export interface HostConfig {
  readonly file: string;
  readonly hosts: readonly ScsiHostConfig[];
  /** The fabrics that hosts are in. */
  readonly fabrics?: readonly FabricConfig[];
  /** Where the machine's own devices are told of, which join these. */
  readonly sysfs?: { readonly root: string; readonly at: Position };
}

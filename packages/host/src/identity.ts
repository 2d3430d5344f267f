// Knows what LUNs say they are where host.yaml does not say it.

import { type HostLun, isPassed } from "@pvscsi/config";

/** What INQUIRY and VPD page 80h tell. */
export interface Identity {
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly serial: string;
}

const VENDOR = "PVSCSI";
const REVISION = "0001";
const PRODUCTS = {
  disk: "VIRTUAL DISK",
  tape: "VIRTUAL TAPE",
  cdrom: "VIRTUAL CD-ROM",
  changer: "VIRTUAL LIBRARY",
  enclosure: "VIRTUAL SHELF",
  controller: "VIRTUAL ARRAY",
} as const;

/** The identity of a LUN of ours whose name is `wwn`, `naa.` and hex digits. */
export function identityOf(lun: HostLun, wwn: string): Identity {
  return {
    vendor: lun.vendor ?? VENDOR,
    product: lun.product ?? PRODUCTS[lun.type],
    revision: lun.revision ?? REVISION,
    serial: lun.serial ?? wwn.slice("naa.".length),
  };
}

/** Whether a LUN is ours: one that is passed through is what its device says, which nobody asks before it is opened. */
export function isOurs(lun: HostLun): boolean {
  return !isPassed(lun.backing);
}

// Knows what a device is called: the names of VPD page 83h that are the logical unit's own, the same whichever wire leads to it.

import { putText } from "../big-endian.js";
import { Association, CodeSet, type Designator, DesignatorType } from "../copy/designator.js";
import type { DeviceOptions } from "./options.js";

const MAX_SERIAL = 200;

/** The NAA name, and vendor, product and serial number as a T10 vendor id name (SPC-4 7.8.6). */
export function unitDesignators({ wwn, vendor, product, serial }: DeviceOptions): Designator[] {
  const naa = Uint8Array.from({ length: wwn.length / 2 }, (_, i) => Number.parseInt(wwn.slice(2 * i, 2 * i + 2), 16));
  const t10 = new Uint8Array(24 + Math.min(MAX_SERIAL, serial.length));
  putText(t10, 0, 8, vendor);
  putText(t10, 8, 16, product);
  putText(t10, 24, t10.length - 24, serial);
  return [
    { codeSet: CodeSet.binary, association: Association.unit, type: DesignatorType.naa, bytes: naa },
    { codeSet: CodeSet.ascii, association: Association.unit, type: DesignatorType.t10, bytes: t10 },
  ];
}

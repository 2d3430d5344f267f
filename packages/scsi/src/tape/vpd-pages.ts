// Knows the vital product data pages of a tape drive (SSC-3 8.4).

import { putText } from "../big-endian.js";
import { primaryVpdPages, type VpdPage } from "../device/vpd-pages.js";
import { supportedAlerts } from "./log-pages.js";
import type { Tape } from "./tape.js";

/** In ascending order, as SPC-4 7.8.13 wants it. */
export const VPD_PAGES: readonly VpdPage<Tape>[] = [
  ...primaryVpdPages<Tape>(() => true),
  { code: 0xb0, name: "Sequential-Access Device Capabilities", write: capabilities },
  { code: 0xb1, name: "Manufacturer-Assigned Serial Number", write: manufacturerSerial },
  { code: 0xb2, name: "TapeAlert Supported Flags", write: tapeAlertFlags },
];

const WORM = 0x01;

/** SSC-3 8.4.2: cartridges that are written once are known. */
function capabilities(_tape: Tape, bytes: Uint8Array): number {
  bytes[4] = WORM;
  return 6;
}

function manufacturerSerial({ identity }: Tape, bytes: Uint8Array): number {
  const length = Math.min(252, identity.serial.length);
  putText(bytes, 4, length, identity.serial);
  return 4 + length;
}

/** SSC-3 8.4.4. */
function tapeAlertFlags(_tape: Tape, bytes: Uint8Array): number {
  bytes.set(supportedAlerts(), 4);
  return 12;
}

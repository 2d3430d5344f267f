// Knows which links udev's rules make to a SCSI device of each type, as a stock Debian has them: systemd's
// 60-persistent-storage.rules and 60-persistent-storage-tape.rules, and sg3-utils-udev's 58-scsi-sg3_symlink.rules.
// Knows no device.

import type { LunType } from "@pvscsi/config";
import type { Identity } from "./identity.js";

/** The folder of /dev that has by-id and by-path. The links of a changer, which lead to its sg node, are among the tapes'. */
export const LINK_FOLDERS = {
  disk: "disk",
  cdrom: "disk",
  tape: "tape",
  changer: "tape",
  enclosure: "disk",
  controller: "disk",
} as const satisfies Record<LunType, string>;

/** What scsi_id prints for an NAA name, ID_SERIAL: the designator type 3, then its digits. */
export function scsiId(wwn: string): string {
  return `3${wwn.slice("naa.".length)}`;
}

/** The links in by-id of a device, without their directory; those of a serial number only where its identity is known. */
export function idLinks(type: LunType, wwn: string, identity: Identity | undefined): string[] {
  const id = `scsi-${scsiId(wwn)}`;
  const serial = identity === undefined ? [] : [`scsi-${encoded(identity.serial)}`];
  switch (type) {
    case "disk":
    case "cdrom": {
      const whole = identity === undefined ? [] : [`scsi-${serialId(identity)}`];
      return [id, ...whole, `wwn-0x${wwn.slice("naa.".length)}`];
    }
    case "tape":
      return [id, ...serial, `${id}-nst`, ...serial.map((link) => `${link}-nst`)];
    case "changer":
      return [id, `${id}-changer`, ...serial];
    case "enclosure":
    case "controller":
      return [];
  }
}

/** The links in by-path of a device, without their directory; `path` is ID_PATH, undefined where it has none. */
export function pathLinks(type: LunType, path: string | undefined): string[] {
  if (path === undefined) return [];
  switch (type) {
    case "disk":
    case "cdrom":
      return [path];
    case "tape":
      return [path, `${path}-nst`];
    case "changer":
      return [`${path}-changer`];
    case "enclosure":
    case "controller":
      return [];
  }
}

/** S, and what INQUIRY and VPD page 80h tell, as sg_inq and udev make one word of them: `SACME_ARRAY_0001`. */
export function serialId({ vendor, product, serial }: Identity): string {
  return `S${[vendor, product, serial].map(encoded).join("_")}`;
}

/** A word of a link: blanks at its ends go, those within become one underscore, and what udev lets through stays. */
function encoded(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, "_")
    .replace(/[^0-9A-Za-z#+\-.:=@_]/g, "_");
}

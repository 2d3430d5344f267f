// Knows how Linux shows a disk of the guest's one controller: under which names, of what size, and when it comes and goes. No bus is
// ever scanned from here.

import { expect } from "chai";
import type { Place } from "./disks.js";
import type { Guest } from "./guest.js";

/** Seconds, by the guest's clock, for a disk to come, to go, or to change. */
const PATIENCE = 20;
/** Busybox has one as well, and its shell prefers that. */
export const LSSCSI = "/usr/bin/lsscsi";

/** LUNs from here on are addressed flat (SAM-5 4.7.7.3), and Linux keeps the method in the number. */
const FIRST_FLAT = 256;
const FLAT = 0x4000;

/** What Linux calls a LUN. */
export function numberOf(lun: number): number {
  return lun < FIRST_FLAT ? lun : lun | FLAT;
}

/** Its names in /dev. */
export interface GuestDisk {
  readonly disk: string;
  readonly generic: string;
}

/** Waits until a disk is there with both its names. */
export async function appeared(guest: Guest, place: Place): Promise<GuestDisk> {
  const output = await guest.run(`
${untilSo(`[ -b "/dev/$(ls ${pathOf(place)}/block)" ] && [ -c "/dev/$(ls ${pathOf(place)}/scsi_generic)" ]`)}
ls ${pathOf(place)}/block ${pathOf(place)}/scsi_generic`);
  const names = output.split("\n").filter((name) => /^s[dg]\w+$/.test(name));
  expect(names.length, output).to.equal(2);
  return { disk: `/dev/${names[0]}`, generic: `/dev/${names[1]}` };
}

/** Waits until no device is there. */
export async function vanished(guest: Guest, place: Place): Promise<void> {
  await guest.run(untilSo(`[ ! -e ${pathOf(place)} ]`));
}

/** Waits until a disk has a size. */
export async function resized(guest: Guest, { disk }: GuestDisk, mebibytes: number): Promise<void> {
  await guest.run(untilSo(`[ "$(blockdev --getsize64 ${disk})" = ${mebibytes * 1024 * 1024} ]`));
}

/** Shell text that waits until a condition holds, and fails when it does not in time. */
export function untilSo(condition: string, seconds = PATIENCE): string {
  return `n=0
until { ${condition}; } 2> /dev/null; do
  n=$((n + 1))
  [ $n -lt ${seconds * 50} ] || { echo '${condition.replaceAll("'", "")} is not so in time'; exit 1; }
  usleep 20000
done`;
}

function pathOf({ target, lun }: Place): string {
  return `/sys/class/scsi_device/*:0:${target}:${lun}/device`;
}

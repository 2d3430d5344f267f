// Knows what Linux says of a controller and its disks when Linux' own back end serves them, and finds what it says besides, or of harm.

import { goldenText } from "../../support/repository.js";

/** Said of any machine that is emulated, of modules that are not signed, and when a dom0 gets room for pages of others. */
const OF_THE_MACHINE =
  /memmap_init_zone_device|hrtimer|clocksource|tsc:|TSC|module verification failed|random: crng|SCSI subsystem initialized|systemd/;
/** What a disk has and the golden run's had not. */
const SAID_OF_THE_DISK = /physical blocks$|Preferred minimum I\/O size|Optimal transfer size/;
/** A disk says so once after it was switched on. The golden run's disk had been on before. */
const SWITCHED_ON = /Power-on or device reset occurred$/;
/** Follows from the disk, which is another than the golden run's. */
const OF_THE_DISK = / (Direct-Access|Mode Sense:|Write cache:) .*| \d+ \d+-byte logical blocks: .*/;

/** The lines of a kernel's messages that have nothing like them in the golden run. */
export function complaintsIn(messages: string): string[] {
  const usual = new Set(goldenText("xen-4.17/04-07-domu-dmesg.txt").trimEnd().split("\n").map(masked));
  const lines = messages.split("\n").filter((line) => line.trim() !== "");
  return lines.filter((line) => !usual.has(masked(line)) && !OF_THE_MACHINE.test(line) && !ofTheDisk(line));
}

/**
 * The lines that tell of harm: of grants that could not be ended, of faults. A processor that the machine did not run for 20 s, because
 * it had other things to do, is a lockup to the watchdog.
 */
export function harmIn(messages: string): string[] {
  return messages.split("\n").filter((line) => /leaking g\.e\.|still in use|BUG(?!: soft lockup)|Oops/.test(line));
}

function ofTheDisk(line: string): boolean {
  return SAID_OF_THE_DISK.test(line) || SWITCHED_ON.test(line);
}

/** Without times, numbers and names. */
function masked(line: string): string {
  const text = line.replace(/^\[ *[\d.]+\] /, "").replace(OF_THE_DISK, " $1");
  return text.replace(/\bsd[a-z]\b/g, "sd*").replace(/\d+/g, "*");
}

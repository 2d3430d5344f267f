// Knows what Linux and lsscsi say of a disk behind tcm_vhost, and finds what they do not say of ours. Only what follows from the
// standard that a disk claims may differ.

import { goldenText } from "../../support/repository.js";

/** Of a disk with the same name and size; times aside. */
const GOLDEN = "vhost-scsi-guest.txt";

/** The disk of the golden run. */
export const GOLDEN_DISK = {
  target: 1,
  lun: 0,
  mebibytes: 14 * 1024,
  identity: { vendor: "LIO-ORG", product: "disk0", revision: "4.0" },
};

/** The lines of the golden run that are not among `text`'s. */
export function missingIn(text: string): string[] {
  const there = new Set(linesOf(text));
  return linesOf(goldenText(GOLDEN)).filter((line) => !there.has(line));
}

/** Without the commands that were typed, times, and what depends on the standard: the version, and the length of mode pages. */
function linesOf(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return lines.map((line) =>
    line
      .replace(/^\[ *\d+\.\d+\] /, "")
      .replace(/ANSI: \d/, "ANSI: *")
      .replace(/Mode Sense: \w+/, "Mode Sense: *")
      .replace(/\s+/g, " ")
      .trim(),
  );
}

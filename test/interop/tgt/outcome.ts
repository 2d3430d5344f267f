// Knows how a class about the ending of a command is made, and the sense data that such classes speak of.

import type { DifferenceClass } from "./classes.js";
import type { Difference } from "./difference.js";

export const FIELD = "5/24/00";
export const LIST_FIELD = "5/26/00";
export const LIST_LENGTH = "5/1a/00";
export const RANGE = "5/21/00";
export const UNIT = "5/0e/03";
export const NO_UNIT = "5/25/00";
export const OPCODE = "5/20/00";
export const MISCOMPARE = "e/1d/00";

export function outcome(
  name: string,
  right: DifferenceClass["right"],
  clause: string,
  holds: (difference: Difference) => boolean,
): DifferenceClass {
  return { name, right, clause, aspects: ["outcome"], holds };
}

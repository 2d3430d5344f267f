// Knows which differences between the two targets are allowed, why, and who is right: the first class that holds is meant.

import type { Aspect, Difference } from "./difference.js";
import { MOVED } from "./moved-classes.js";
import { OUTCOMES } from "./outcome-classes.js";
import { RESERVED } from "./reservation-classes.js";

/** A kind of difference that the standards decide. */
export interface DifferenceClass {
  readonly name: string;
  /** Whose answer is the standard's; "either" where it leaves both. */
  readonly right: "ours" | "either";
  /** The clause that decides. */
  readonly clause: string;
  readonly aspects: readonly Aspect[];
  holds(difference: Difference): boolean;
}

export const CLASSES: readonly DifferenceClass[] = [...RESERVED, ...OUTCOMES, ...MOVED];

/** Null where nobody expects that. */
export function classify(difference: Difference): DifferenceClass | null {
  return CLASSES.find((row) => row.aspects.includes(difference.aspect) && row.holds(difference)) ?? null;
}

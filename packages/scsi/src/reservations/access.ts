// Knows which commands run while somebody else has reserved the logical unit: columns of the opcode table, as SPC-4 table 65,
// SBC-3 table 13 and, for RESERVE, SPC-2 table 10 have them. Knows no command and no reservation.

import type { Task } from "../task.js";

/** Whether a command of somebody else runs beside each kind of reservation. */
export interface Access {
  /** RESERVE(6) and (10) of SPC-2. */
  readonly reserve: boolean;
  /** Write Exclusive; with registrants, for those who are none. */
  readonly writeExclusive: boolean;
  /** Exclusive Access; with registrants, for those who are none. */
  readonly exclusiveAccess: boolean;
}

/**
 * By what a command does. The last three are those that reservations are made with: RESERVE and RELEASE fare as SPC-2 5.5.1 and
 * SPC-4 5.13.3 say, and PERSISTENT RESERVE OUT's service actions look at keys themselves (SPC-4 table 66).
 */
export const ACCESS = {
  asks: { reserve: true, writeExclusive: true, exclusiveAccess: true },
  waits: { reserve: false, writeExclusive: true, exclusiveAccess: true },
  reads: { reserve: false, writeExclusive: true, exclusiveAccess: false },
  writes: { reserve: false, writeExclusive: false, exclusiveAccess: false },
  persistent: { reserve: false, writeExclusive: true, exclusiveAccess: true },
  reserves: { reserve: false, writeExclusive: false, exclusiveAccess: false },
  releases: { reserve: true, writeExclusive: false, exclusiveAccess: false },
} as const satisfies { readonly [name: string]: Access };

export type AccessName = keyof typeof ACCESS;

/** Keeps commands from a logical unit that others have reserved. */
export interface Guard {
  /** Whether a command ends with RESERVATION CONFLICT. */
  conflicts(task: Task, access: AccessName): boolean;
}

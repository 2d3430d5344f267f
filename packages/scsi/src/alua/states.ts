// Knows in which states a target port group can lead to a logical unit, and which commands run in each: one table, as SPC-4
// 5.15.2.4 has them. Knows no group and no command.

import { SENSE, type Sense } from "../sense.js";

/** How far a command's reach goes: a column of the opcode table, from the one that runs in the fewest states on. */
export const REACH = {
  /** Only where the port is active: all that moves data of the medium, and what no state asks for. */
  active: 0,
  /** In standby as well (SPC-4 5.15.2.4.4). */
  standby: 1,
  /** Also where the port is unavailable (SPC-4 5.15.2.4.5). */
  unavailable: 2,
  /** Whatever the state is: while one follows another, too (SPC-4 5.15.2.5). */
  always: 3,
} as const;

export type ReachName = keyof typeof REACH;

export interface AccessStateRow {
  /** ASYMMETRIC ACCESS STATE (SPC-4 table 307). */
  readonly code: number;
  /** As LIO's configfs and targetcli write it. */
  readonly title: string;
  /** Its bit among those that REPORT TARGET PORT GROUPS lists (SPC-4 table 306). */
  readonly supported: number;
  /** The reach of the first commands that run in it. */
  readonly least: ReachName;
  /** What ends the others; null where all run. */
  readonly refusal: Sense | null;
  /** SET TARGET PORT GROUPS may ask for it. */
  readonly settable: boolean;
  /** INQUIRY says that the unit is not connected to this port (peripheral qualifier 001b). */
  readonly apart: boolean;
}

const row = (
  code: number,
  title: string,
  supported: number,
  least: ReachName,
  refusal: Sense | null,
  { settable = false, apart = false } = {},
): AccessStateRow => ({ code, title, supported, least, refusal, settable, apart });

/** LBA-dependent is not there: no map of blocks to ports is kept. Offline is a state that the target alone gives to a group. */
export const ACCESS_STATES = {
  "active-optimized": row(0x0, "Active/Optimized", 0x01, "active", null, { settable: true }),
  "active-non-optimized": row(0x1, "Active/NonOptimized", 0x02, "active", null, { settable: true }),
  standby: row(0x2, "Standby", 0x04, "standby", SENSE.portInStandby, { settable: true }),
  unavailable: row(0x3, "Unavailable", 0x08, "unavailable", SENSE.portUnavailable, { settable: true, apart: true }),
  offline: row(0xe, "Offline", 0x40, "always", SENSE.unitOffline, { apart: true }),
  transitioning: row(0xf, "Transitioning", 0x80, "always", SENSE.accessStateTransition),
} as const satisfies { readonly [name: string]: AccessStateRow };

export type AccessState = keyof typeof ACCESS_STATES;

export const ALL_STATES = Object.keys(ACCESS_STATES) as readonly AccessState[];

/** The state that a person means by its code, its word or LIO's; undefined where it is none. */
export function accessStateOfWord(text: string): AccessState | undefined {
  const word = text.toLowerCase();
  return ALL_STATES.find((name) => {
    const { code, title } = ACCESS_STATES[name];
    return word === name || word === title.toLowerCase() || word === String(code);
  });
}

/** The state of a code; undefined where there is none. */
export function accessStateOf(code: number): AccessState | undefined {
  return ALL_STATES.find((name) => ACCESS_STATES[name].code === code);
}

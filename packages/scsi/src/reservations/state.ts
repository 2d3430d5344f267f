// Knows what persistent reservations are: their types, who is registered, who holds one (SPC-4 5.13). A state is replaced, never
// changed, so that one that could not be kept was never there.

import type { TransportId } from "../transport-id.js";

interface TypeRow {
  readonly name: string;
  /** What others may not do. */
  readonly excludes: "writes" | "everything";
  /** Others are those who are not registered; else all but the holder. */
  readonly registrants: boolean;
  /** Every registered nexus holds it. */
  readonly allHold: boolean;
}

/** SPC-4 table 206. */
export const RESERVATION_TYPES = {
  1: { name: "Write Exclusive", excludes: "writes", registrants: false, allHold: false },
  3: { name: "Exclusive Access", excludes: "everything", registrants: false, allHold: false },
  5: { name: "Write Exclusive - Registrants Only", excludes: "writes", registrants: true, allHold: false },
  6: { name: "Exclusive Access - Registrants Only", excludes: "everything", registrants: true, allHold: false },
  7: { name: "Write Exclusive - All Registrants", excludes: "writes", registrants: true, allHold: true },
  8: { name: "Exclusive Access - All Registrants", excludes: "everything", registrants: true, allHold: true },
} as const satisfies { readonly [code: number]: TypeRow };

export type ReservationType = keyof typeof RESERVATION_TYPES;

export function isReservationType(code: number): code is ReservationType {
  return Object.hasOwn(RESERVATION_TYPES, code);
}

/** 16 hex digits. */
export type ReservationKey = string;
export const NO_KEY: ReservationKey = "0".repeat(16);

/** A nexus that has registered; it need not be there now. */
export interface Registration {
  readonly initiatorPort: TransportId;
  readonly targetPort: number;
  readonly key: ReservationKey;
}

export interface Reservation {
  readonly type: ReservationType;
  /** The key of its nexus; null where all who are registered hold it. */
  readonly holder: string | null;
}

export interface PersistentState {
  /** PRGENERATION, of 32 bits. */
  readonly generation: number;
  /** The last APTPL: whether it outlives a loss of power. */
  readonly persists: boolean;
  /** By the keys of their nexuses, in the order in which they came. */
  readonly registrations: ReadonlyMap<string, Registration>;
  readonly reservation: Reservation | null;
}

export const NOTHING_RESERVED: PersistentState = {
  generation: 0,
  persists: false,
  registrations: new Map(),
  reservation: null,
};

/** Whether a nexus holds the reservation there is (SPC-4 5.13.10). */
export function isHolder({ reservation, registrations }: PersistentState, nexus: string): boolean {
  if (reservation === null) return false;
  return reservation.holder === null ? registrations.has(nexus) : reservation.holder === nexus;
}

/** Whether the reservation there is keeps nothing from a nexus. */
export function isFree(state: PersistentState, nexus: string): boolean {
  const { reservation, registrations } = state;
  if (reservation === null || isHolder(state, nexus)) return true;
  return RESERVATION_TYPES[reservation.type].registrants && registrations.has(nexus);
}

// Knows what the service actions of PERSISTENT RESERVE OUT do to a state (SPC-4 5.13.7 to 5.13.11): each gives what comes of it, and
// changes nothing itself. Knows no bytes, and nobody who waits.

import { type FieldPointer, SENSE, type Sense } from "../sense.js";
import { type NexusIdentity, nexusKey } from "../task.js";
import type { TransportId } from "../transport-id.js";
import {
  isHolder,
  isReservationType,
  NO_KEY,
  type PersistentState,
  RESERVATION_TYPES,
  type Registration,
  type Reservation,
  type ReservationKey,
} from "./state.js";

/** What is asked, with everything that the parameter list says. */
export interface ActionRequest {
  readonly nexus: NexusIdentity;
  /** All ports of the target that it came to. */
  readonly targetPorts: readonly number[];
  readonly scope: number;
  readonly type: number;
  readonly key: ReservationKey;
  readonly serviceKey: ReservationKey;
  /** APTPL. */
  readonly persists: boolean;
  /** ALL_TG_PT. */
  readonly allTargetPorts: boolean;
  /** The initiator ports of SPEC_I_PT; null where that is zero. */
  readonly others: readonly TransportId[] | null;
  /** Of REGISTER AND MOVE. */
  readonly move: Move | null;
}

/** Where a reservation is to be moved. */
export interface Move {
  readonly initiatorPort: TransportId;
  readonly targetPort: number;
  /** UNREG. */
  readonly unregister: boolean;
}

/** A unit attention for a nexus. */
export interface Notice {
  readonly nexus: string;
  readonly sense: Sense;
}

export interface Change {
  readonly state: PersistentState;
  readonly notices: readonly Notice[];
  /** The nexuses that were preempted. */
  readonly preempted: readonly string[];
}

export interface Refusal {
  readonly sense: Sense;
  readonly field?: FieldPointer;
}

export type Verdict = "conflict" | Refusal | Change;

type Action = (state: PersistentState, request: ActionRequest) => Verdict;

/** As many as a logical unit remembers. */
export const MAX_REGISTRATIONS = 1024;

export function register(state: PersistentState, request: ActionRequest): Verdict {
  const { nexus, key, others } = request;
  const own = state.registrations.get(nexus.key);
  if (key !== (own?.key ?? NO_KEY)) return "conflict";
  if (own !== undefined && others !== null) return wrongParameter(20, 3);
  return setKeys(state, request, key);
}

export const registerAndIgnore: Action = (state, request) => setKeys(state, request, null);

/** Registers, registers anew or unregisters; where `expected` is given, no nexus of the initiator may have another key. */
function setKeys(state: PersistentState, request: ActionRequest, expected: ReservationKey | null): Verdict {
  const { nexus, serviceKey, persists } = request;
  const { registrations } = state;
  const own = registrations.get(nexus.key);
  if (own === undefined && serviceKey === NO_KEY) return unchanged(state);
  // ALL_TG_PT is as if each port had been asked (SPC-4 6.16.3): one that has another key would have said so.
  const mine = nexusesOf([nexus.initiatorPort], request);
  const differs = (key: string): boolean => expected !== null && (registrations.get(key)?.key ?? expected) !== expected;
  if ([...mine.keys()].some(differs)) return "conflict";
  if (serviceKey === NO_KEY) return unregister(state, new Set(mine.keys()), request);
  const others = nexusesOf(request.others ?? [], request);
  if ([...others.keys()].some((key) => registrations.has(key))) return wrongParameter(24);
  const after = new Map([...registrations, ...mine, ...others]);
  if (after.size > MAX_REGISTRATIONS) return { sense: SENSE.insufficientRegistrationResources };
  return changed(state, { registrations: after, persists });
}

/** The registrations of initiator ports that a request is for. */
function nexusesOf(
  initiatorPorts: readonly TransportId[],
  { nexus, targetPorts, allTargetPorts, serviceKey: key }: ActionRequest,
): Map<string, Registration> {
  const ports = allTargetPorts ? targetPorts : [nexus.targetPort];
  return new Map(
    initiatorPorts.flatMap((initiatorPort) =>
      ports.map((targetPort) => [nexusKey(initiatorPort, targetPort), { initiatorPort, targetPort, key }] as const),
    ),
  );
}

/** SPC-4 5.13.11.2.3. */
function unregister(state: PersistentState, gone: ReadonlySet<string>, { nexus, persists }: ActionRequest): Verdict {
  const after = without(state, gone);
  const released = state.reservation !== null && after.reservation === null;
  const told = released && isShared(state.reservation) && !RESERVATION_TYPES[state.reservation.type].allHold;
  const notices = told ? tell(after.registrations.keys(), SENSE.reservationsReleased, nexus) : [];
  return changed(state, { ...after, persists }, notices);
}

/** What is left when nexuses are no longer registered; a reservation without a holder is released. */
function without({ registrations, reservation }: PersistentState, gone: ReadonlySet<string>) {
  const left = new Map([...registrations].filter(([key]) => !gone.has(key)));
  const lost = reservation !== null && (reservation.holder === null ? left.size === 0 : gone.has(reservation.holder));
  return { registrations: left, reservation: lost ? null : reservation };
}

export const reserve: Action = (state, request) => {
  const { nexus } = request;
  if (!isKnown(state, request)) return "conflict";
  const reservation = reservationFor(request);
  if ("sense" in reservation) return reservation;
  if (state.reservation === null) return { ...unchanged(state), state: { ...state, reservation } };
  return isHolder(state, nexus.key) && state.reservation.type === reservation.type ? unchanged(state) : "conflict";
};

export const release: Action = (state, request) => {
  const { nexus, scope, type } = request;
  const { reservation, registrations } = state;
  if (!isKnown(state, request)) return "conflict";
  if (reservation === null || !isHolder(state, nexus.key)) return unchanged(state);
  if (scope !== LU_SCOPE || type !== reservation.type) return { sense: SENSE.invalidReleaseOfPersistentReservation };
  const notices = isShared(reservation) ? tell(registrations.keys(), SENSE.reservationsReleased, nexus) : [];
  return { state: { ...state, reservation: null }, notices, preempted: [] };
};

export const clear: Action = (state, request) => {
  if (!isKnown(state, request)) return "conflict";
  const notices = tell(state.registrations.keys(), SENSE.reservationsPreempted, request.nexus);
  return changed(state, { registrations: new Map(), reservation: null }, notices);
};

/** Figure 9 of SPC-4. */
export const preempt: Action = (state, request) => {
  const { serviceKey } = request;
  const { reservation, registrations } = state;
  if (!isKnown(state, request)) return "conflict";
  if (reservation?.holder === null && serviceKey === NO_KEY) return takeOver(state, request, [...registrations.keys()]);
  if (reservation !== null && serviceKey === NO_KEY) return wrongParameter(8);
  const preempted = [...registrations].filter(([, { key }]) => key === serviceKey).map(([nexus]) => nexus);
  const holder = reservation?.holder ?? null;
  if (holder !== null && preempted.includes(holder)) return takeOver(state, request, preempted);
  if (preempted.length === 0) return "conflict";
  const notices = tell(preempted, SENSE.registrationsPreempted, request.nexus);
  return changed(state, without(state, new Set(preempted)), notices, preempted);
};

/** Preempts the reservation: the one who asks keeps its registration and holds the new one. */
function takeOver(state: PersistentState, request: ActionRequest, preempted: readonly string[]): Verdict {
  const { nexus } = request;
  const reservation = reservationFor(request);
  if ("sense" in reservation) return reservation;
  const gone = new Set(preempted);
  gone.delete(nexus.key);
  const { registrations } = without(state, gone);
  const told = state.reservation?.type === reservation.type ? [] : registrations.keys();
  const notices = [
    ...tell(gone, SENSE.registrationsPreempted, nexus),
    ...tell(told, SENSE.reservationsReleased, nexus),
  ];
  return changed(state, { registrations, reservation }, notices, preempted);
}

/** SPC-4 5.13.8. */
export const registerAndMove: Action = (state, request) => {
  const { nexus, serviceKey, persists } = request;
  const { initiatorPort, targetPort, unregister: leaves } = request.move as Move;
  const { reservation } = state;
  if (!isKnown(state, request)) return "conflict";
  if (reservation === null) return { sense: SENSE.invalidFieldInCdb, field: { in: "cdb", byte: 1, bit: 4 } };
  if (reservation.holder !== nexus.key) return "conflict";
  if (serviceKey === NO_KEY) return wrongParameter(8);
  if (initiatorPort.text === nexus.initiatorPort.text) return wrongParameter(24);
  const holder = nexusKey(initiatorPort, targetPort);
  const registrations = new Map([...state.registrations, [holder, { initiatorPort, targetPort, key: serviceKey }]]);
  if (leaves) registrations.delete(nexus.key);
  if (registrations.size > MAX_REGISTRATIONS) return { sense: SENSE.insufficientRegistrationResources };
  return changed(state, { registrations, persists, reservation: { ...reservation, holder } });
};

/** Nothing is ever lost here: a unit whose reservations cannot be read does not come up (SPC-4 5.13.11.3). */
export const replaceLostReservation: Action = (state, { nexus }) =>
  state.registrations.has(nexus.key) ? { sense: SENSE.invalidReleaseOfPersistentReservation } : "conflict";

/** Whether the nexus is registered with the key that it gives. */
function isKnown({ registrations }: PersistentState, { nexus, key }: ActionRequest): boolean {
  return registrations.get(nexus.key)?.key === key;
}

const LU_SCOPE = 0;

/** The reservation that a request wants for its nexus. */
function reservationFor({ nexus, scope, type }: ActionRequest): Reservation | Refusal {
  if (scope !== LU_SCOPE) return { sense: SENSE.invalidFieldInCdb, field: { in: "cdb", byte: 2, bit: 7 } };
  if (!isReservationType(type)) return { sense: SENSE.invalidFieldInCdb, field: { in: "cdb", byte: 2, bit: 3 } };
  return { type, holder: RESERVATION_TYPES[type].allHold ? null : nexus.key };
}

/** Whether others than its holder had something of it, so that they hear of its end. */
function isShared({ type }: Reservation): boolean {
  return RESERVATION_TYPES[type].registrants;
}

/** All but the one who brought it about. */
function tell(nexuses: Iterable<string>, sense: Sense, { key }: NexusIdentity): Notice[] {
  return [...nexuses].filter((nexus) => nexus !== key).map((nexus) => ({ nexus, sense }));
}

function unchanged(state: PersistentState): Change {
  return { state, notices: [], preempted: [] };
}

function changed(
  state: PersistentState,
  change: Partial<PersistentState>,
  notices: readonly Notice[] = [],
  preempted: readonly string[] = [],
): Change {
  return { state: { ...state, ...change, generation: (state.generation + 1) >>> 0 }, notices, preempted };
}

function wrongParameter(byte: number, bit: number | null = null): Refusal {
  return { sense: SENSE.invalidFieldInParameterList, field: { in: "parameter-list", byte, bit } };
}

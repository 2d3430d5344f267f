// Knows how a state is written down so that it outlives a loss of power (APTPL), and read back from whatever stands there. Knows no file.

import { bytesOfHex, hexDigits } from "@pvscsi/wire";
import { KeptText, writeKeptText } from "../kept-text.js";
import { nexusKey } from "../task.js";
import { readTransportId } from "../transport-id.js";
import { MAX_REGISTRATIONS } from "./actions.js";
import {
  isReservationType,
  NO_KEY,
  NOTHING_RESERVED,
  type PersistentState,
  RESERVATION_TYPES,
  type Registration,
  type ReservationType,
} from "./state.js";

const TITLE = "pvscsi persistent reservations, version 1";
const NO_TYPE = "none";

/** The text of a state; null when a loss of power is to end it. `unit` is whose it is. */
export function writeKept(state: PersistentState, unit: string): string | null {
  if (!state.persists) return null;
  const { registrations, reservation } = state;
  const lines = [...registrations].map(([nexus, { key, targetPort, initiatorPort }]) => {
    const role = reservation?.holder === nexus ? "holder" : "registered";
    return `${role} ${key} port ${targetPort} initiator ${hexDigits(initiatorPort.bytes)}`;
  });
  return writeKeptText(TITLE, [`unit ${unit}`, `type ${reservation?.type ?? NO_TYPE}`, ...lines]);
}

/**
 * Reads what `writeKept` wrote for the same unit; the counter of generations begins anew (SPC-4 6.15.2). Throws `StoreError` for
 * everything else, with the line: a unit that came up without its reservations would let in whom they keep out.
 */
export function readKept(text: string, unit: string): PersistentState {
  const kept = new KeptText(text, TITLE);
  kept.checkUnit(unit);
  const { lines } = kept;
  const type = typeOf(lines[2]) ?? kept.fail(2, `"type" and one of ${Object.keys(RESERVATION_TYPES).join(", ")}, none`);
  const last = kept.end(3);
  if (last - 3 > MAX_REGISTRATIONS) kept.fail(3 + MAX_REGISTRATIONS, `no more than ${MAX_REGISTRATIONS} registrations`);
  const registrations = new Map<string, Registration>();
  let holder: string | null = null;
  for (let index = 3; index < last; index++) {
    const read = registrationOf(lines[index]) ?? kept.fail(index, EXPECTED);
    const nexus = nexusKey(read.initiatorPort, read.targetPort);
    if (registrations.has(nexus)) kept.fail(index, "each nexus once");
    registrations.set(nexus, read);
    if (!lines[index].startsWith("holder ")) continue;
    if (holder !== null || !hasHolder(type)) kept.fail(index, "no holder, or no other");
    holder = nexus;
  }
  if (hasHolder(type) && holder === null) kept.fail(last, "a holder before the end");
  if (type !== NO_TYPE && registrations.size === 0) kept.fail(last, "a registration before the end");
  const reservation = type === NO_TYPE ? null : { type, holder };
  return { ...NOTHING_RESERVED, persists: true, registrations, reservation };
}

const EXPECTED =
  '"holder" or "registered", 16 hex digits of a key, "port", its number, "initiator", a TransportID in hex';

function typeOf(line: string | undefined): ReservationType | typeof NO_TYPE | undefined {
  const word = /^type (none|\d)$/.exec(line ?? "")?.[1];
  if (word === undefined || word === NO_TYPE) return word;
  return isReservationType(Number(word)) ? (Number(word) as ReservationType) : undefined;
}

/** Of the types that all hold who are registered none is named. */
function hasHolder(type: ReservationType | typeof NO_TYPE): boolean {
  return type !== NO_TYPE && !RESERVATION_TYPES[type].allHold;
}

function registrationOf(line: string): Registration | undefined {
  const words = /^(?:holder|registered) ([0-9a-f]{16}) port ([1-9]\d{0,4}) initiator ((?:[0-9a-f]{2}){24,232})$/.exec(
    line,
  );
  if (words === null || words[1] === NO_KEY || Number(words[2]) > 0xffff) return undefined;
  const bytes = bytesOfHex(words[3]);
  const read = readTransportId(bytes, 0, bytes.length);
  if (read === null || "iscsiName" in read.id || hexDigits(read.id.bytes) !== words[3]) return undefined;
  return { initiatorPort: read.id, targetPort: Number(words[2]), key: words[1] };
}

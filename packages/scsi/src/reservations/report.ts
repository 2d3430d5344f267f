// Knows what PERSISTENT RESERVE IN tells of a state, byte by byte (SPC-4 6.15).

import { put16, put32 } from "../big-endian.js";
import { isHolder, type PersistentState, type Registration, type ReservationKey } from "./state.js";

/** READ KEYS (6.15.2). */
export function keysReport({ generation, registrations }: PersistentState): Uint8Array {
  const answer = reportOf(generation, 8 * registrations.size);
  let at = 8;
  for (const { key } of registrations.values()) {
    putKey(answer, at, key);
    at += 8;
  }
  return answer;
}

/** READ RESERVATION (6.15.3): no key where all who are registered hold it. */
export function reservationReport({ generation, registrations, reservation }: PersistentState): Uint8Array {
  if (reservation === null) return reportOf(generation, 0);
  const answer = reportOf(generation, 16);
  const holder = reservation.holder === null ? undefined : registrations.get(reservation.holder);
  if (holder !== undefined) putKey(answer, 8, holder.key);
  answer[21] = reservation.type;
  return answer;
}

const RLR_C = 0x80;
const CRH = 0x10;
const SIP_C = 0x08;
const ATP_C = 0x04;
const PTPL_C = 0x01;
const TMV = 0x80;
/** What SPC-4 table 65 allows is allowed. */
const ALLOW_COMMANDS = 0x40;
const PTPL_A = 0x01;
/** Every type: 7, 6, 5, 3, 1 in byte 4, 8 in byte 5. */
const TYPE_MASK = 0xea01;

/** REPORT CAPABILITIES (6.15.4). */
export function capabilitiesReport({ persists }: PersistentState, keeps: boolean): Uint8Array {
  const answer = new Uint8Array(8);
  put16(answer, 0, answer.length);
  answer[2] = RLR_C | CRH | SIP_C | ATP_C | (keeps ? PTPL_C : 0);
  answer[3] = TMV | ALLOW_COMMANDS | (persists ? PTPL_A : 0);
  put16(answer, 4, TYPE_MASK);
  return answer;
}

const R_HOLDER = 0x01;
const DESCRIPTOR = 24;

/** READ FULL STATUS (6.15.5): each nexus by itself. */
export function fullStatusReport(state: PersistentState): Uint8Array {
  const registrations = [...state.registrations];
  const size = registrations.reduce((sum, [, { initiatorPort }]) => sum + DESCRIPTOR + initiatorPort.bytes.length, 0);
  const answer = reportOf(state.generation, size);
  let at = 8;
  for (const [nexus, registration] of registrations) {
    if (state.reservation !== null && isHolder(state, nexus)) {
      answer[at + 12] = R_HOLDER;
      answer[at + 13] = state.reservation.type;
    }
    at = putNexus(answer, at, registration);
  }
  return answer;
}

/** Writes what says which nexus it is; returns where the next begins. */
function putNexus(answer: Uint8Array, at: number, { initiatorPort, targetPort, key }: Registration): number {
  putKey(answer, at, key);
  put16(answer, at + 18, targetPort);
  put32(answer, at + 20, initiatorPort.bytes.length);
  answer.set(initiatorPort.bytes, at + DESCRIPTOR);
  return at + DESCRIPTOR + initiatorPort.bytes.length;
}

/** Eight bytes that all but REPORT CAPABILITIES begin with: PRGENERATION, and how many follow. */
function reportOf(generation: number, length: number): Uint8Array {
  const answer = new Uint8Array(8 + length);
  put32(answer, 0, generation);
  put32(answer, 4, length);
  return answer;
}

function putKey(bytes: Uint8Array, at: number, key: ReservationKey): void {
  for (let i = 0; i < 8; i++) bytes[at + i] = Number.parseInt(key.slice(2 * i, 2 * i + 2), 16);
}

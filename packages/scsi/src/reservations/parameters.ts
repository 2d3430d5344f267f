// Knows the parameter lists of PERSISTENT RESERVE OUT byte by byte (SPC-4 6.16.3, 6.16.4), and what is wrong with one. Knows no state.

import { get16, get32 } from "../big-endian.js";
import { SENSE } from "../sense.js";
import { type IscsiDevice, readTransportId, type TransportId } from "../transport-id.js";
import type { Move, Refusal } from "./actions.js";
import type { ReservationKey } from "./state.js";

/** What a parameter list says. */
export interface OutParameters {
  readonly key: ReservationKey;
  readonly serviceKey: ReservationKey;
  readonly persists: boolean;
  readonly allTargetPorts: boolean;
  readonly others: readonly TransportId[] | null;
  readonly move: Move | null;
}

/** What the parameter list is read for. */
export interface OutList {
  /** The command's own bytes, which nobody changes any more. */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** REGISTER takes other initiator ports, REGISTER AND MOVE has a format of its own. */
  readonly format: "basic" | "register" | "move";
  /** Whether reservations can be kept through a loss of power. */
  readonly keeps: boolean;
  /** The ports of an iSCSI initiator that are known. */
  readonly portsOf: (device: IscsiDevice) => readonly TransportId[];
  /** Whether a target port is one of those that lead to the unit. */
  readonly isTargetPort: (port: number) => boolean;
}

const BASIC_LENGTH = 24;
const SPEC_I_PT = 0x08;
const ALL_TG_PT = 0x04;
const UNREG = 0x02;
const APTPL = 0x01;

const LENGTH_ERROR: Refusal = { sense: SENSE.parameterListLengthError };

function wrongAt(byte: number, bit: number | null = null): Refusal {
  return { sense: SENSE.invalidFieldInParameterList, field: { in: "parameter-list", byte, bit } };
}

/** Reads a list; obsolete bytes may be anything. */
export function readOutParameters(list: OutList): OutParameters | Refusal {
  if (list.length < BASIC_LENGTH) return LENGTH_ERROR;
  return list.format === "move" ? readMove(list) : readBasic(list);
}

function readBasic(list: OutList): OutParameters | Refusal {
  const { bytes, length, format, keeps } = list;
  const flags = bytes[20];
  if ((flags & SPEC_I_PT) === 0 && length !== BASIC_LENGTH) return LENGTH_ERROR;
  if ((flags & SPEC_I_PT) !== 0 && format !== "register") return wrongAt(20, 3);
  if ((flags & APTPL) !== 0 && !keeps) return wrongAt(20, 0);
  const others = (flags & SPEC_I_PT) === 0 ? null : readPorts(list);
  if (others !== null && "sense" in others) return others;
  const allTargetPorts = (flags & ALL_TG_PT) !== 0;
  return { ...keysOf(bytes), persists: (flags & APTPL) !== 0, allTargetPorts, others, move: null };
}

/** The initiator ports behind byte 28 (table 215). */
function readPorts({ bytes, length, portsOf }: OutList): readonly TransportId[] | Refusal {
  const first = BASIC_LENGTH + 4;
  const end = first + (length < first ? 0 : get32(bytes, BASIC_LENGTH));
  if (length < end || length < first) return LENGTH_ERROR;
  const ports: TransportId[] = [];
  for (let at = first; at < end; ) {
    const read = readTransportId(bytes, at, end);
    if (read === null) return wrongAt(at);
    if ("iscsiName" in read.id) ports.push(...portsOf(read.id));
    else ports.push(read.id);
    at += read.length;
  }
  return ports;
}

/** Table 217. All ports of an iSCSI initiator cannot hold a reservation that one has. */
function readMove({ bytes, length, keeps, isTargetPort }: OutList): OutParameters | Refusal {
  const flags = bytes[17];
  const targetPort = get16(bytes, 18);
  const size = get32(bytes, 20);
  if (length < BASIC_LENGTH + size) return LENGTH_ERROR;
  if ((flags & APTPL) !== 0 && !keeps) return wrongAt(17, 0);
  if (!isTargetPort(targetPort)) return wrongAt(18);
  const read = readTransportId(bytes, BASIC_LENGTH, BASIC_LENGTH + size);
  if (read === null || read.length !== size || "iscsiName" in read.id) return wrongAt(size < BASIC_LENGTH ? 20 : 24);
  const move = { initiatorPort: read.id, targetPort, unregister: (flags & UNREG) !== 0 };
  return { ...keysOf(bytes), persists: (flags & APTPL) !== 0, allTargetPorts: false, others: null, move };
}

function keysOf(bytes: Uint8Array): { key: ReservationKey; serviceKey: ReservationKey } {
  return { key: keyAt(bytes, 0), serviceKey: keyAt(bytes, 8) };
}

function keyAt(bytes: Uint8Array, at: number): ReservationKey {
  const half = (offset: number): string => get32(bytes, offset).toString(16).padStart(8, "0");
  return half(at) + half(at + 4);
}

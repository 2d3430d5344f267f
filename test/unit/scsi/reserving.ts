// Knows how a test reserves a disk: initiators by name at the ports of one target, and their parameter lists.

import {
  createDisk,
  type DiskOptions,
  type LogicalUnit,
  localTransportId,
  MemoryStore,
  Nexus,
  type NexusOptions,
  Target,
  type TransportId,
} from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { BLOCKS, hex, IDENTITY, Initiator, type Sent, toHex } from "./initiator.js";

/** Service actions of PERSISTENT RESERVE OUT (SPC-4 table 213). */
export const OUT = {
  register: 0,
  reserve: 1,
  release: 2,
  clear: 3,
  preempt: 4,
  preemptAndAbort: 5,
  registerAndIgnore: 6,
  registerAndMove: 7,
  replaceLost: 8,
} as const;

export const IN = { keys: 0, reservation: 1, capabilities: 2, fullStatus: 3 } as const;

/** SPC-4 table 206. */
export const TYPES = [1, 3, 5, 6, 7, 8] as const;

export interface OutOptions {
  readonly key?: number;
  readonly serviceKey?: number;
  readonly type?: number;
  readonly scope?: number;
  readonly aptpl?: boolean;
  readonly allTgPt?: boolean;
  /** SPEC_I_PT. */
  readonly others?: readonly Uint8Array[];
  /** Another parameter list than these make. */
  readonly list?: Uint8Array;
  /** Another PARAMETER LIST LENGTH than the list has. */
  readonly length?: number;
}

const number = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, "0");
const key8 = (key: number): string => number(key, 8);

/** The basic parameter list (SPC-4 table 214). */
export function basicList({ key = 0, serviceKey = 0, aptpl, allTgPt, others }: OutOptions): Uint8Array {
  const flags = (others ? 8 : 0) | (allTgPt ? 4 : 0) | (aptpl ? 1 : 0);
  const ids = others?.map(toHex).join("") ?? "";
  const size = others?.reduce((sum, id) => sum + id.length, 0) ?? 0;
  return hex(`${key8(key)}${key8(serviceKey)}00000000 ${number(flags, 1)}000000${others ? number(size, 4) : ""}${ids}`);
}

export interface MoveOptions {
  readonly key?: number;
  readonly serviceKey?: number;
  readonly aptpl?: boolean;
  readonly unreg?: boolean;
  readonly port?: number;
  readonly to: Uint8Array;
}

/** The list of REGISTER AND MOVE (SPC-4 table 217). */
export function moveList({ key = 0, serviceKey = 0, aptpl, unreg, port = 1, to }: MoveOptions): Uint8Array {
  const flags = (unreg ? 2 : 0) | (aptpl ? 1 : 0);
  const head = `${key8(key)}${key8(serviceKey)}00${number(flags, 1)}${number(port, 2)}${number(to.length, 4)}`;
  return hex(`${head}${toHex(to)}`);
}

export function out(initiator: Initiator, action: number, options: OutOptions = {}, lun = 0): Sent {
  const list = options.list ?? basicList(options);
  const { scope = 0, type = 0, length = list.length } = options;
  return initiator.send(`5f ${number(action, 1)} ${number((scope << 4) | type, 1)} 0000 ${number(length, 4)} 00`, {
    lun,
    out: list,
  });
}

export function move(initiator: Initiator, options: MoveOptions): Sent {
  return out(initiator, OUT.registerAndMove, { list: moveList(options) });
}

export function persistentIn(initiator: Initiator, action: number, room = 4096): Sent {
  return initiator.send(`5e ${number(action, 1)} 00 00 00 00 00 ${number(room, 2)} 00`, { room });
}

/** READ KEYS: PRGENERATION and the keys. */
export function keys(initiator: Initiator): { generation: number; keys: number[] } {
  const { bytes } = persistentIn(initiator, IN.keys);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const all = Array.from({ length: (bytes.length - 8) / 8 }, (_, i) => Number(view.getBigUint64(8 + 8 * i)));
  return { generation: view.getUint32(0), keys: all };
}

/** READ RESERVATION; null when there is none. */
export function reservation(initiator: Initiator): { key: number; type: number } | null {
  const { bytes } = persistentIn(initiator, IN.reservation);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 8) return null;
  return { key: Number(view.getBigUint64(8)), type: bytes[21] };
}

/** READ FULL STATUS, a line for each nexus: `key port holder type TransportID`. */
export function fullStatus(initiator: Initiator): string[] {
  const { bytes } = persistentIn(initiator, IN.fullStatus, 0xffff);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const lines: string[] = [];
  for (let at = 8; at < bytes.length; at += 24 + view.getUint32(at + 20)) {
    const id = toHex(bytes.subarray(at + 24, at + 24 + view.getUint32(at + 20))).replaceAll(" ", "");
    const role = bytes[at + 12] & 1 ? `holder ${bytes[at + 13]}` : "registered";
    lines.push(`${view.getBigUint64(at)} port ${view.getUint16(at + 18)} ${role} ${id}`);
  }
  return lines;
}

/** The TransportID of an initiator of that name. */
export const port = (name: string): TransportId => localTransportId(name);

/** A disk at LUN 0 of a target, and initiators that come to it by name. */
export class Shared {
  readonly target: Target;
  readonly disk: LogicalUnit;

  constructor(options: Partial<DiskOptions> = {}, ports: readonly number[] = [1]) {
    this.disk = createDisk({
      ...IDENTITY,
      store: new MemoryStore(BLOCKS * 512),
      clock: new Simulation(seededRandom(1)),
      ...options,
    });
    this.target = new Target("0:0", ports);
    this.target.add(0, this.disk);
  }

  /** An initiator whose unit attentions have been reported. */
  initiator(name: string, options: NexusOptions = {}): Initiator {
    return new Initiator(this.target, new Nexus(this.target, { initiatorPort: port(name), ...options })).settle();
  }

  /** Initiators of these names that are registered, each with its number from 1 as its key. */
  registered(...names: string[]): Initiator[] {
    return names.map((name, index) => {
      const initiator = this.initiator(name);
      out(initiator, OUT.register, { serviceKey: index + 1 }).good();
      return initiator;
    });
  }
}

// Knows how a test speaks to a tape drive: commands by what they do, and what sense data says of the tape.

import type { CartridgeLabel } from "@pvscsi/scsi";
import { createTape, decodeSense, LoadedTape, MemoryCartridge, Status, type TapeOptions, Target } from "@pvscsi/scsi";
import { IDENTITY, Initiator, type Sent } from "./initiator.js";

export const MEBIBYTE = 1 << 20;

/** A drive with a cartridge in memory behind LUN 0, and an initiator whose unit attentions have been reported. */
export async function withTape(
  { capacity = 4 * MEBIBYTE, ...label }: CartridgeLabel & { readonly capacity?: number } = {},
  options: Partial<TapeOptions> = {},
) {
  const cartridge = new MemoryCartridge(capacity, label);
  const tape = await LoadedTape.of(cartridge);
  const drive = createTape({ ...IDENTITY, tape, ...options });
  const target = new Target();
  target.add(0, drive);
  return { cartridge, tape, drive, target, initiator: new Initiator(target).settle() };
}

const count24 = (count: number): number[] => [(count >> 16) & 0xff, (count >> 8) & 0xff, count & 0xff];

/** READ(6) of `length` bytes, or of as many blocks with FIXED (1). */
export function read(initiator: Initiator, length: number, { flags = 0, blockLength = 1 } = {}): Sent {
  const room = (flags & 1) === 0 ? length : length * blockLength;
  return initiator.send(Uint8Array.of(0x08, flags, ...count24(length), 0), { room });
}

/** WRITE(6) of one block, or of as many of a length as there is data for. */
export function write(initiator: Initiator, data: Uint8Array, blockLength = 0): Sent {
  const length = blockLength === 0 ? data.length : data.length / blockLength;
  const flags = blockLength === 0 ? 0 : 1;
  return initiator.send(Uint8Array.of(0x0a, flags, ...count24(length), 0), { out: data });
}

export function writeFilemarks(initiator: Initiator, count = 1): Sent {
  return initiator.send(Uint8Array.of(0x10, 0, ...count24(count), 0));
}

/** SPACE(6). */
export function space(initiator: Initiator, code: number, count: number): Sent {
  return initiator.send(Uint8Array.of(0x11, code, ...count24(count), 0));
}

export const rewind = (initiator: Initiator): Sent => initiator.send("01 00 00 00 00 00");

/** LOCATE(10), of the partition as well where one is given. */
export function locate(initiator: Initiator, object: number, partition?: number): Sent {
  const cdb = new Uint8Array(10);
  cdb[0] = 0x2b;
  new DataView(cdb.buffer).setUint32(3, object);
  if (partition !== undefined) {
    cdb[1] = 0x02;
    cdb[8] = partition;
  }
  return initiator.send(cdb);
}

/** MODE SELECT(6) with a block descriptor alone. */
export function setBlockLength(initiator: Initiator, length: number): Sent {
  return initiator.send("15 10 00 00 0c 00", {
    out: Uint8Array.of(0, 0, 0x10, 8, 0, 0, 0, 0, 0, ...count24(length)),
  });
}

/** Where the head is, by the long form of READ POSITION. */
export function position(initiator: Initiator): { partition: number; object: number; file: number; flags: number } {
  const bytes = initiator.send("34 06 00 00 00 00 00 00 00 00", { room: 32 }).bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { flags: bytes[0], partition: view.getUint32(4), object: view.getUint32(12), file: view.getUint32(20) };
}

/** `good`, or key/asc/ascq in hex, the marks that are set, and INFORMATION. */
export function ended(sent: Sent): string {
  if (sent.status === Status.good) return "good";
  const sense = decodeSense(sent.task.sense, sent.task.senseLength);
  if (sense === null) return `status ${sent.status}`;
  const code = [sense.key, sense.asc, sense.ascq].map((part) => part.toString(16)).join("/");
  const marks = [
    sense.filemark ? "filemark" : "",
    sense.endOfMedium ? "eom" : "",
    sense.incorrectLength ? "ili" : "",
    sense.information === null ? "" : String(sense.information | 0),
  ];
  return [code, ...marks].filter((word) => word !== "").join(" ");
}

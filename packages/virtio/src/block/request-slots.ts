// Knows the requests of a virtio-blk driver while they are under way: a piece of shared memory for the ends of each, and
// the chain that it becomes.

import { Command, HostByte, Status, type StoreOperation, StoreRequest } from "@pvscsi/scsi";
import { copyBytes, fail, Places } from "@pvscsi/wire";
import {
  BLOCK_SECTOR,
  BlockRange,
  BlockRequestHeader,
  BlockResult,
  BlockType,
  RANGE_UNMAP,
  SCSI_SENSE_LENGTH,
  ScsiResult,
} from "../abi/block.js";
import type { Arena } from "../arena.js";

/** The longest CDB that a driver passes: that of Linux' block layer. */
export const PASSED_CDB = 32;

const TYPES: { readonly [Operation in Exclude<StoreOperation, "extents" | "change-key">]: number } = {
  read: BlockType.in,
  write: BlockType.out,
  flush: BlockType.flush,
  discard: BlockType.discard,
  "write-zeroes": BlockType.writeZeroes,
};

/** Parts of a slot, by where they begin. The room behind the header is a CDB's or a range's. */
const EXTRA = BlockRequestHeader.size;
const SENSE = 64;
const RESULT = SENSE + SCSI_SENSE_LENGTH;
const STATUS = RESULT + ScsiResult.size;
/** Bytes of a slot: the writable parts lie in cache lines of their own. */
const STRIDE = 192;

/** A wish for what GET_ID gives, into `bytes`. */
export class Identification {
  readonly bytes: Uint8Array;
  /** Called once with the device's result. */
  end: (result: number) => void = () => {};
  readonly ended = new Promise<number>((resolve) => {
    this.end = resolve;
  });

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** What a driver asks a device for. */
export type BlockWork = StoreRequest | Command | Identification;

/** A request's ends. */
export class BlockSlot {
  readonly readable = new Places();
  readonly writable = new Places();
  readonly #bytes: Uint8Array;
  readonly #header: InstanceType<typeof BlockRequestHeader>;
  readonly #range: InstanceType<typeof BlockRange>;
  readonly #result: InstanceType<typeof ScsiResult>;
  /** Null while the slot is free. */
  work: BlockWork | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#header = new BlockRequestHeader(bytes);
    this.#range = new BlockRange(bytes, EXTRA);
    this.#result = new ScsiResult(bytes, RESULT);
  }

  /** The device's answer. It lies in shared memory: to be read once. */
  get status(): number {
    return this.#bytes[STATUS];
  }

  /** Writes what is asked for and lists its chain. */
  fill(work: BlockWork): void {
    this.work = work;
    if (work instanceof Command) this.#pass(work);
    else if (work instanceof StoreRequest) this.#request(work);
    else this.#identify(work.bytes);
    // No status that the device may give: one that was not written is found out.
    this.#bytes[STATUS] = NO_STATUS;
    this.writable.add(this.#bytes, STATUS, 1);
  }

  #request(request: StoreRequest): void {
    const { operation, places } = request;
    if (operation === "extents" || operation === "change-key") return fail(`virtio-blk has no ${operation}`);
    const moves = operation === "read" || operation === "write";
    this.#begin(TYPES[operation], moves ? request.offset / BLOCK_SECTOR : 0);
    if (operation === "write") append(this.readable, places);
    if (operation === "discard" || operation === "write-zeroes") this.#addRange(request);
    if (operation === "read") append(this.writable, places);
  }

  #addRange({ operation, offset, length }: StoreRequest): void {
    const range = this.#range;
    const sector = offset / BLOCK_SECTOR;
    range.sectorLow = sector >>> 0;
    range.sectorHigh = Math.floor(sector / 2 ** 32);
    range.sectors = length / BLOCK_SECTOR;
    // As Linux: zeros may be holes, unless somebody asked for blocks.
    range.flags = operation === "write-zeroes" ? RANGE_UNMAP : 0;
    this.readable.add(this.#bytes, EXTRA, BlockRange.size);
  }

  #identify(bytes: Uint8Array): void {
    this.#begin(BlockType.getId, 0);
    this.writable.add(bytes, 0, bytes.length);
  }

  /** A SCSI command, in the order of the legacy interface. */
  #pass(command: Command): void {
    this.#begin(BlockType.scsiCommand, 0);
    copyBytes(command.cdb, 0, this.#bytes, EXTRA, command.cdbLength);
    this.readable.add(this.#bytes, EXTRA, command.cdbLength);
    if (command.direction !== "none") {
      append(command.direction === "to-device" ? this.readable : this.writable, command.data);
    }
    this.writable.add(this.#bytes, SENSE, SCSI_SENSE_LENGTH);
    this.writable.add(this.#bytes, RESULT, ScsiResult.size);
  }

  /** Takes over what a command's result says; each field is read once. */
  readResult(command: Command, status: number): void {
    const { errors, senseLen, residual } = this.#result;
    command.status = errors & 0xff;
    command.hostByte = status === BlockResult.ok || command.status !== Status.good ? HostByte.ok : HostByte.error;
    command.residual = Math.min(residual, command.data.length);
    command.senseLength = command.status === Status.good ? 0 : Math.min(senseLen, SCSI_SENSE_LENGTH);
    copyBytes(this.#bytes, SENSE, command.sense, 0, command.senseLength);
  }

  #begin(type: number, sector: number): void {
    this.readable.clear();
    this.writable.clear();
    this.#header.type = type;
    this.#header.ioprio = 0;
    this.#header.sectorLow = sector >>> 0;
    this.#header.sectorHigh = Math.floor(sector / 2 ** 32);
    this.readable.add(this.#bytes, 0, BlockRequestHeader.size);
  }
}

const NO_STATUS = 0xff;

/** Makes `count` slots. Throws RangeError when the memory has no room. */
export function blockSlots(memory: Arena, count: number): BlockSlot[] {
  const bytes = memory.range(count * STRIDE);
  return Array.from({ length: count }, (_, i) => new BlockSlot(bytes.subarray(i * STRIDE, (i + 1) * STRIDE)));
}

function append(list: Places, other: Places): void {
  for (let i = 0; i < other.count; i++) list.add(other.page(i), other.offset(i), other.size(i));
}

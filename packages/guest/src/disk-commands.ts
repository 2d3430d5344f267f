// Knows which command does a piece of a block request on a given disk, and how much one command can do.

import { type AdapterLimits, COMMANDS, type Command, type DataDirection } from "@pvscsi/scsi";
import { assert, never } from "@pvscsi/wire";
import type { BlockOperation, BlockRequest } from "./block-request.js";
import type { DiskParameters } from "./disk-parameters.js";
import { RangeCdb10, RangeCdb16, UnmapCdb, UnmapParameters } from "./layouts.js";
import { PAGE } from "./request.js";

/** What one READ or WRITE may move: bytes, and pieces of the submitter's pages. */
export interface TransferLimits {
  readonly bytes: number;
  readonly segments: number;
}

/** Linux's BLK_DEF_MAX_SECTORS: bytes one request may move where the disk has no optimal size. */
const DEFAULT_LIMIT = 1280 * 1024;
const BLOCKS_10 = 0xffff;
const LBA_10 = 0xffff_ffff;
const FUA = 0x08;
const UNMAP = 0x08;

/** What an adapter, the block layer and the disk together allow; worked out once, not for each command. */
export function transferLimits(
  { maximumTransfer, optimalTransfer, blockSize }: DiskParameters,
  { maxTransfer, maxSegments }: AdapterLimits,
): TransferLimits {
  let bytes = Math.min(maxTransfer, maxSegments * PAGE, optimalTransfer * blockSize || DEFAULT_LIMIT);
  if (maximumTransfer > 0) bytes = Math.min(bytes, maximumTransfer * blockSize);
  return { bytes: bytes - (bytes % blockSize), segments: maxSegments };
}

/** Bytes the next command of `request` can do; a multiple of the block size. */
export function pieceLength(request: BlockRequest, disk: DiskParameters, limits: TransferLimits): number {
  const { operation, length, issued } = request;
  const left = length - issued;
  switch (operation) {
    case "flush":
      return 0;
    case "discard":
      return Math.min(left, disk.maximumDiscard * disk.blockSize);
    case "write-zeroes":
      return Math.min(left, disk.maximumWriteSame * disk.blockSize || limits.bytes);
    case "read":
    case "write":
      return Math.min(left, transferPiece(request, disk.blockSize, limits));
    default:
      return never(operation);
  }
}

/**
 * Bytes one transfer can do. Data in foreign memory goes through whole pages; pieces of adapter pages may be short, and
 * their number counts.
 */
export function transferPiece(
  { places, issued, adapterPages }: BlockRequest,
  blockSize: number,
  limits: TransferLimits,
): number {
  if (!adapterPages) return limits.bytes;
  let skip = issued;
  let index = 0;
  while (skip >= places.size(index)) skip -= places.size(index++);
  let length = -skip;
  for (let segments = 0; segments < limits.segments && index < places.count && length < limits.bytes; segments++) {
    length += places.size(index++);
  }
  length = Math.min(length, limits.bytes);
  const whole = length - (length % blockSize);
  assert(whole > 0, `${limits.segments} pieces are less than a block`);
  return whole;
}

/** How many times a READ's time a command has: SD_FLUSH_TIMEOUT_MULTIPLIER, and SD_WRITE_SAME_TIMEOUT by SD_TIMEOUT. */
export const FLUSH_PATIENCE = 2;
const WRITE_SAME_PATIENCE = 4;

export function patience({ operation, stage }: BlockRequest, { zeroing }: DiskParameters): number {
  if (stage === "flush") return FLUSH_PATIENCE;
  return operation === "write-zeroes" && zeroing === "write-same" ? WRITE_SAME_PATIENCE : 1;
}

/** Fills in CDBs; one for each disk, as it keeps scratch records. */
export class DiskCommands {
  readonly #short = new RangeCdb10(new Uint8Array(RangeCdb10.size));
  readonly #long = new RangeCdb16(new Uint8Array(RangeCdb16.size));
  readonly #unmap = new UnmapCdb(new Uint8Array(UnmapCdb.size));
  readonly #parameters = new UnmapParameters(new Uint8Array(UnmapParameters.size));

  /** READ or WRITE: 16 bytes long where the disk has more than 2^32 blocks. */
  transfer(command: Command, disk: DiskParameters, write: boolean, lba: number, blocks: number, fua: boolean): void {
    const flags = fua ? FUA : 0;
    if (disk.blocks > LBA_10 || blocks > BLOCKS_10) {
      this.#range16(command, write ? COMMANDS.write16.opcode : COMMANDS.read16.opcode, flags, lba, blocks);
    } else {
      this.#range10(command, write ? COMMANDS.write10.opcode : COMMANDS.read10.opcode, flags, lba, blocks);
    }
    command.direction = write ? "to-device" : "from-device";
  }

  /** SYNCHRONIZE CACHE(10) of all blocks. */
  synchronize(command: Command): void {
    this.#range10(command, COMMANDS.synchronizeCache10.opcode, 0, 0, 0);
    command.direction = "none";
  }

  /** WRITE SAME of one block of zeros, `unmap` where that may give the blocks back. */
  writeSame(command: Command, sixteen: boolean, unmap: boolean, lba: number, blocks: number): void {
    const flags = unmap ? UNMAP : 0;
    if (sixteen || lba > LBA_10 || blocks > BLOCKS_10) {
      this.#range16(command, COMMANDS.writeSame16.opcode, flags, lba, blocks);
    } else {
      this.#range10(command, COMMANDS.writeSame10.opcode, flags, lba, blocks);
    }
    command.direction = "to-device";
  }

  /** UNMAP of one range; its parameter list, which is to be written into the command's data. */
  unmap(command: Command, lba: number, blocks: number): Uint8Array {
    this.#unmap.opcode = COMMANDS.unmap.opcode;
    this.#unmap.parameterListLength = UnmapParameters.size;
    copyCdb(command, this.#unmap.bytes, "to-device");
    this.#parameters.dataLength = UnmapParameters.size - 2;
    this.#parameters.descriptorsLength = UnmapParameters.size - 8;
    this.#parameters.logicalBlockAddress = lba;
    this.#parameters.blocks = blocks;
    return this.#parameters.bytes;
  }

  #range10(command: Command, opcode: number, flags: number, lba: number, blocks: number): void {
    const cdb = this.#short;
    cdb.opcode = opcode;
    cdb.flags = flags;
    cdb.logicalBlockAddress = lba;
    cdb.blocks = blocks;
    copyCdb(command, cdb.bytes, "none");
  }

  #range16(command: Command, opcode: number, flags: number, lba: number, blocks: number): void {
    const cdb = this.#long;
    cdb.opcode = opcode;
    cdb.flags = flags;
    cdb.logicalBlockAddress = lba;
    cdb.blocks = blocks;
    copyCdb(command, cdb.bytes, "none");
  }
}

function copyCdb(command: Command, cdb: Uint8Array, direction: DataDirection): void {
  for (let i = 0; i < cdb.length; i++) command.cdb[i] = cdb[i];
  command.cdbLength = cdb.length;
  command.direction = direction;
}

/**
 * What the next command of a request needs pages of the adapter for: nothing, less than a block (a list, or the block that is to
 * be repeated), or all the bytes of its piece.
 */
export type OwnData = "none" | "block" | "piece";

export function ownData({ operation, stage, adapterPages }: BlockRequest, { zeroing }: DiskParameters): OwnData {
  if (stage === "flush") return "none";
  if (movesData(operation)) return adapterPages ? "none" : "piece";
  return operation === "write-zeroes" && zeroing === "write" ? "piece" : "block";
}

/** Whether a request of this kind moves the submitter's data. */
export function movesData(operation: BlockOperation): boolean {
  return operation === "read" || operation === "write";
}

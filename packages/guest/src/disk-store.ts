// Knows a guest's disk as a store of bytes: any offset and length, memory of any kind. Knows no SCSI.

import {
  type ByteStore,
  type Extent,
  noPlaces,
  StoreError,
  type StoreFeatures,
  type StoreOperation,
  type StoreRequest,
} from "@pvscsi/scsi";
import { fail, Places, Pool } from "@pvscsi/wire";
import type { BlockDevice, BlockParameters } from "./block-device.js";
import { type BlockOperation, BlockRequest } from "./block-request.js";
import { BLOCK_STATUS } from "./block-status.js";

const BLOCK_OPERATIONS: { readonly [Operation in Exclude<StoreOperation, "extents" | "change-key">]: BlockOperation } =
  {
    read: "read",
    write: "write",
    flush: "flush",
    discard: "discard",
    "write-zeroes": "write-zeroes",
  };

/** A run of bytes of a request: whole blocks, or part of one. */
interface Part {
  readonly offset: number;
  readonly length: number;
}

/**
 * The store that a guest's disk is. Requests on whole blocks become block requests at once. A write that changes only
 * part of a block reads that block first; it runs alone among the writes, or it would undo one.
 */
export class DiskStore implements ByteStore {
  readonly #disk: BlockDevice;
  readonly #requests: Pool<BlockRequest>;
  /** Writes under way, and those that wait for the one that runs alone. */
  #writes = 0;
  #alone = false;
  readonly #waiting: StoreRequest[] = [];
  /** Requests that have not ended. */
  #underWay = 0;
  #closing = false;
  #idle: (() => void) | null = null;
  #resized: (() => void) | null = null;
  /** Made once for the parameters they were made from: they are asked for with every request. */
  #features: StoreFeatures;
  #described: BlockParameters;

  constructor(disk: BlockDevice) {
    this.#disk = disk;
    this.#requests = new Pool(() => new BlockRequest());
    this.#described = disk.parameters;
    this.#features = featuresOf(disk.parameters);
  }

  get size(): number {
    return this.#disk.size;
  }

  get features(): StoreFeatures {
    const { parameters } = this.#disk;
    if (parameters !== this.#described) {
      this.#described = parameters;
      this.#features = featuresOf(parameters);
    }
    return this.#features;
  }

  get resized(): (() => void) | null {
    return this.#resized;
  }

  set resized(resized: (() => void) | null) {
    const { resizeListeners } = this.#disk;
    if (this.#resized !== null) resizeListeners.delete(this.#resized);
    if (resized !== null) resizeListeners.add(resized);
    this.#resized = resized;
  }

  submit(request: StoreRequest): void {
    const { operation } = request;
    const refusal = this.#refusal(request);
    if (refusal !== null) return request.end(refusal);
    this.#underWay += 1;
    if (operation === "extents") return void this.#findExtents(request);
    if (operation === "read" || operation === "flush") return this.#begin(request);
    if (this.#alone || this.#waiting.length > 0) this.#waiting.push(request);
    else this.#beginWrite(request);
  }

  #refusal({ operation, offset, length }: StoreRequest): StoreError | null {
    if (this.#closing) return new StoreError("hardware", `${operation} after close of ${this.#disk.name}`);
    if (operation === "flush" || (offset >= 0 && offset + length <= this.size)) return null;
    return new StoreError("out-of-range", `${operation} of ${offset}+${length} in ${this.size} bytes`);
  }

  #end(request: StoreRequest, error: StoreError | null): void {
    this.#underWay -= 1;
    request.end(error);
    if (this.#underWay === 0) this.#idle?.();
  }

  cancel(request: StoreRequest): void {
    const index = this.#waiting.indexOf(request);
    if (index >= 0) {
      this.#waiting.splice(index, 1);
      return this.#end(request, new StoreError("cancelled", "cancelled before it began"));
    }
    const waiting = this.#disk.findWaiting(request);
    if (waiting !== null) this.#disk.cancel(waiting);
  }

  /** Ends when all is on the medium, and throws `StoreError` when it is not; the disk stays the guest's. */
  async close(): Promise<void> {
    this.#closing = true;
    this.resized = null;
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    const error = await this.#transfer("flush", { offset: 0, length: 0 }, noPlaces, false);
    if (error !== null) throw error;
  }

  /** Holes are what reads as zeros because nothing backs it; all is data where the disk cannot tell. */
  async #findExtents(request: StoreRequest): Promise<void> {
    const { offset, length } = request;
    const runs = this.features.discard ? await this.#runsFrom(offset) : null;
    const extents: Extent[] = [];
    let at = offset;
    for (const run of runs ?? []) {
      const end = Math.min(offset + length, run.end);
      if (end > at) extents.push({ offset: at, length: end - at, state: run.deallocated ? "hole" : "data" });
      at = Math.max(at, end);
    }
    request.extents = extents.length > 0 ? extents : [{ offset, length, state: "data" }];
    this.#end(request, null);
  }

  async #runsFrom(offset: number): Promise<{ readonly end: number; readonly deallocated: boolean }[] | null> {
    const { blockSize } = this.#disk.parameters;
    const runs = await this.#disk.lbaStatus(Math.floor(offset / blockSize));
    return runs?.map(({ block, blocks, deallocated }) => ({ end: (block + blocks) * blockSize, deallocated })) ?? null;
  }

  #isWhole({ offset, length }: Part): boolean {
    const { blockSize } = this.#disk.parameters;
    return offset % blockSize === 0 && length % blockSize === 0;
  }

  #begin(request: StoreRequest): void {
    if (request.operation === "flush" || this.#isWhole(request)) this.#pass(request);
    else void this.#readParts(request);
  }

  #beginWrite(request: StoreRequest): void {
    if (this.#isWhole(request)) {
      this.#writes += 1;
      this.#pass(request);
    } else if (this.#writes > 0) {
      this.#waiting.push(request);
    } else {
      this.#alone = true;
      void this.#writeParts(request);
    }
  }

  /** One block request for one store request. */
  #pass(request: StoreRequest): void {
    const block = this.#requests.take();
    block.operation = this.#blockOperation(request);
    block.offset = request.offset;
    block.length = request.length;
    block.places = request.places;
    block.fua = request.fua;
    block.context = request;
    block.completed = this.#passed;
    this.#disk.submit(block);
  }

  /** Blocks that are given back in part may keep their bytes; those of a store read as zeros. */
  #blockOperation({ operation, offset, length }: StoreRequest): BlockOperation {
    if (operation === "extents") return "read";
    if (operation === "change-key") return fail("a guest does not change its disk's key");
    if (operation !== "discard") return BLOCK_OPERATIONS[operation];
    const { discardGranularity, blockSize } = this.#disk.parameters;
    const granule = Math.max(1, discardGranularity) * blockSize;
    return this.features.discard && offset % granule === 0 && length % granule === 0 ? "discard" : "write-zeroes";
  }

  readonly #passed = (block: BlockRequest): void => {
    const request = block.context as StoreRequest;
    const { operation, failure } = block;
    const error = errorOf(block);
    const write = operation !== "read" && operation !== "flush";
    block.places = noPlaces;
    block.context = null;
    this.#requests.giveBack(block);
    // The disk has just been found not to give blocks back after all.
    if (operation === "discard" && failure === BLOCK_STATUS.notSupported) return this.#pass(request);
    if (write) this.#writes -= 1;
    this.#end(request, error);
    if (write) this.#continue();
  };

  /** Lets writes go on that waited. */
  #continue(): void {
    while (!this.#alone && this.#waiting.length > 0) {
      const [request] = this.#waiting;
      if (this.#writes > 0 && !this.#isWhole(request)) return;
      this.#waiting.shift();
      this.#beginWrite(request);
    }
  }

  /** Reads the blocks that cover the bytes, and copies out what was asked for. */
  async #readParts(request: StoreRequest): Promise<void> {
    const cover = this.#cover(request);
    const bytes = new Uint8Array(cover.length);
    const error = await this.#transfer("read", cover, placesOf(bytes), false);
    const from = request.offset - cover.offset;
    if (error === null) request.places.write(bytes.subarray(from, from + request.length));
    this.#end(request, error);
  }

  async #writeParts(request: StoreRequest): Promise<void> {
    let error: StoreError | null = null;
    for (const part of this.#split(request)) error ??= await this.#writePart(request, part);
    this.#alone = false;
    this.#end(request, error);
    this.#continue();
  }

  #writePart(request: StoreRequest, part: Part): Promise<StoreError | null> {
    if (!this.#isWhole(part)) return this.#merge(request, part);
    if (request.operation !== "write") return this.#transfer("write-zeroes", part, noPlaces, request.fua);
    const places = new Places();
    places.select(request.places, part.offset - request.offset, part.length);
    return this.#transfer("write", part, places, request.fua);
  }

  /** Reads a block, changes part of it, writes it back. */
  async #merge(request: StoreRequest, part: Part): Promise<StoreError | null> {
    const cover = this.#cover(part);
    const bytes = new Uint8Array(cover.length);
    const error = await this.#transfer("read", cover, placesOf(bytes), false);
    if (error !== null) return error;
    const changed = bytes.subarray(part.offset - cover.offset, part.offset - cover.offset + part.length);
    if (request.operation === "write") request.places.read(changed, part.offset - request.offset);
    else changed.fill(0);
    return this.#transfer("write", cover, placesOf(bytes), request.fua);
  }

  #cover({ offset, length }: Part): Part {
    const { blockSize } = this.#disk.parameters;
    const start = offset - (offset % blockSize);
    return { offset: start, length: Math.ceil((offset + length) / blockSize) * blockSize - start };
  }

  /** What lies before the first whole block, the whole blocks, and what lies behind them. */
  #split({ offset, length }: Part): Part[] {
    const { blockSize } = this.#disk.parameters;
    const end = offset + length;
    const first = Math.min(end, Math.ceil(offset / blockSize) * blockSize);
    const last = Math.max(first, end - (end % blockSize));
    const edges = [offset, first, last, end];
    return edges
      .slice(1)
      .map((edge, i) => ({ offset: edges[i], length: edge - edges[i] }))
      .filter((part) => part.length > 0);
  }

  #transfer(operation: BlockOperation, part: Part, places: Places, fua: boolean): Promise<StoreError | null> {
    return new Promise((resolve) => {
      const block = this.#requests.take();
      block.operation = operation;
      block.offset = part.offset;
      block.length = part.length;
      block.places = places;
      block.fua = fua;
      block.completed = (done) => {
        const error = errorOf(done);
        this.#requests.giveBack(done);
        resolve(error);
      };
      this.#disk.submit(block);
    });
  }
}

function featuresOf(parameters: BlockParameters): StoreFeatures {
  const { readOnly, writeCache, discard, discardReadsZeros, physicalBlockSize } = parameters;
  return {
    readOnly,
    writeBack: writeCache,
    discard: discard !== "none" && discardReadsZeros,
    optimalIo: physicalBlockSize,
  };
}

function placesOf(bytes: Uint8Array): Places {
  const places = new Places();
  places.add(bytes, 0, bytes.length);
  return places;
}

function errorOf({ operation, failure, failedAt }: BlockRequest): StoreError | null {
  if (failure === null) return null;
  return new StoreError(failure.failure, `${operation}: ${failure.words} error`, { offset: failedAt });
}

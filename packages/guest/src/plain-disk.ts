// Knows a disk that is no SCSI device: how block requests become requests of its adapter, and what a failed one means.
// Knows no driver.

import { type BlockAdapter, noPlaces, StoreRequest } from "@pvscsi/scsi";
import { Places, Pool } from "@pvscsi/wire";
import { type BlockDevice, type BlockParameters, failRequest, noteFailure, refusalOf } from "./block-device.js";
import { type BlockRequest, OPERATION_TEXT } from "./block-request.js";
import { BLOCK_STATUS } from "./block-status.js";
import { copyPlaces } from "./copy-places.js";
import { movesData, type TransferLimits, transferPiece } from "./disk-commands.js";
import { SECTOR } from "./disk-parameters.js";
import type { LbaRun } from "./lba-status.js";
import type { FailureReport } from "./report.js";
import { PAGE } from "./request.js";
import { WaitingRequests } from "./waiting-requests.js";

/** A part of a block request on its way: the adapter's request, with pages for data that lies elsewhere. */
class Piece {
  pooled = true;
  readonly request = new StoreRequest();
  readonly #adapter: BlockAdapter;
  readonly #pages: Uint8Array[] = [];
  readonly #places = new Places();
  work: BlockRequest | null = null;
  from = 0;

  constructor(adapter: BlockAdapter, completed: (request: StoreRequest) => void) {
    this.#adapter = adapter;
    this.request.completed = completed;
    this.request.context = this;
  }

  get places(): Places {
    return this.#places;
  }

  /** Room in pages of its own for so many bytes, or for fewer where the adapter has no more memory. */
  room(length: number): number {
    const wanted = Math.ceil(length / PAGE);
    for (let missing = wanted - this.#pages.length; missing > 0; missing = Math.floor(missing / 2)) {
      try {
        this.#pages.push(...this.#adapter.allocate(missing));
        break;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
    return Math.min(length, this.#pages.length * PAGE);
  }

  /** Makes the data `length` bytes of its own pages, which have that room. */
  usePages(length: number): void {
    this.#places.clear();
    for (let i = 0, left = length; left > 0; i++, left -= PAGE) {
      this.#places.add(this.#pages[i], 0, Math.min(PAGE, left));
    }
  }

  freePages(): void {
    this.#adapter.free(this.#pages);
    this.#pages.length = 0;
  }
}

export class PlainDisk implements BlockDevice {
  /** `vda`. */
  readonly name: string;
  readonly adapter: BlockAdapter;
  readonly resizeListeners = new Set<() => void>();
  #parameters: BlockParameters;
  readonly #limits: TransferLimits;
  readonly #report: FailureReport;
  readonly #requests = new WaitingRequests();
  readonly #pieces: Pool<Piece>;
  readonly #made: Piece[] = [];
  #underWay = 0;
  #pumping = false;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(name: string, adapter: BlockAdapter, report: FailureReport) {
    const { maxTransfer, maxSegments, blockSize } = adapter.limits;
    this.name = name;
    this.adapter = adapter;
    this.#report = report;
    this.#parameters = parametersOf(adapter);
    this.#limits = { bytes: maxTransfer - (maxTransfer % blockSize), segments: maxSegments };
    this.#pieces = new Pool(() => this.#newPiece());
  }

  get parameters(): BlockParameters {
    return this.#parameters;
  }

  get size(): number {
    return this.#parameters.blocks * this.#parameters.blockSize;
  }

  /** The adapter has another size. */
  resized(): void {
    this.#parameters = parametersOf(this.adapter);
    for (const listener of [...this.resizeListeners]) listener();
  }

  allocate(pages: number): Uint8Array[] {
    return this.adapter.allocate(pages);
  }

  free(pages: readonly Uint8Array[]): void {
    this.adapter.free(pages);
  }

  /** Nobody can be asked. */
  async lbaStatus(): Promise<LbaRun[] | null> {
    return null;
  }

  submit(request: BlockRequest): void {
    request.failure = null;
    request.issued = 0;
    request.commands = 0;
    const { writeCache } = this.#parameters;
    request.stage = request.operation === "flush" ? "flush" : "data";
    request.flushAfter = request.fua && writeCache;
    const refusal = this.#stopped ? BLOCK_STATUS.io : refusalOf(request, this);
    if (refusal !== null) return failRequest(request, refusal);
    // Nothing to write back, or nothing to do.
    if (request.operation === "flush" ? !writeCache : request.length === 0) return request.completed(request);
    this.#requests.append(request);
    this.#pump();
  }

  findWaiting(context: unknown): BlockRequest | null {
    return this.#requests.find(context);
  }

  cancel(request: BlockRequest): boolean {
    if (!this.#requests.withdraw(request)) return false;
    failRequest(request, BLOCK_STATUS.cancelled);
    return true;
  }

  /** Takes no request from now on; resolves when all it has taken have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#underWay > 0 || this.#requests.first !== null)
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    for (const piece of this.#made) piece.freePages();
  }

  /** Makes pieces of what waits, for as long as the adapter has room. Completions on this stack only mark. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (let first = this.#requests.first; first !== null; first = this.#requests.first) {
        if (this.#drop(first)) continue;
        if (this.#underWay >= this.adapter.limits.queueDepth || !this.#issue(first)) break;
      }
    } finally {
      this.#pumping = false;
    }
    if (this.#underWay > 0 || this.#requests.first !== null) return;
    const idle = this.#idle;
    if (idle.length === 0) return;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** Takes a request out that failed while parts of it still waited. */
  #drop(request: BlockRequest): boolean {
    if (request.failure === null) return false;
    this.#requests.removeFirst(request);
    if (request.commands === 0) this.#ended(request);
    return true;
  }

  /** False when there is no memory for it until something has ended. */
  #issue(work: BlockRequest): boolean {
    const piece = this.#pieces.take();
    const { request } = piece;
    const flush = work.stage === "flush";
    const length = flush ? 0 : this.#lengthWithRoom(piece, work);
    if (length === 0 && !flush) {
      this.#pieces.giveBack(piece);
      if (this.#underWay > 0) return false;
      noteFailure(work, BLOCK_STATUS.io, work.offset + work.issued);
      return true;
    }
    piece.work = work;
    piece.from = work.issued;
    request.operation = flush ? "flush" : work.operation;
    request.offset = flush ? 0 : work.offset + work.issued;
    request.length = length;
    request.places = noPlaces;
    if (!flush) this.#placeData(piece, work);
    work.issued += length;
    work.commands += 1;
    this.#underWay += 1;
    if (flush || work.issued === work.length) this.#requests.removeFirst(work);
    this.adapter.submit(request);
    return true;
  }

  #lengthWithRoom(piece: Piece, work: BlockRequest): number {
    const length = this.#pieceLength(work);
    if (!this.#sendsZeros(work) && (work.adapterPages || !movesData(work.operation))) return length;
    const room = piece.room(length);
    return room - (room % this.#parameters.blockSize);
  }

  /** Zeros are sent where the adapter cannot be asked for them. */
  #sendsZeros({ operation }: BlockRequest): boolean {
    return operation === "write-zeroes" && this.adapter.limits.maxWriteZeroes === 0;
  }

  #pieceLength(work: BlockRequest): number {
    const { maxDiscard, maxWriteZeroes, blockSize } = this.adapter.limits;
    const left = work.length - work.issued;
    if (work.operation === "discard") return Math.min(left, maxDiscard);
    if (work.operation === "write-zeroes") return Math.min(left, maxWriteZeroes || this.#limits.bytes);
    return Math.min(left, transferPiece(work, blockSize, this.#limits));
  }

  #placeData(piece: Piece, work: BlockRequest): void {
    const { request } = piece;
    const { operation, places, adapterPages } = work;
    const zeros = this.#sendsZeros(work);
    if (!movesData(operation) && !zeros) return;
    request.places = piece.places;
    if (zeros) request.operation = "write";
    if (adapterPages && !zeros) return piece.places.select(places, piece.from, request.length);
    piece.usePages(request.length);
    if (zeros) piece.places.fill(0);
    else if (operation === "write") copyPlaces(places, piece.from, piece.places, 0, request.length);
  }

  #completed(piece: Piece): void {
    const { request, from } = piece;
    const work = piece.work as BlockRequest;
    if (request.error !== null) this.#failed(piece, work);
    else if (request.operation === "read" && !work.adapterPages) {
      copyPlaces(piece.places, 0, work.places, from, request.length);
    }
    piece.work = null;
    work.commands -= 1;
    this.#underWay -= 1;
    const over = work.commands === 0 && !work.queued;
    this.#pieces.giveBack(piece);
    if (over) this.#ended(work);
    this.#pump();
  }

  #failed({ from, request }: Piece, work: BlockRequest): void {
    const flush = work.stage === "flush";
    const at = work.offset + from;
    const text = OPERATION_TEXT[flush ? "flush" : work.operation];
    this.#report.block(BLOCK_STATUS.io, this.name, flush ? 0 : Math.floor(at / SECTOR), text, request.places.count);
    noteFailure(work, BLOCK_STATUS.io, at);
  }

  #ended(work: BlockRequest): void {
    if (work.flushAfter && work.failure === null) {
      work.flushAfter = false;
      work.stage = "flush";
      this.#requests.append(work);
    } else {
      work.completed(work);
    }
  }

  #newPiece(): Piece {
    const piece = new Piece(this.adapter, () => this.#completed(piece));
    this.#made.push(piece);
    return piece;
  }
}

function parametersOf({ size, features, limits }: BlockAdapter): BlockParameters {
  const { blockSize, physicalBlockSize, maxDiscard, discardGranularity } = limits;
  return {
    blockSize,
    physicalBlockSize,
    blocks: Math.floor(size / blockSize),
    readOnly: features.readOnly,
    writeCache: features.writeBack && !features.readOnly,
    discard: maxDiscard > 0 ? "adapter" : "none",
    discardGranularity: discardGranularity / blockSize,
    discardReadsZeros: features.discard,
  };
}

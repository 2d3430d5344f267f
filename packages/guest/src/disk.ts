// Knows a disk's queue of block requests: how they become commands, and what a failed command means for its request.
// Knows no adapter's inside, no file, no network.

import { COMMANDS } from "@pvscsi/scsi";
import { never } from "@pvscsi/wire";
import { type BlockDevice, failRequest, noteFailure, refusalOf } from "./block-device.js";
import { type BlockRequest, OPERATION_TEXT } from "./block-request.js";
import { BLOCK_STATUS, type BlockStatus } from "./block-status.js";
import { copyPlaces } from "./copy-places.js";
import type { ScsiDevice } from "./device.js";
import {
  DiskCommands,
  movesData,
  ownData,
  patience,
  pieceLength,
  type TransferLimits,
  transferLimits,
} from "./disk-commands.js";
import { firstBadByte, isUnknownCommand } from "./disk-failure.js";
import { type DiskParameters, SECTOR, UNKNOWN_DISK } from "./disk-parameters.js";
import { askLbaStatus, type LbaRun } from "./lba-status.js";
import type { FailureReport } from "./report.js";
import { PAGE, type Request, type RequestOwner } from "./request.js";
import type { RequestQueue, Waiter } from "./request-queue.js";
import { WaitingRequests } from "./waiting-requests.js";

/** Retries of a disk's commands (Linux's SD_MAX_RETRIES). */
const RETRIES = 5;

export class Disk implements BlockDevice, RequestOwner, Waiter {
  readonly name: string;
  readonly device: ScsiDevice;
  /** Milliseconds a command may take. */
  timeout: number;
  waiting = false;
  nextWaiter: Waiter | null = null;
  readonly resizeListeners = new Set<() => void>();
  readonly #queue: RequestQueue;
  readonly #report: FailureReport;
  readonly #commands = new DiskCommands();
  #parameters: DiskParameters = UNKNOWN_DISK;
  #limits: TransferLimits;
  readonly #requests = new WaitingRequests();
  #pumping = false;
  /** Commands under way. */
  #underWay = 0;
  #idle: (() => void)[] = [];
  #stopped = false;

  constructor(name: string, device: ScsiDevice, queue: RequestQueue, report: FailureReport, timeout: number) {
    this.name = name;
    this.device = device;
    this.timeout = timeout;
    this.#queue = queue;
    this.#limits = transferLimits(UNKNOWN_DISK, queue.adapter.limits);
    this.#report = report;
  }

  get parameters(): DiskParameters {
    return this.#parameters;
  }

  set parameters(parameters: DiskParameters) {
    const before = this.size;
    this.#parameters = parameters;
    this.#limits = transferLimits(parameters, this.#queue.adapter.limits);
    if (before !== this.size) for (const listener of [...this.resizeListeners]) listener();
  }

  get size(): number {
    return this.#parameters.blocks * this.#parameters.blockSize;
  }

  allocate(pages: number): Uint8Array[] {
    return this.#queue.adapter.allocate(pages);
  }

  free(pages: readonly Uint8Array[]): void {
    this.#queue.adapter.free(pages);
  }

  lbaStatus(block: number): Promise<LbaRun[] | null> {
    return askLbaStatus(this.#queue, this.device, block);
  }

  submit(request: BlockRequest): void {
    request.failure = null;
    request.issued = 0;
    request.commands = 0;
    const { writeCache, forceUnitAccess } = this.#parameters;
    request.forceUnitAccess = request.fua && forceUnitAccess && request.operation === "write";
    request.stage = request.operation === "flush" ? "flush" : "data";
    request.flushAfter = request.fua && writeCache && !request.forceUnitAccess;
    const refusal = this.#stopped ? BLOCK_STATUS.io : refusalOf(request, this);
    if (refusal !== null) return failRequest(request, refusal);
    // Nothing to write back, or nothing to do: no command, as Linux's block layer has it.
    if (request.operation === "flush" ? !writeCache : request.length === 0) return request.completed(request);
    this.#requests.append(request);
    this.resume();
  }

  findWaiting(context: unknown): BlockRequest | null {
    return this.#requests.find(context);
  }

  cancel(request: BlockRequest): boolean {
    if (!this.#requests.withdraw(request)) return false;
    failRequest(request, BLOCK_STATUS.cancelled);
    return true;
  }

  /** Makes commands of what waits, for as long as the host has tags. Completions on this stack only mark. */
  resume(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (let first = this.#requests.first; first !== null && !this.waiting; first = this.#requests.first) {
        if (this.#drop(first)) continue;
        const command = this.#queue.take(this, this.#pagesFor(first));
        if (command === null) break;
        this.#issue(first, command);
      }
    } finally {
      this.#pumping = false;
    }
    if (this.#underWay === 0 && this.#requests.first === null) this.#tellIdle();
  }

  /** Takes a request out of the queue that failed while parts of it still waited, or that cannot be done any more. */
  #drop(request: BlockRequest): boolean {
    if (request.operation === "discard" && this.#parameters.discard === "none") {
      noteFailure(request, BLOCK_STATUS.notSupported, request.offset);
    }
    if (request.failure === null) return false;
    this.#requests.removeFirst(request);
    if (request.commands === 0) this.#ended(request);
    return true;
  }

  /** Pages that the data of a request's next command needs. */
  #pagesFor(request: BlockRequest): number {
    const kind = ownData(request, this.#parameters);
    if (kind !== "piece") return kind === "none" ? 0 : 1;
    return Math.ceil(pieceLength(request, this.#parameters, this.#limits) / PAGE);
  }

  /** Bytes that a request's next command can do with the pages it has got. */
  #lengthOf(request: BlockRequest, { pages, starved }: Request): number {
    if (request.stage === "flush") return 0;
    const length = pieceLength(request, this.#parameters, this.#limits);
    const isWhole = starved || ownData(request, this.#parameters) !== "piece";
    return isWhole ? length : Math.min(length, pages.length * PAGE);
  }

  #issue(request: BlockRequest, command: Request): void {
    const flush = request.stage === "flush";
    const bytes = this.#lengthOf(request, command);
    command.work = request;
    command.from = request.issued;
    command.bytes = bytes;
    command.owner = this;
    command.device = this.device;
    command.passThrough = false;
    const times = patience(request, this.#parameters);
    // A product may be boxed, and this runs for every command.
    command.timeout = times === 1 ? this.timeout : this.timeout * times;
    command.allowed = RETRIES;
    request.issued += bytes;
    request.commands += 1;
    this.#underWay += 1;
    if (flush || request.issued === request.length) this.#requests.removeFirst(request);
    this.#queue.start(command);
  }

  prepare(request: Request): void {
    const work = request.work as BlockRequest;
    const { command } = request;
    const { blockSize } = this.#parameters;
    const lba = (work.offset + request.from) / blockSize;
    const blocks = request.bytes / blockSize;
    request.address(this.device);
    request.borrowed = false;
    command.data.clear();
    const operation = work.stage === "flush" ? "flush" : work.operation;
    switch (operation) {
      case "flush":
        return this.#commands.synchronize(command);
      case "read":
      case "write":
        this.#commands.transfer(command, this.#parameters, operation === "write", lba, blocks, work.forceUnitAccess);
        return this.#placeData(request, work);
      case "discard":
        return this.#prepareDiscard(request, lba, blocks);
      case "write-zeroes":
        return this.#prepareZeroes(request, lba, blocks);
      default:
        return never(operation);
    }
  }

  #placeData(request: Request, { operation, places, adapterPages }: BlockRequest): void {
    const { command, from, bytes } = request;
    if (adapterPages) {
      command.data.select(places, from, bytes);
      request.borrowed = true;
      return;
    }
    request.usePages(bytes);
    if (operation === "write") copyPlaces(places, from, command.data, 0, bytes);
  }

  #prepareDiscard(request: Request, lba: number, blocks: number): void {
    const { command } = request;
    const { discard } = this.#parameters;
    if (discard !== "unmap") {
      this.#commands.writeSame(command, discard === "write-same-16", true, lba, blocks);
      return this.#placeZeros(request, this.#parameters.blockSize);
    }
    const list = this.#commands.unmap(command, lba, blocks);
    request.usePages(list.length);
    command.data.write(list);
  }

  #prepareZeroes(request: Request, lba: number, blocks: number): void {
    const { command } = request;
    const { zeroing, blockSize } = this.#parameters;
    // One that is prepared again has the pages of a WRITE SAME, though the disk has turned out not to know that meanwhile.
    if (zeroing === "write" && request.bytes <= request.pages.length * PAGE) {
      this.#commands.transfer(command, this.#parameters, true, lba, blocks, false);
      return this.#placeZeros(request, request.bytes);
    }
    const unmap = zeroing !== "write-same";
    this.#commands.writeSame(command, zeroing === "write-same-16-unmap", unmap, lba, blocks);
    this.#placeZeros(request, blockSize);
  }

  #placeZeros(request: Request, bytes: number): void {
    request.usePages(bytes);
    request.command.data.fill(0);
  }

  /** A command has ended for good: its piece of the block request too. */
  finished(command: Request, failure: BlockStatus | null): void {
    const work = command.work as BlockRequest;
    if (failure === null) this.#succeeded(command, work);
    else this.#failed(command, work, failure);
    work.commands -= 1;
    this.#underWay -= 1;
    // Decided first: giving the request back may resume this disk, and that may end the rest of the same work.
    const over = work.commands === 0 && !work.queued;
    this.#queue.giveBack(command);
    if (over) this.#ended(work);
    this.resume();
  }

  #succeeded(command: Request, work: BlockRequest): void {
    this.#report.recovered(this.name, command);
    const { from, bytes, borrowed } = command;
    if (work.operation === "read" && !borrowed) copyPlaces(command.command.data, 0, work.places, from, bytes);
    const { residual } = command.command;
    if (residual === 0 || work.stage === "flush" || !movesData(work.operation)) return;
    // Fewer bytes moved than were asked for, and the target did not say why.
    const at = work.offset + from + bytes - Math.min(residual, bytes);
    this.#report.block(BLOCK_STATUS.io, this.name, Math.floor(at / SECTOR), OPERATION_TEXT[work.operation], 1);
    noteFailure(work, BLOCK_STATUS.io, at);
  }

  #failed(command: Request, work: BlockRequest, failure: BlockStatus): void {
    if (this.#fallBack(command, work)) return;
    // Refused before it became a command.
    const refused = failure === BLOCK_STATUS.offline || failure === BLOCK_STATUS.resource;
    const at = refused ? work.offset + command.from : firstBadByte(command, work, this.#parameters);
    if (!refused) this.#report.command(this.name, command);
    const flush = work.stage === "flush";
    const text = OPERATION_TEXT[flush ? "flush" : work.operation];
    const segments = refused ? Math.ceil(command.bytes / PAGE) : command.command.data.count;
    this.#report.block(failure, this.name, flush ? 0 : Math.floor(at / SECTOR), text, segments);
    noteFailure(work, failure, at);
  }

  /** A disk that turns out not to know UNMAP or WRITE SAME is not asked again; zeros are then written as data. */
  #fallBack({ command }: Request, work: BlockRequest): boolean {
    if (!isUnknownCommand(command)) return false;
    if (work.operation === "discard") {
      this.#parameters = { ...this.#parameters, discard: "none" };
      noteFailure(work, BLOCK_STATUS.notSupported, work.offset);
      return true;
    }
    const opcode = command.cdb[0];
    if (opcode !== COMMANDS.writeSame10.opcode && opcode !== COMMANDS.writeSame16.opcode) return false;
    this.#parameters = { ...this.#parameters, zeroing: "write", maximumWriteSame: 0 };
    work.issued = 0;
    if (!work.queued) this.#requests.append(work);
    return true;
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

  /** Takes no request from now on; resolves when all it has taken have ended. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.idle();
  }

  /** Resolves when no command is under way and none waits. */
  idle(): Promise<void> {
    if (this.#underWay === 0 && this.#requests.first === null) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #tellIdle(): void {
    const idle = this.#idle;
    if (idle.length === 0) return;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

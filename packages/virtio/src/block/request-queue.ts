// Knows a request queue of virtio-blk: takes requests, has the store do them, answers (virtio 1.3, 5.2.6).

import { type ByteStore, type Nexus, Status, type StoreOperation, type StoreRequest, type Task } from "@pvscsi/scsi";
import { type Probes, ProtocolError, type Scheduler } from "@pvscsi/wire";
import { BLOCK_SECTOR, BlockRange, BlockRequestHeader, BlockResult, BlockType, RANGE_UNMAP } from "../abi/block.js";
import { Feature } from "../abi/features.js";
import type { DeviceRing } from "../device.js";
import { ExchangePool } from "../exchange-pool.js";
import { type QueueHandler, QueueServer } from "../queue-server.js";
import type { SplitDeviceQueue } from "../split-device-queue.js";
import type { BlockLimits } from "./config-space.js";
import { BlockExchange } from "./exchange.js";
import { readScsiCommand, writeScsiResult } from "./scsi-command.js";

/** What a request queue asks its device. */
export interface BlockQueueParts {
  readonly ring: DeviceRing;
  readonly features: bigint;
  readonly limits: BlockLimits;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly store: ByteStore;
  readonly readOnly: boolean;
  /** What GET_ID gives, as long as it is. */
  readonly id: Uint8Array;
  /** Where SCSI commands go, if any may be sent. */
  readonly nexus: Nexus | null;
}

/** A byte behind the data is the status. */
const STATUS = 1;

export class BlockRequestQueue implements QueueHandler {
  readonly #parts: BlockQueueParts;
  readonly #server: QueueServer;
  readonly #exchanges: ExchangePool<BlockExchange>;
  readonly #underWay: BlockExchange[] = [];
  readonly #status = new Uint8Array(STATUS);
  /** Bytes that a request may have. */
  readonly #most: number;
  /** Without FLUSH the driver has no way to make its writes durable: each is when it ends (5.2.6.2). */
  readonly #writeThrough: boolean;
  readonly #served = (request: StoreRequest): void => this.#requestEnded(request.context as BlockExchange);
  readonly #taskEnded = (task: Task): void => this.#commandEnded(task.context as BlockExchange);
  #tag = 0;

  /** Without a header nobody knows what is asked, without a status byte nobody could be told: as QEMU has it. */
  readonly #parse = (exchange: BlockExchange): void => {
    const { readable, writable } = exchange.chain;
    const out = readable.length - BlockRequestHeader.size;
    const room = writable.length - STATUS;
    if (out < 0 || room < 0)
      throw new ProtocolError(`a virtio-blk request of ${readable.length} and ${writable.length} bytes`);
    if (Math.max(out, room) > this.#most)
      throw new ProtocolError(`a virtio-blk request with ${Math.max(out, room)} bytes of data`);
    exchange.readHeader();
    if (out > 0) exchange.data.select(readable, BlockRequestHeader.size, out);
    else exchange.data.select(writable, 0, room);
  };

  /** Throws ProtocolError where the ring's areas cannot be those of a ring. */
  constructor(parts: BlockQueueParts) {
    this.#parts = parts;
    const { ring, features, limits, scheduler, store } = parts;
    this.#most = limits.segments * limits.segmentSize;
    this.#writeThrough = (features & Feature.blockFlush) === 0n && store.features.writeBack;
    this.#exchanges = new ExchangePool(() => this.#newExchange());
    this.#server = new QueueServer({ ring, features, scheduler, handler: this });
  }

  kick(): void {
    this.#server.kick();
  }

  stop(): Promise<number> {
    return this.#server.stop();
  }

  /** Asks the store to end what is under way. */
  abort(): void {
    for (const { atStore, request } of [...this.#underWay]) if (atStore) this.#parts.store.cancel(request);
  }

  takeOne(queue: SplitDeviceQueue): boolean {
    const exchange = this.#exchanges.takeFrom(queue, this.#parse);
    if (exchange === null) return false;
    exchange.index = this.#underWay.length;
    this.#underWay.push(exchange);
    this.#start(exchange);
    return true;
  }

  #start(exchange: BlockExchange): void {
    const { header, data } = exchange;
    if (this.#parts.probes.listening) this.#parts.probes.emit("virtio-blk:request", exchange);
    switch (header.type) {
      case BlockType.in:
        return this.#transfer(exchange, "read");
      case BlockType.out:
        return this.#transfer(exchange, "write");
      case BlockType.flush:
        return this.#submit(exchange, "flush", 0, 0);
      case BlockType.getId:
        if (!this.#isRoom(exchange)) return this.#answer(exchange, BlockResult.ioError);
        data.fill(0);
        data.write(this.#parts.id);
        return this.#answer(exchange, BlockResult.ok);
      case BlockType.discard:
        return this.#change(exchange, Feature.blockDiscard);
      case BlockType.writeZeroes:
        return this.#change(exchange, Feature.blockWriteZeroes);
      case BlockType.scsiCommand:
      case BlockType.scsiCommandOut:
        return this.#command(exchange);
      default:
        return this.#answer(exchange, BlockResult.unsupported);
    }
  }

  /** All data is room for what comes. */
  #isRoom({ chain: { readable } }: BlockExchange): boolean {
    return readable.length === BlockRequestHeader.size;
  }

  #transfer(exchange: BlockExchange, operation: "read" | "write"): void {
    const { chain, data, sector, request } = exchange;
    const { store, readOnly } = this.#parts;
    const reads = operation === "read";
    const wrongWay = reads ? !this.#isRoom(exchange) : chain.writable.length > STATUS;
    const offset = sector * BLOCK_SECTOR;
    const fits = data.length % BLOCK_SECTOR === 0 && offset + data.length <= store.size;
    if (wrongWay || !fits || (!reads && readOnly)) return this.#answer(exchange, BlockResult.ioError);
    if (data.length === 0) return this.#answer(exchange, BlockResult.ok);
    request.places = data;
    this.#submit(exchange, operation, offset, data.length);
  }

  /** DISCARD and WRITE_ZEROES: all ranges are checked before the first is changed. */
  #change(exchange: BlockExchange, feature: bigint): void {
    if ((this.#parts.features & feature) === 0n) return this.#answer(exchange, BlockResult.unsupported);
    if (this.#isRoom(exchange) || this.#parts.readOnly || !exchange.readRanges()) {
      return this.#answer(exchange, BlockResult.ioError);
    }
    // A flag that nobody knows, and UNMAP for what gives back anyway, is not supported (5.2.6.2).
    const known = feature === Feature.blockWriteZeroes ? RANGE_UNMAP : 0;
    for (let i = 0; i < exchange.count; i++) {
      const { flags, sectors } = exchange.range.at(i * BlockRange.size);
      if ((flags & ~known) !== 0) return this.#answer(exchange, BlockResult.unsupported);
      const beyond = (rangeSector(exchange) + sectors) * BLOCK_SECTOR > this.#parts.store.size;
      if (beyond || sectors > this.#parts.limits.rangeSectors) return this.#answer(exchange, BlockResult.ioError);
    }
    this.#changeNext(exchange);
  }

  #changeNext(exchange: BlockExchange): void {
    const { sectors, flags } = exchange.range.at(exchange.next * BlockRange.size);
    exchange.next += 1;
    const gives = exchange.header.type === BlockType.discard || (flags & RANGE_UNMAP) !== 0;
    const operation = gives && this.#parts.store.features.discard ? "discard" : "write-zeroes";
    this.#submit(exchange, operation, rangeSector(exchange) * BLOCK_SECTOR, sectors * BLOCK_SECTOR);
  }

  #submit(exchange: BlockExchange, operation: StoreOperation, offset: number, length: number): void {
    const { request } = exchange;
    request.operation = operation;
    request.offset = offset;
    request.length = length;
    request.fua = this.#writeThrough && operation !== "read" && operation !== "flush";
    exchange.atStore = true;
    this.#parts.store.submit(request);
  }

  #requestEnded(exchange: BlockExchange): void {
    const { request, header, next, count } = exchange;
    exchange.atStore = false;
    if (request.error !== null) return this.#answer(exchange, BlockResult.ioError);
    const ranges = header.type === BlockType.discard || header.type === BlockType.writeZeroes;
    if (ranges && next < count) this.#changeNext(exchange);
    else this.#answer(exchange, BlockResult.ok);
  }

  #command(exchange: BlockExchange): void {
    const { nexus, features } = this.#parts;
    if (nexus === null || (features & Feature.blockScsi) === 0n) return this.#answer(exchange, BlockResult.unsupported);
    const { task } = exchange;
    if (!readScsiCommand(exchange)) return this.#answer(exchange, BlockResult.ioError);
    this.#tag = (this.#tag + 1) >>> 0;
    task.tag = this.#tag;
    task.context = exchange;
    task.completed = this.#taskEnded;
    nexus.submit(task);
  }

  #commandEnded(exchange: BlockExchange): void {
    const { task } = exchange;
    if (task.aborted) return this.#answer(exchange, BlockResult.ioError);
    writeScsiResult(exchange);
    this.#finish(exchange, task.status === Status.good ? BlockResult.ok : BlockResult.ioError);
  }

  /** The status is behind the data and counts as written only with it: zeros stand where nothing came. */
  #answer(exchange: BlockExchange, result: number): void {
    if (result !== BlockResult.ok && this.#isRoom(exchange)) exchange.chain.writable.fill(0);
    this.#finish(exchange, result);
  }

  #finish(exchange: BlockExchange, result: number): void {
    const { chain } = exchange;
    const last = this.#underWay.pop() as BlockExchange;
    if (last !== exchange) {
      this.#underWay[exchange.index] = last;
      last.index = exchange.index;
    }
    this.#status[0] = result;
    chain.writable.write(this.#status, chain.writable.length - STATUS);
    if (this.#parts.probes.listening) this.#parts.probes.emit("virtio-blk:response", exchange);
    this.#server.finish(chain, chain.writable.length);
    this.#exchanges.giveBack(exchange);
  }

  #newExchange(): BlockExchange {
    const exchange = new BlockExchange(this.#parts.limits.ranges);
    exchange.request.completed = this.#served;
    return exchange;
  }
}

/** Where the range begins that the cursor is at. */
function rangeSector({ range }: BlockExchange): number {
  return range.sectorHigh * 2 ** 32 + range.sectorLow;
}

// Knows the virtio-blk driver as a block adapter: how a device is brought up, what its configuration means for requests,
// and what happens when it breaks. The order is that of virtio 1.3, 3.1.1, and of Linux' virtblk_probe.

import {
  type BlockAdapter,
  type BlockAdapterEvent,
  type BlockAdapterLimits,
  Command,
  HostByte,
  StoreError,
  type StoreFeatures,
  StoreRequest,
} from "@pvscsi/scsi";
import { nullProbes, type Probes, ProtocolError, Queue, type Scheduler } from "@pvscsi/wire";
import { BLOCK_ID_LENGTH, BLOCK_SECTOR, BlockConfig, BlockResult } from "../abi/block.js";
import { Feature, ringFeatures } from "../abi/features.js";
import { PAGE_SIZE } from "../arena.js";
import { QueueClient } from "../queue-client.js";
import { refuse } from "../scsi/answers.js";
import { SplitDriverQueue } from "../split-driver-queue.js";
import { DeviceUnusable, type TransportListener, type VirtioTransport } from "../transport.js";
import { type BlockSlot, type BlockWork, blockSlots, Identification, PASSED_CDB } from "./request-slots.js";

export interface BlockAdapterOptions {
  readonly transport: VirtioTransport;
  readonly scheduler: Scheduler;
  /** The device as its bus numbers it. */
  readonly device?: string;
  readonly probes?: Probes;
  /** Features that are used where the device has them. */
  readonly features?: bigint;
  /** Request queues that are used where the device has so many. */
  readonly queues?: number;
}

const WANTED =
  Feature.blockSegmentSize |
  Feature.blockSegments |
  Feature.blockReadOnly |
  Feature.blockSize |
  Feature.blockScsi |
  Feature.blockFlush |
  Feature.blockTopology |
  Feature.blockMultiQueue |
  Feature.blockDiscard |
  Feature.blockWriteZeroes |
  Feature.indirectDescriptors |
  Feature.eventIndex;
/** Descriptors of a request's ends: of a command there are CDB, sense data and result as well. */
const ENDS = 2;
const COMMAND_ENDS = 5;

type Config = InstanceType<typeof BlockConfig>;

export class VirtioBlkAdapter implements BlockAdapter, TransportListener {
  readonly driver = "virtio_blk";
  readonly letters = "vd";
  readonly device: string;
  readonly limits: BlockAdapterLimits;
  readonly features: StoreFeatures;
  readonly passesCommands: boolean;
  readonly #transport: VirtioTransport;
  readonly #probes: Probes;
  readonly #rings: SplitDriverQueue[] = [];
  readonly #clients: QueueClient[] = [];
  /** By queue: slots that are free, and all. */
  readonly #free: BlockSlot[][] = [];
  readonly #slots: BlockSlot[] = [];
  readonly #waiting = new Queue<BlockWork>();
  #size: number;
  #turn = 0;
  #state: "open" | "broken" | "closed" = "open";
  #listener: (event: BlockAdapterEvent) => void = () => {};

  /** Brings a device up. Rejects with DeviceUnusable where it is none that this driver can use. */
  static async probe(options: BlockAdapterOptions): Promise<VirtioBlkAdapter> {
    const { transport, features: wanted = WANTED } = options;
    await transport.reset();
    const offered = await transport.deviceFeatures();
    const legacy = (offered & Feature.version1) === 0n;
    // Nothing else is worth an old interface; this one's requests are the new one's, and SCSI commands.
    if (legacy && (offered & wanted & Feature.blockScsi) === 0n)
      throw new DeviceUnusable("a device of before virtio 1.0");
    const features = (offered & wanted) | (offered & Feature.version1);
    if (!(await transport.acceptFeatures(features))) throw new DeviceUnusable("the device refuses all its features");
    const config = new BlockConfig(await transport.readConfig(0, BlockConfig.size));
    const count = (features & Feature.blockMultiQueue) === 0n ? 1 : Math.min(config.numQueues, options.queues ?? 1);
    const sizes: number[] = [];
    for (let queue = 0; queue < count; queue++) sizes.push(await transport.queueSize(queue));
    if (sizes.length === 0 || sizes.includes(0)) throw new DeviceUnusable("a device without a queue");
    const adapter = new VirtioBlkAdapter(options, features, config, sizes);
    for (const [index, { size, areas }] of adapter.#rings.entries()) await transport.setUpQueue(index, size, areas);
    await transport.ready();
    return adapter;
  }

  private constructor(options: BlockAdapterOptions, features: bigint, config: Config, sizes: readonly number[]) {
    const { transport, scheduler, device = "virtio0", probes = nullProbes } = options;
    this.device = device;
    this.#transport = transport;
    this.#probes = probes;
    this.limits = limitsOf(config, features, Math.min(...sizes));
    this.#size = sizeOf(config);
    this.features = {
      readOnly: (features & Feature.blockReadOnly) !== 0n,
      writeBack: (features & Feature.blockFlush) !== 0n,
      // Nobody promises that what was discarded reads as zeros (5.2.6.2).
      discard: false,
      optimalIo: this.limits.physicalBlockSize,
    };
    this.passesCommands = (features & Feature.blockScsi) !== 0n;
    transport.listen(this);
    const { memory } = transport;
    for (const [index, size] of sizes.entries()) {
      const longest = this.limits.maxSegments + COMMAND_ENDS;
      const queue = new SplitDriverQueue({ size, memory, features: ringFeatures(features), longest });
      this.#rings.push(queue);
      this.#clients.push(
        new QueueClient({
          queue,
          scheduler,
          notify: () => transport.notify(index),
          used: (token) => this.#used(index, token as BlockSlot),
          drained: () => this.#submitWaiting(),
          broken: (error) => this.#break(error.message),
        }),
      );
      const slots = blockSlots(memory, size);
      this.#slots.push(...slots);
      this.#free.push(slots);
    }
  }

  get size(): number {
    return this.#size;
  }

  allocate(pages: number): Uint8Array[] {
    return this.#transport.memory.pages(pages);
  }

  free(pages: readonly Uint8Array[]): void {
    this.#transport.memory.free(pages);
  }

  submit(request: StoreRequest): void {
    if (this.#state !== "open") return request.end(gone(this.#state));
    if (this.#waiting.length > 0 || !this.#send(request)) this.#waiting.push(request);
  }

  pass(command: Command): void {
    if (this.#state !== "open") return refuse(command, HostByte.noConnect);
    if (!this.passesCommands || command.cdbLength > PASSED_CDB) return refuse(command, HostByte.error);
    if (this.#waiting.length > 0 || !this.#send(command)) this.#waiting.push(command);
  }

  async identity(): Promise<string> {
    const [page] = this.allocate(1);
    const identification = new Identification(page.subarray(0, BLOCK_ID_LENGTH));
    if (this.#state !== "open") identification.end(BlockResult.ioError);
    else if (this.#waiting.length > 0 || !this.#send(identification)) this.#waiting.push(identification);
    const result = await identification.ended;
    const text = String.fromCharCode(...identification.bytes).replace(/\0.*$/s, "");
    this.free([page]);
    if (result === BlockResult.unsupported) return "";
    if (result !== BlockResult.ok) throw new StoreError("hardware", `GET_ID ends with ${result}`);
    return text;
  }

  listen(listener: (event: BlockAdapterEvent) => void): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    // Only when the device has ended is the memory of what was under way the driver's again.
    await this.#transport.reset();
    this.#endAll();
    this.#listener({ kind: "closed", reason: "the adapter was closed" });
  }

  interrupt(queue: number): void {
    this.#clients[queue]?.run();
  }

  configChanged(): void {
    void this.#readCapacity();
  }

  needsReset(reason: string): void {
    this.#break(reason);
  }

  async #readCapacity(): Promise<void> {
    const size = sizeOf(new BlockConfig(await this.#transport.readConfig(0, BlockConfig.size)));
    if (this.#state !== "open" || size === this.#size) return;
    this.#size = size;
    this.#listener({ kind: "resized" });
  }

  /** Round the queues, so that each has its share; false when none has room. */
  #send(work: BlockWork): boolean {
    for (let i = 0; i < this.#clients.length; i++) {
      this.#turn = (this.#turn + 1) % this.#clients.length;
      const slot = this.#free[this.#turn].pop();
      if (slot === undefined) continue;
      slot.fill(work);
      if (this.#clients[this.#turn].add(slot.readable, slot.writable, slot)) return true;
      slot.work = null;
      this.#free[this.#turn].push(slot);
    }
    return false;
  }

  #submitWaiting(): void {
    while (this.#waiting.length > 0 && this.#send(this.#waiting.first())) this.#waiting.shift();
  }

  /** Throws ProtocolError when the device has given a slot back without a status. */
  #used(queue: number, slot: BlockSlot): void {
    const { status } = slot;
    const work = slot.work as BlockWork;
    if (status > BlockResult.unsupported) throw new ProtocolError(`a virtio-blk status of ${status}`);
    if (work instanceof Command) slot.readResult(work, status);
    slot.work = null;
    this.#free[queue].push(slot);
    if (work instanceof Command) work.completed(work);
    else if (work instanceof StoreRequest) work.end(errorOf(work, status));
    else work.end(status);
  }

  /** Nothing is believed any more that this device says. */
  #break(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "broken";
    this.#probes.emit("virtio-blk:broken", reason);
    this.#endAll();
    this.#listener({ kind: "closed", reason });
  }

  #endAll(): void {
    for (const client of this.#clients) client.close();
    for (const slot of this.#slots) {
      const { work } = slot;
      slot.work = null;
      if (work !== null) this.#giveUp(work);
    }
    while (this.#waiting.length > 0) this.#giveUp(this.#waiting.shift());
  }

  #giveUp(work: BlockWork): void {
    if (work instanceof Command) refuse(work, HostByte.noConnect);
    else if (work instanceof StoreRequest) work.end(gone(this.#state));
    else work.end(BlockResult.ioError);
  }
}

/** Bytes of the capacity, as far as numbers go. */
function sizeOf({ capacityHigh, capacityLow }: Config): number {
  return (
    Math.min(capacityHigh * 2 ** 32 + capacityLow, Math.floor(Number.MAX_SAFE_INTEGER / BLOCK_SECTOR)) * BLOCK_SECTOR
  );
}

/** What the configuration means for requests; a field whose feature is not there is not looked at. */
function limitsOf(config: Config, features: bigint, queueSize: number): BlockAdapterLimits {
  const has = (feature: bigint): boolean => (features & feature) !== 0n;
  const blockSize = has(Feature.blockSize) ? config.blkSize : BLOCK_SECTOR;
  const exponent = has(Feature.blockTopology) ? config.physicalBlockExponent : 0;
  if (!BLOCK_SIZES.has(blockSize) || exponent > MOST_EXPONENT) {
    throw new DeviceUnusable(`blocks of ${blockSize} bytes, ${exponent}`);
  }
  // No chain is longer than the ring, indirect or not (2.7.5.3.1).
  const ends = has(Feature.blockScsi) ? COMMAND_ENDS : ENDS;
  const segments = Math.min(has(Feature.blockSegments) ? config.segMax || 1 : 1, queueSize - ends);
  const whole = (sectors: number): number => {
    const bytes = sectors * BLOCK_SECTOR;
    return bytes - (bytes % blockSize);
  };
  return {
    queueDepth: queueSize,
    maxTransfer: segments * PAGE_SIZE,
    maxSegments: segments,
    maxDiscard: has(Feature.blockDiscard) ? whole(config.maxDiscardSectors) : 0,
    maxWriteZeroes: has(Feature.blockWriteZeroes) ? whole(config.maxWriteZeroesSectors) : 0,
    blockSize,
    physicalBlockSize: blockSize * 2 ** exponent,
    discardGranularity: Math.max(blockSize, config.discardSectorAlignment * BLOCK_SECTOR),
  };
}

const BLOCK_SIZES: ReadonlySet<number> = new Set([512, 1024, 2048, 4096]);
/** Linux takes physical blocks of any size; above this one a number would no more be one. */
const MOST_EXPONENT = 16;

function errorOf({ operation, offset, length }: StoreRequest, status: number): StoreError | null {
  if (status === BlockResult.ok) return null;
  const words = status === BlockResult.unsupported ? "is not supported" : "failed";
  return new StoreError("hardware", `${operation} of ${offset}+${length} ${words}`);
}

function gone(state: string): StoreError {
  return new StoreError("hardware", `the adapter is ${state}`);
}

// Knows the virtio-scsi driver as a host adapter: how a device is brought up, what its configuration means for commands,
// and what happens when it breaks. The order is that of virtio 1.3, 3.1.1, and of Linux' virtscsi_probe.

import {
  type AdapterEvent,
  type AdapterLimits,
  type AdapterListener,
  type AdapterManagement,
  type Command,
  type HostAdapter,
  HostByte,
  MAX_LUNS,
} from "@pvscsi/scsi";
import { fail, nullProbes, type Probes, Queue, type Scheduler } from "@pvscsi/wire";
import { Feature, ringFeatures } from "../abi/features.js";
import {
  CONTROL_QUEUE,
  DEFAULT_CDB_SIZE,
  DEFAULT_SENSE_SIZE,
  EVENT_QUEUE,
  FIRST_REQUEST_QUEUE,
  ScsiConfig,
} from "../abi/scsi.js";
import { PAGE_SIZE } from "../arena.js";
import { QueueClient } from "../queue-client.js";
import { SplitDriverQueue } from "../split-driver-queue.js";
import { DeviceUnusable, type TransportListener, type VirtioTransport } from "../transport.js";
import { refuse } from "./answers.js";
import { CommandQueue } from "./command-queue.js";
import { type CommandSlot, commandSlots } from "./command-slots.js";
import { type EventBuffer, EventClient } from "./event-client.js";
import { ManagementQueue, type ManagementSlot } from "./management-queue.js";
import { TARGETS } from "./target-table.js";

export interface ScsiAdapterOptions {
  readonly transport: VirtioTransport;
  readonly scheduler: Scheduler;
  readonly probes?: Probes;
  /** Features that are used where the device has them. */
  readonly features?: bigint;
  /** Request queues that are used where the device has so many. */
  readonly requestQueues?: number;
}

/** What a device was found to be. */
interface FoundDevice {
  readonly features: bigint;
  /** Of its queues, by index. */
  readonly sizes: readonly number[];
  readonly limits: AdapterLimits;
  readonly eventInfoSize: number;
}

const WANTED = Feature.scsiHotplug | Feature.scsiChange | Feature.indirectDescriptors | Feature.eventIndex;
/** Descriptors of a command's two headers. */
const HEADERS = 2;
/** Descriptors of a queue, as in QEMU at most: a device may offer 32768, whose tables take 64 MiB. */
const MOST_DESCRIPTORS = 1024;
const SECTOR = 512;
const SIZES = { cdb: DEFAULT_CDB_SIZE, sense: DEFAULT_SENSE_SIZE };

export class VirtioScsiAdapter implements HostAdapter, TransportListener {
  readonly name = "Virtio SCSI HBA";
  readonly driver = "virtio_scsi";
  readonly limits: AdapterLimits;
  readonly #transport: VirtioTransport;
  readonly #scheduler: Scheduler;
  readonly #probes: Probes;
  readonly #features: bigint;
  readonly #rings: SplitDriverQueue[] = [];
  readonly #requestQueues: CommandQueue[] = [];
  readonly #control: ManagementQueue;
  readonly #events: EventClient;
  /** By index: what an interrupt of that queue runs. */
  readonly #queues: { run(): void }[] = [];
  readonly #waiting = new Queue<Command>();
  #turn = 0;
  #state: "open" | "broken" | "closed" = "open";
  #listener: AdapterListener | null = null;
  #told: Promise<unknown> = Promise.resolve();

  /** Brings a device up. Rejects with DeviceUnusable where it is none that this driver can use. */
  static async probe(options: ScsiAdapterOptions): Promise<VirtioScsiAdapter> {
    const { transport, features: wanted = WANTED } = options;
    await transport.reset();
    const offered = await transport.deviceFeatures();
    if ((offered & Feature.version1) === 0n) throw new DeviceUnusable("a device of before virtio 1.0");
    const features = (offered & wanted) | Feature.version1;
    if (!(await transport.acceptFeatures(features))) throw new DeviceUnusable("the device refuses all its features");
    const bytes = await transport.readConfig(0, ScsiConfig.size);
    await writeSizes(transport);
    const config = new ScsiConfig(bytes);
    const requestQueues = Math.min(config.numQueues || 1, options.requestQueues ?? 1);
    const sizes = await queueSizes(transport, FIRST_REQUEST_QUEUE + requestQueues);
    const limits = limitsOf(config, Math.min(...sizes.slice(FIRST_REQUEST_QUEUE)));
    const { eventInfoSize } = config;
    const adapter = new VirtioScsiAdapter(options, { features, sizes, limits, eventInfoSize });
    await adapter.#start();
    return adapter;
  }

  private constructor(
    { transport, scheduler, probes = nullProbes }: ScsiAdapterOptions,
    { features, sizes, limits, eventInfoSize }: FoundDevice,
  ) {
    this.limits = limits;
    this.#transport = transport;
    this.#scheduler = scheduler;
    this.#probes = probes;
    this.#features = features;
    const { memory } = transport;
    transport.listen(this);
    this.#control = new ManagementQueue(
      this.#newClient(sizes, CONTROL_QUEUE, HEADERS, (token, written) =>
        this.#managed(token as ManagementSlot, written),
      ),
      memory,
    );
    this.#events = new EventClient(
      this.#newClient(sizes, EVENT_QUEUE, 1, (token, written) => this.#events.used(token as EventBuffer, written)),
      memory,
      eventInfoSize,
      (event) => this.#tell(event),
    );
    for (let index = FIRST_REQUEST_QUEUE; index < sizes.length; index++) this.#addRequestQueue(sizes, index);
  }

  allocate(pages: number): Uint8Array[] {
    return this.#transport.memory.pages(pages);
  }

  free(pages: readonly Uint8Array[]): void {
    this.#transport.memory.free(pages);
  }

  queue(command: Command): void {
    if (command.data.count > this.limits.maxSegments) {
      fail(`${command.data.count} segments of ${this.limits.maxSegments}`);
    }
    if (this.#state !== "open") return refuse(command, HostByte.noConnect);
    // It would be cut: a request's CDB has one size, and nothing says how much of it is meant.
    if (command.cdbLength > this.limits.maxCdb) return refuse(command, HostByte.error);
    if (this.#waiting.length > 0 || !this.#submit(command)) this.#waiting.push(command);
  }

  manage(management: AdapterManagement): void {
    const { victim } = management;
    if (this.#state !== "open") {
      management.succeeded = false;
      return management.completed(management);
    }
    if (victim !== null && this.#waiting.remove(victim)) {
      refuse(victim, HostByte.abort);
      management.succeeded = true;
      return management.completed(management);
    }
    this.#control.submit(management, victim === null ? NO_TAG : this.#tagOf(victim));
  }

  /** What is there at the beginning is found by a look at the whole bus, as by Linux' scsi_scan_host. */
  listen(listener: AdapterListener): void {
    this.#listener = listener;
    this.#tell({ kind: "bus-changed" });
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    // Only when the device has ended is the memory of what was under way the driver's again.
    await this.#transport.reset();
    this.#endAll(HostByte.noConnect);
    this.#tell({ kind: "closed", reason: "the adapter was closed" });
  }

  interrupt(queue: number): void {
    this.#queues[queue]?.run();
  }

  /** Nothing in it changes by itself: what is there is told by events. */
  configChanged(): void {}

  needsReset(reason: string): void {
    this.#break(reason);
  }

  async #start(): Promise<void> {
    for (const [index, { size, areas }] of this.#rings.entries()) {
      await this.#transport.setUpQueue(index, size, areas);
    }
    await this.#transport.ready();
    this.#events.post();
  }

  #addRequestQueue(sizes: readonly number[], index: number): void {
    const longest = this.limits.maxSegments + HEADERS;
    const client = this.#newClient(sizes, index, longest, (token, written) =>
      queue.used(token as CommandSlot, written),
    );
    const slots = commandSlots(this.#transport.memory, SIZES, this.limits.queueDepth, index << TAG_BITS);
    const queue = new CommandQueue(client, slots);
    this.#requestQueues.push(queue);
  }

  #newClient(
    sizes: readonly number[],
    index: number,
    longest: number,
    used: (token: unknown, written: number) => void,
  ): QueueClient {
    const { memory } = this.#transport;
    const queue = new SplitDriverQueue({ size: sizes[index], memory, features: ringFeatures(this.#features), longest });
    this.#rings[index] = queue;
    const client = new QueueClient({
      queue,
      scheduler: this.#scheduler,
      notify: () => this.#transport.notify(index),
      used,
      drained: () => this.#submitWaiting(),
      broken: (error) => this.#break(error.message),
    });
    this.#queues[index] = client;
    return client;
  }

  /** Round the queues, so that each has its share. */
  #submit(command: Command): boolean {
    if (this.#underWay >= this.limits.queueDepth) return false;
    for (let i = 0; i < this.#requestQueues.length; i++) {
      this.#turn = (this.#turn + 1) % this.#requestQueues.length;
      if (this.#requestQueues[this.#turn].submit(command)) return true;
    }
    return false;
  }

  get #underWay(): number {
    let count = 0;
    for (const queue of this.#requestQueues) count += queue.underWay;
    return count;
  }

  #submitWaiting(): void {
    while (this.#waiting.length > 0 && this.#submit(this.#waiting.first())) this.#waiting.shift();
    this.#control.submitWaiting();
  }

  /** The commands that a function has ended are complete before it is (virtio 1.3, 5.6.6.2; Linux' virtscsi_tmf). */
  #managed(slot: ManagementSlot, written: number): void {
    for (const queue of this.#requestQueues) queue.run();
    // It has ended already where one of them was found broken.
    if (this.#state !== "broken") this.#control.used(slot, written);
  }

  #tagOf(victim: Command): number {
    for (const queue of this.#requestQueues) {
      const slot = queue.find(victim);
      if (slot !== undefined) return slot.tag;
    }
    return NO_TAG;
  }

  /** Nothing is believed any more that this device says. */
  #break(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "broken";
    this.#probes.emit("virtio-scsi:broken", reason);
    this.#endAll(HostByte.error);
    this.#tell({ kind: "closed", reason });
  }

  #endAll(hostByte: number): void {
    this.#events.close();
    for (const queue of this.#requestQueues) queue.close(hostByte);
    this.#control.close();
    while (this.#waiting.length > 0) refuse(this.#waiting.shift(), hostByte);
  }

  /** Events go out in order, one at a time, and never on the stack of what caused them; resolves when it was heard. */
  #tell(event: AdapterEvent): Promise<unknown> {
    const listener = this.#listener;
    if (listener !== null) {
      this.#told = this.#told.then(() => listener(event)).catch((error) => this.#failed(event, error));
    }
    return this.#told;
  }

  #failed({ kind }: AdapterEvent, error: unknown): void {
    this.#probes.emit("virtio-scsi:message", `${kind}: ${error}`);
  }
}

/** The slots of a queue have the tags from its index, shifted by so many bits, on. */
const TAG_BITS = 16;
const NO_TAG = 0xffff_ffff;

/** Both sizes stay what they are after a reset; Linux writes them all the same (virtscsi_probe). */
async function writeSizes(transport: VirtioTransport): Promise<void> {
  const bytes = new Uint8Array(ScsiConfig.size);
  const config = new ScsiConfig(bytes);
  config.senseSize = SIZES.sense;
  config.cdbSize = SIZES.cdb;
  for (const field of ["senseSize", "cdbSize"] as const) {
    const at = ScsiConfig.offsets[field];
    await transport.writeConfig(at, bytes.subarray(at, at + 4));
  }
}

async function queueSizes(transport: VirtioTransport, queues: number): Promise<number[]> {
  const sizes: number[] = [];
  for (let queue = 0; queue < queues; queue++) {
    const most = await transport.queueSize(queue);
    if (most === 0) throw new DeviceUnusable(`a device without queue ${queue}`);
    const size = 2 ** Math.floor(Math.log2(Math.min(most, MOST_DESCRIPTORS)));
    if (!(size > HEADERS)) throw new DeviceUnusable(`a device whose queue ${queue} has ${most} descriptors`);
    sizes.push(size);
  }
  return sizes;
}

/** What the configuration means for commands; as in Linux, 0 counts as the least that works. No address names more. */
function limitsOf(config: InstanceType<typeof ScsiConfig>, queueSize: number): AdapterLimits {
  const { segMax, maxSectors, cmdPerLun, maxTarget, maxLun } = config;
  // No chain is longer than the ring, indirect or not (2.7.5.3.1).
  const segments = Math.min(segMax || 1, queueSize - HEADERS);
  return {
    queueDepth: Math.min(cmdPerLun || 1, queueSize),
    maxTransfer: Math.min((maxSectors || 0xffff) * SECTOR, segments * PAGE_SIZE),
    maxSegments: segments,
    maxCdb: SIZES.cdb,
    channels: 1,
    targets: Math.min(maxTarget + 1, TARGETS),
    luns: Math.min(maxLun + 1, MAX_LUNS),
  };
}

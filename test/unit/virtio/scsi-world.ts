// Knows how to drive a virtio-scsi device by hand: requests as bytes, answers as bytes, each queue for itself.

import { MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  CommandResponse,
  type DeviceRing,
  Feature,
  type GuestMemory,
  ManagementRequestBytes,
  NotificationRequest,
  PAGE_SIZE,
  ringFeatures,
  ScsiEvent,
  SplitDriverQueue,
  TargetTable,
  Used,
  VirtioScsiDevice,
  writeRequestLun,
} from "@pvscsi/virtio";
import { Places, type Runnable } from "@pvscsi/wire";
import { HoldingUnit, memoryDisk } from "../../support/scsi-devices.js";

export const BLOCKS = 64;
/** LUNs of target 0. */
export const DISK = 0;
export const HELD = 1;

export const QUEUE_SIZE = 16;
const HEADER = 19;
const CDB = 32;
const SENSE = 96;
/** The request queue that is used unless another is named. */
const REQUEST_QUEUE = 2;

export interface CommandWords {
  readonly cdb?: readonly number[];
  readonly target?: number;
  readonly lun?: number;
  /** All eight bytes, instead of target and LUN. */
  readonly lunBytes?: readonly number[];
  readonly tag?: number;
  readonly out?: Uint8Array;
  /** Bytes to read. */
  readonly in?: number;
  readonly queue?: number;
}

export interface Answer {
  readonly tag: number;
  readonly response: number;
  readonly status: number;
  readonly resid: number;
  readonly sense: readonly number[];
  readonly data: Uint8Array;
  readonly written: number;
}

interface Sent {
  readonly tag: number;
  readonly answer: Uint8Array;
  readonly data: Uint8Array;
}

export class ScsiWorld {
  readonly memory = new Arena(new ArrayBuffer(512 * PAGE_SIZE));
  readonly targets = new TargetTable();
  readonly store = new MemoryStore(BLOCKS * 512);
  readonly holding = new HoldingUnit();
  readonly device: VirtioScsiDevice;
  readonly failures: string[] = [];
  /** By queue: how often the driver was called. */
  readonly calls = [0, 0, 0, 0];
  readonly queues: SplitDriverQueue[] = [];
  readonly #ready: Runnable[] = [];
  features = 0n;

  constructor(requestQueues = 2) {
    this.targets.at(0).add(DISK, memoryDisk(this.store));
    this.targets.at(0).add(HELD, this.holding);
    const scheduler = { soon: (runnable: Runnable) => void this.#ready.push(runnable) };
    this.device = new VirtioScsiDevice({ targets: this.targets, scheduler, limits: { requestQueues } });
  }

  /** Negotiates and starts all queues, as a driver does between FEATURES_OK and DRIVER_OK. */
  start(features = Feature.version1 | Feature.scsiHotplug | Feature.scsiChange): this {
    this.features = features;
    this.device.setFeatures(features);
    for (let index = 0; index < this.device.queues; index++) this.startQueue(index);
    return this;
  }

  /** Sets a queue up; `seen` says what of the driver's memory the device sees, all of it unless told. */
  startQueue(index: number, seen: (queue: SplitDriverQueue) => GuestMemory = () => this.memory): void {
    const { memory } = this;
    const negotiated = ringFeatures(this.features);
    const queue = new SplitDriverQueue({ size: QUEUE_SIZE, memory, features: negotiated, longest: 8 });
    this.queues[index] = queue;
    this.device.start(index, this.#ring(index, queue, seen(queue)));
  }

  #ring(index: number, { areas, size }: SplitDriverQueue, memory: GuestMemory): DeviceRing {
    return {
      areas,
      size,
      base: 0,
      memory,
      call: () => {
        this.calls[index] += 1;
      },
      fail: (reason) => void this.failures.push(reason),
    };
  }

  /** Runs everything that is ready. */
  settle(): void {
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) next.run();
  }

  bytes(length: number): Uint8Array {
    return this.memory.range(length);
  }

  /** Adds chains of these pieces and kicks. */
  send(index: number, readable: readonly Uint8Array[], writable: readonly Uint8Array[], token: unknown = null): void {
    const queue = this.queues[index];
    if (!queue.add(placesOf(readable), placesOf(writable), token)) throw new Error("the ring is full");
    queue.publish();
    this.device.kick(index);
  }

  command({
    cdb = [0],
    target = 0,
    lun = DISK,
    lunBytes,
    tag = 1,
    out,
    in: length = 0,
    queue = REQUEST_QUEUE,
  }: CommandWords): void {
    const header = this.bytes(HEADER + CDB);
    writeRequestLun(header, 0, target, lun);
    if (lunBytes !== undefined) header.set(lunBytes);
    header[8] = tag;
    header.set(cdb, HEADER);
    const answer = this.bytes(CommandResponse.size + SENSE).fill(0xee);
    const data = this.bytes(length);
    const dataOut = out === undefined ? [] : [this.#copied(out)];
    this.send(queue, [header, ...dataOut], length > 0 ? [answer, data] : [answer], {
      tag,
      answer,
      data,
    } satisfies Sent);
  }

  /** All answers of a request queue that can be seen. */
  answers(queue = REQUEST_QUEUE): Answer[] {
    this.settle();
    return this.#used(queue).map(([token, written]) => answerOf(token as Sent, written));
  }

  /** Takes what a queue shows without letting anything run; returns how many that were. */
  shown(index: number): number {
    return this.#used(index).length;
  }

  /** Sends one command and returns its answer. */
  run(words: CommandWords): Answer {
    this.command(words);
    const [answer] = this.answers(words.queue);
    return answer;
  }

  manage(subtype: number, { target = 0, lun = HELD, tag = 1 } = {}): Uint8Array {
    const request = this.bytes(ManagementRequestBytes.size);
    const fields = new ManagementRequestBytes(request);
    fields.subtype = subtype;
    fields.tagLow = tag;
    writeRequestLun(request, ManagementRequestBytes.offsets.lun, target, lun);
    return this.control(request, 1);
  }

  /** An asynchronous notification query (1) or subscription (2). */
  notification(type: number, target = 0): Uint8Array {
    const request = this.bytes(NotificationRequest.size);
    const fields = new NotificationRequest(request);
    fields.type = type;
    fields.eventRequested = 0x7e;
    writeRequestLun(request, NotificationRequest.offsets.lun, target, DISK);
    return this.control(request, 5);
  }

  /** Sends a control request; its answer's bytes are 0xee until it is there. */
  control(request: Uint8Array, answerLength: number): Uint8Array {
    const answer = this.bytes(answerLength).fill(0xee);
    this.send(0, [request], [answer], answer);
    return answer;
  }

  /** Control answers that can be seen. */
  controlAnswers(): Uint8Array[] {
    this.settle();
    return this.#used(0).map(([token]) => token as Uint8Array);
  }

  /** Brings event buffers. */
  postEvents(count: number, length: number = ScsiEvent.size): void {
    for (let i = 0; i < count; i++) {
      const bytes = this.bytes(length);
      this.send(1, [], [bytes], bytes);
    }
  }

  /** Events that can be seen, of buffers that were written: event, LUN bytes in hex, reason. */
  events(): [event: number, lun: string, reason: number][] {
    this.settle();
    const written = this.#used(1).filter(([, length]) => length > 0);
    return written.map(([token]) => {
      const event = new ScsiEvent(token as Uint8Array);
      return [event.event, Buffer.from(event.lun).toString("hex"), event.reason];
    });
  }

  #used(index: number): [unknown, number][] {
    const used = new Used();
    const all: [unknown, number][] = [];
    while (this.queues[index].take(used)) all.push([used.token, used.written]);
    return all;
  }

  #copied(bytes: Uint8Array): Uint8Array {
    const copy = this.bytes(bytes.length);
    copy.set(bytes);
    return copy;
  }
}

export function placesOf(pieces: readonly Uint8Array[]): Places {
  const places = new Places();
  for (const piece of pieces) places.add(piece, 0, piece.length);
  return places;
}

function answerOf({ tag, answer, data }: Sent, written: number): Answer {
  const { response, status, resid, senseLen } = new CommandResponse(answer);
  const sense = [...answer.subarray(CommandResponse.size, CommandResponse.size + senseLen)];
  return { tag, response, status, resid, sense, data, written };
}

export const read10 = (lba: number, blocks: number): number[] => [0x28, 0, 0, 0, 0, lba, 0, 0, blocks, 0];
export const write10 = (lba: number, blocks: number): number[] => [0x2a, 0, 0, 0, 0, lba, 0, 0, blocks, 0];
/** Ends the unit attentions that a new nexus finds. */
export function ready(world: ScsiWorld): ScsiWorld {
  world.run({ lun: DISK });
  return world;
}

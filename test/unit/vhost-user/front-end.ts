// Knows how to be a front end of vhost-user by hand: messages as bytes, memory without a name, events, and a driver's end
// of each ring.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { MappedMemory, Native, UnixConnection } from "@pvscsi/native";
import { F_PROTOCOL_FEATURES, MESSAGES, type MessageName, ProtocolFeature } from "@pvscsi/vhost-user";
import { Arena, Feature, ringFeatures, SplitDriverQueue } from "@pvscsi/virtio";

export const GUEST_ADDRESS = 0x10_0000;
export const USER_ADDRESS = 0x7f00_0000_0000;
export const MEMORY = 1 << 20;
const NEED_REPLY = 8;
const VERSION = 1;
/** Milliseconds that an answer may take. */
const PATIENCE = 2000;

export interface Reply {
  readonly request: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

export interface RegionWords {
  readonly guest: number;
  readonly size: number;
  readonly user: number;
  readonly offset: number;
  readonly descriptor: number;
}

/** Waits until something is so; false when it has not become so in time. */
export async function until(condition: () => boolean, patience = PATIENCE): Promise<boolean> {
  for (const end = performance.now() + patience; performance.now() < end; await sleep(2)) if (condition()) return true;
  return condition();
}

export function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Mappings of memory that was made under that name. */
export function mappings(name: string): number {
  return readFileSync("/proc/self/maps", "utf8").split(`/memfd:${name} `).length - 1;
}

export function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

export function state(index: number, num: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(index, num).buffer);
}

export class FrontEnd {
  readonly native: Native;
  readonly connection: UnixConnection;
  readonly memory: MappedMemory;
  readonly file: number;
  readonly arena: Arena;
  readonly queues: SplitDriverQueue[] = [];
  readonly kicks: number[] = [];
  readonly calls: number[] = [];
  readonly errors: number[] = [];
  features = Feature.version1;
  readonly #bytes: number[] = [];
  ended = false;
  #closed = false;

  constructor(native: Native, connection: UnixConnection) {
    this.native = native;
    this.connection = connection;
    this.file = native.newMemory("guest", MEMORY);
    this.memory = native.mapFile(this.file, 0, MEMORY);
    this.arena = new Arena(this.memory.bytes.buffer as ArrayBuffer, GUEST_ADDRESS);
  }

  /** Sends a message. */
  send(
    name: MessageName,
    payload: Uint8Array = new Uint8Array(0),
    descriptors: readonly number[] = [],
    flags = 0,
  ): void {
    this.sendRaw(MESSAGES[name].id, VERSION | flags, payload.length, payload, descriptors);
  }

  /** Sends any header. */
  sendRaw(id: number, flags: number, size: number, payload: Uint8Array, descriptors: readonly number[] = []): void {
    const bytes = new Uint8Array(12 + payload.length);
    new Uint32Array(bytes.buffer, 0, 3).set([id, flags, size]);
    bytes.set(payload, 12);
    this.connection.send(bytes, descriptors);
  }

  /** Sends a message and returns its reply; throws when none comes. */
  async ask(name: MessageName, payload?: Uint8Array, descriptors?: readonly number[]): Promise<Reply> {
    this.send(name, payload, descriptors);
    return this.reply();
  }

  async value(name: MessageName, payload?: Uint8Array): Promise<bigint> {
    const reply = await this.ask(name, payload);
    return new DataView(reply.payload.buffer).getBigUint64(0, true);
  }

  /** Sends a message that is to be acknowledged; gives 0 when it was done. */
  async acknowledged(name: MessageName, payload?: Uint8Array, descriptors?: readonly number[]): Promise<bigint> {
    this.send(name, payload, descriptors, NEED_REPLY);
    return new DataView((await this.reply()).payload.buffer).getBigUint64(0, true);
  }

  async reply(): Promise<Reply> {
    if (!(await until(() => this.#receive() >= 12))) throw new Error("no reply");
    const [request, flags, size] = new Uint32Array(Uint8Array.from(this.#bytes.slice(0, 12)).buffer);
    if (!(await until(() => this.#receive() >= 12 + size))) throw new Error("half a reply");
    const payload = Uint8Array.from(this.#bytes.splice(0, 12 + size).slice(12));
    return { request, flags, payload };
  }

  get hasReply(): boolean {
    return this.#receive() > 0;
  }

  /** Reads what is answered until nothing has come for some turns. */
  async readAll(): Promise<void> {
    for (let quiet = 0; quiet < 5 && !this.ended; quiet++) {
      const before = this.#bytes.length;
      await new Promise(setImmediate);
      if (this.#receive() > before) quiet = 0;
    }
  }

  /** Whether the server has ended the connection. */
  async isEnded(): Promise<boolean> {
    return until(() => {
      this.#receive();
      return this.ended;
    });
  }

  /** Negotiates as QEMU does. */
  async negotiate(features = Feature.version1, protocol: bigint = ProtocolFeature.replyAcknowledge): Promise<void> {
    this.features = features;
    await this.value("getFeatures");
    await this.value("getProtocolFeatures");
    this.send("setProtocolFeatures", u64(protocol));
    this.send("setOwner");
    this.send("setFeatures", u64(features | F_PROTOCOL_FEATURES));
  }

  async setMemory(regions: readonly RegionWords[] = [this.wholeMemory]): Promise<bigint> {
    return this.acknowledged(
      "setMemoryTable",
      memoryTable(regions),
      regions.map(({ descriptor }) => descriptor),
    );
  }

  get wholeMemory(): RegionWords {
    return { guest: GUEST_ADDRESS, size: MEMORY, user: USER_ADDRESS, offset: 0, descriptor: this.file };
  }

  /** Sets a ring up and enables it. */
  startRing(index: number, size = 16, base = 0): void {
    this.queues[index] ??= this.newQueue(size);
    this.send("setVringNum", state(index, size));
    this.send("setVringBase", state(index, base));
    this.send("setVringAddress", this.addresses(index));
    this.sendEvents(index);
    this.send("setVringEnable", state(index, 1));
  }

  sendEvents(index: number): void {
    for (const list of [this.kicks, this.calls, this.errors]) list[index] ??= this.native.events.create();
    this.send("setVringError", u64(BigInt(index)), [this.errors[index]]);
    this.send("setVringKick", u64(BigInt(index)), [this.kicks[index]]);
    this.send("setVringCall", u64(BigInt(index)), [this.calls[index]]);
  }

  newQueue(size = 16): SplitDriverQueue {
    const negotiated = ringFeatures(this.features);
    return new SplitDriverQueue({ size, memory: this.arena, features: negotiated, longest: 8 });
  }

  addresses(index: number, change = 0): Uint8Array {
    const { descriptors, device, driver } = this.queues[index].areas;
    const bytes = new Uint8Array(40);
    new Uint32Array(bytes.buffer, 0, 1)[0] = index;
    const at = (area: Uint8Array): bigint => BigInt(USER_ADDRESS + area.byteOffset + change);
    new BigUint64Array(bytes.buffer, 8).set([at(descriptors), at(device), at(driver), 0n]);
    return bytes;
  }

  kick(index: number): void {
    this.queues[index].publish();
    this.native.events.signal(this.kicks[index]);
  }

  /** A second time it does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.close();
    for (const descriptor of [this.file, ...this.kicks, ...this.calls, ...this.errors]) {
      if (descriptor !== undefined) this.native.close(descriptor);
    }
    this.memory.release();
  }

  #receive(): number {
    const bytes = new Uint8Array(4096);
    const descriptors: number[] = [];
    try {
      const received = this.ended ? 0 : this.connection.receive(bytes, descriptors);
      if (received === 0) this.ended = true;
      for (let i = 0; i < received; i++) this.#bytes.push(bytes[i]);
    } catch {
      this.ended = true;
    }
    for (const descriptor of descriptors) this.native.close(descriptor);
    return this.#bytes.length;
  }
}

export function memoryTable(regions: readonly RegionWords[], count = regions.length): Uint8Array {
  const bytes = new Uint8Array(8 + 32 * regions.length);
  new Uint32Array(bytes.buffer, 0, 1)[0] = count;
  for (const [i, { guest, size, user, offset }] of regions.entries()) {
    new BigUint64Array(bytes.buffer, 8 + 32 * i, 4).set([guest, size, user, offset].map(BigInt));
  }
  return bytes;
}

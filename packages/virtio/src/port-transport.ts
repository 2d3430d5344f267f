// Knows how a driver reaches a device in another thread: calls as messages, notifications as numbers, and one memory
// that both have. Neither end believes what the other one says.

import { Places, ProtocolError } from "@pvscsi/wire";
import { RING_PARTS } from "./abi/split-ring.js";
import { Arena } from "./arena.js";
import type { VirtioDevice } from "./device.js";
import { DeviceHost } from "./device-host.js";
import type { RingAreas } from "./memory.js";
import { type DeviceCalls, DeviceUnusable, type TransportListener, type VirtioTransport } from "./transport.js";

/** One end of what two threads talk over: messages arrive in order, as structured clones. */
export interface MessageEnd {
  post(message: unknown): void;
  /** Sets who gets what the other end posts, and who is told when that has closed. */
  listen(heard: (message: unknown) => void, closed: () => void): void;
  /** The other end hears of it. */
  close(): void;
}

/** What a driver's end is made of; the buffer is shared, the end transferred. */
export interface PortLink<End> {
  readonly end: End;
  readonly buffer: SharedArrayBuffer;
}

/** Calls by name, and their words; of a queue's areas the addresses. */
type Call = keyof DeviceCalls;
interface CallMessage {
  readonly call: Call;
  readonly id: number;
  readonly words: readonly unknown[];
}
const CONFIG_CHANGED = "config";
type DeviceMessage =
  /** Used buffers in that queue. */
  number | { readonly id: number; readonly value: unknown } | typeof CONFIG_CHANGED | { readonly needsReset: string };

/** The driver's end. */
export class PortTransport implements VirtioTransport {
  readonly memory: Arena;
  readonly #end: MessageEnd;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #listener: TransportListener = { interrupt() {}, configChanged() {}, needsReset() {} };
  /** Notifications of both ends so far. */
  notifications = 0;
  #id = 0;
  #closed: string | null = null;

  constructor({ end, buffer }: PortLink<MessageEnd>) {
    this.memory = new Arena(buffer);
    this.#end = end;
    end.listen(
      (message) => this.#heard(message),
      () => this.#close("the thread of the device has ended"),
    );
  }

  listen(listener: TransportListener): void {
    this.#listener = listener;
  }

  /** Rejects no more when the device's thread is gone: it does nothing then. */
  async reset(): Promise<void> {
    if (this.#closed === null) await this.#call("reset").catch(() => {});
  }

  async deviceFeatures(): Promise<bigint> {
    const features = await this.#call("deviceFeatures");
    if (typeof features !== "bigint") throw new DeviceUnusable("no features");
    return features;
  }

  async acceptFeatures(features: bigint): Promise<boolean> {
    return (await this.#call("acceptFeatures", features)) === true;
  }

  async readConfig(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#call("readConfig", offset, length);
    if (!(bytes instanceof Uint8Array && bytes.length === length)) throw new DeviceUnusable("no configuration");
    return bytes;
  }

  async writeConfig(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#call("writeConfig", offset, bytes.slice());
  }

  async queueSize(queue: number): Promise<number> {
    const size = await this.#call("queueSize", queue);
    if (!isNumber(size, MAX_SIZE)) throw new DeviceUnusable(`no size of queue ${queue}`);
    return size;
  }

  async setUpQueue(queue: number, size: number, { descriptors, driver, device }: RingAreas): Promise<void> {
    const addresses = [descriptors, driver, device].map((area) => this.memory.addressOf(area));
    await this.#call("setUpQueue", queue, size, ...addresses);
  }

  async ready(): Promise<void> {
    await this.#call("ready");
  }

  notify(queue: number): void {
    if (this.#closed !== null) return;
    this.notifications += 1;
    this.#end.post(queue);
  }

  /** Ends the way to the device, which is closed with it. */
  close(): void {
    this.#close("the transport was closed");
    this.#end.close();
  }

  #call(call: Call, ...words: readonly unknown[]): Promise<unknown> {
    if (this.#closed !== null) return Promise.reject(new DeviceUnusable(this.#closed));
    const id = this.#id++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#end.post({ call, id, words } satisfies CallMessage);
    });
  }

  #heard(message: unknown): void {
    if (this.#closed !== null) return;
    if (typeof message === "number") {
      this.notifications += 1;
      return this.#listener.interrupt(message);
    }
    if (message === CONFIG_CHANGED) return this.#listener.configChanged();
    const { id, value, needsReset } = (message ?? {}) as { readonly [name: string]: unknown };
    if (typeof needsReset === "string") return this.#listener.needsReset(needsReset);
    const call = this.#calls.get(id as number);
    if (call === undefined) {
      this.#close("the device has sent what is no answer");
      return this.#end.close();
    }
    this.#calls.delete(id as number);
    call.resolve(value);
  }

  #close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const { reject } of this.#calls.values()) reject(new DeviceUnusable(reason));
    this.#calls.clear();
    this.#listener.needsReset(reason);
  }
}

/** The device's end: serves a driver until that closes its end, or breaks the protocol. */
export class PortServer {
  /** Resolves when the driver has gone and nothing is under way any more. */
  readonly ended: Promise<void>;
  readonly #end: MessageEnd;
  readonly #memory: Arena;
  readonly #host: DeviceHost;
  #finish!: () => void;
  /** Calls are answered one after the other: the last one, and how many wait. */
  #answered: Promise<void> = Promise.resolve();
  #calls = 0;
  #over = false;

  constructor(end: MessageEnd, buffer: SharedArrayBuffer, device: VirtioDevice) {
    this.#end = end;
    this.#memory = new Arena(buffer);
    this.#host = new DeviceHost(device, this.#memory, {
      interrupt: (queue) => this.#post(queue),
      configChanged: () => this.#post(CONFIG_CHANGED),
      needsReset: (needsReset) => this.#post({ needsReset }),
    });
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    end.listen(
      (message) => this.#heard(message),
      () => this.close(),
    );
  }

  /** Parts from the driver. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#end.close();
    void this.#answered.then(() => this.#host.close()).then(this.#finish);
  }

  #post(message: DeviceMessage): void {
    if (!this.#over) this.#end.post(message);
  }

  #heard(message: unknown): void {
    if (this.#over) return;
    if (typeof message === "number") return this.#host.kick(message);
    if (this.#calls === MOST_CALLS) return this.#part(`more than ${MOST_CALLS} calls that wait`);
    this.#calls += 1;
    this.#answered = this.#answered.then(() => this.#answer(message));
  }

  async #answer(message: unknown): Promise<void> {
    if (this.#over) return;
    try {
      const { call, id, words } = parseCall(message);
      this.#post({ id, value: await this.#run(call, words) });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#part(error.message);
    }
    this.#calls -= 1;
  }

  /** What the driver has broken ends its connection, and nothing else. */
  #part(reason: string): void {
    this.#post({ needsReset: reason });
    this.close();
  }

  /** Throws ProtocolError for words that are not a call's. */
  async #run(call: Call, words: readonly unknown[]): Promise<unknown> {
    switch (call) {
      case "reset":
      case "deviceFeatures":
      case "ready":
        return this.#host[call]();
      case "acceptFeatures":
        return this.#host.acceptFeatures(featuresOf(words[0]));
      case "readConfig":
        return this.#host.readConfig(numberOf(words[0], MAX_CONFIG), numberOf(words[1], MAX_CONFIG));
      case "writeConfig":
        return this.#host.writeConfig(numberOf(words[0], MAX_CONFIG), bytesOf(words[1]));
      case "queueSize":
        return this.#host.queueSize(numberOf(words[0], MAX_QUEUES));
      case "setUpQueue": {
        const [queue, size] = [numberOf(words[0], MAX_QUEUES), numberOf(words[1], MAX_SIZE)];
        return this.#host.setUpQueue(queue, size, this.#areasAt(words.slice(2), size));
      }
    }
  }

  #areasAt([descriptors, driver, device]: readonly unknown[], size: number): RingAreas {
    return {
      descriptors: this.#area(descriptors, RING_PARTS.descriptors.bytes(size)),
      driver: this.#area(driver, RING_PARTS.driver.bytes(size)),
      device: this.#area(device, RING_PARTS.device.bytes(size)),
    };
  }

  #area(address: unknown, length: number): Uint8Array {
    const places = new Places();
    if (!this.#memory.places(numberOf(address, Number.MAX_SAFE_INTEGER), length, places)) {
      throw new ProtocolError(`a ring outside of memory: ${address}+${length}`);
    }
    return places.view(0);
  }
}

const CALLS: ReadonlySet<unknown> = new Set<Call>([
  "reset",
  "deviceFeatures",
  "acceptFeatures",
  "readConfig",
  "writeConfig",
  "queueSize",
  "setUpQueue",
  "ready",
]);
/** Calls of one driver that wait for those before: ours waits for each answer. */
const MOST_CALLS = 16;
const MAX_CONFIG = 4096;
const MAX_QUEUES = 65535;
const MAX_SIZE = 32768;

function parseCall(message: unknown): CallMessage {
  const { call, id, words } = (message ?? {}) as Partial<CallMessage>;
  if (!CALLS.has(call) || typeof id !== "number" || !Array.isArray(words)) {
    throw new ProtocolError("a message that is no call");
  }
  return { call: call as Call, id, words };
}

function numberOf(word: unknown, most: number): number {
  if (isNumber(word, most)) return word;
  throw new ProtocolError(`${nameOf(word)} is no number up to ${most}`);
}

function isNumber(word: unknown, most: number): word is number {
  return typeof word === "number" && Number.isInteger(word) && word >= 0 && word <= most;
}

/** Not by its own methods: what was cloned may have none. */
function nameOf(word: unknown): string {
  return typeof word === "object" ? "an object" : String(word);
}

function featuresOf(word: unknown): bigint {
  if (typeof word === "bigint" && word >= 0n) return word;
  throw new ProtocolError(`${nameOf(word)} are no features`);
}

function bytesOf(word: unknown): Uint8Array {
  if (word instanceof Uint8Array && word.length <= MAX_CONFIG) return word;
  throw new ProtocolError("a configuration that is no bytes");
}

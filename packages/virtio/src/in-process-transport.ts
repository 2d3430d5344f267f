// Knows how a driver reaches a device in the same thread: calls both ways, each on a stack of its own.

import type { Runnable, Scheduler } from "@pvscsi/wire";
import type { Arena } from "./arena.js";
import { type DeviceRing, QUEUE_SIZE, type VirtioDevice } from "./device.js";
import type { RingAreas } from "./memory.js";
import type { TransportListener, VirtioTransport } from "./transport.js";

/** What runs soon, once, however often it is asked for before that. */
class Doorbell implements Runnable {
  readonly #scheduler: Scheduler;
  readonly #ring: () => void;
  #rung = false;

  constructor(scheduler: Scheduler, ring: () => void) {
    this.#scheduler = scheduler;
    this.#ring = ring;
  }

  push(): void {
    if (this.#rung) return;
    this.#rung = true;
    this.#scheduler.soon(this);
  }

  run(): void {
    this.#rung = false;
    this.#ring();
  }
}

export interface InProcessOptions {
  readonly device: VirtioDevice;
  readonly memory: Arena;
  readonly scheduler: Scheduler;
}

export class InProcessTransport implements VirtioTransport {
  readonly memory: Arena;
  readonly #device: VirtioDevice;
  readonly #scheduler: Scheduler;
  #listener: TransportListener = { interrupt() {}, needsReset() {} };
  readonly #rings = new Map<number, DeviceRing>();
  readonly #kicks: Doorbell[];
  #ready = false;

  constructor({ device, memory, scheduler }: InProcessOptions) {
    this.memory = memory;
    this.#device = device;
    this.#scheduler = scheduler;
    this.#kicks = Array.from(
      { length: device.queues },
      (_, index) => new Doorbell(scheduler, () => device.kick(index)),
    );
  }

  listen(listener: TransportListener): void {
    this.#listener = listener;
  }

  async reset(): Promise<void> {
    this.#device.reset();
    if (this.#ready) await Promise.all([...this.#rings.keys()].map((index) => this.#device.stop(index)));
    this.#rings.clear();
    this.#ready = false;
  }

  async deviceFeatures(): Promise<bigint> {
    return this.#device.features;
  }

  async acceptFeatures(features: bigint): Promise<boolean> {
    if ((features & ~this.#device.features) !== 0n) return false;
    this.#device.setFeatures(features);
    return true;
  }

  async readConfig(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    this.#device.config?.read(offset, bytes);
    return bytes;
  }

  async writeConfig(offset: number, bytes: Uint8Array): Promise<void> {
    const refused = this.#device.config?.write(offset, bytes) ?? null;
    if (refused !== null) this.#listener.needsReset(refused);
  }

  async queueSize(queue: number): Promise<number> {
    return queue < this.#device.queues ? QUEUE_SIZE : 0;
  }

  async setUpQueue(queue: number, size: number, areas: RingAreas): Promise<void> {
    const interrupt = new Doorbell(this.#scheduler, () => this.#listener.interrupt(queue));
    this.#rings.set(queue, {
      size,
      areas,
      base: 0,
      memory: this.memory,
      call: () => interrupt.push(),
      fail: (reason) => this.#listener.needsReset(reason),
    });
  }

  async ready(): Promise<void> {
    this.#ready = true;
    for (const [index, ring] of this.#rings) this.#device.start(index, ring);
  }

  notify(queue: number): void {
    if (this.#ready) this.#kicks[queue]?.push();
  }
}

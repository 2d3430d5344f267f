// Knows how a driver reaches a device in the same thread: calls both ways, each on a stack of its own.

import type { Runnable, Scheduler } from "@pvscsi/wire";
import type { Arena } from "./arena.js";
import type { VirtioDevice } from "./device.js";
import { DeviceHost } from "./device-host.js";
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

export class InProcessTransport extends DeviceHost implements VirtioTransport {
  readonly memory: Arena;
  readonly #driver: Driver;
  readonly #kicks: readonly Doorbell[];
  #notified = 0;

  constructor({ device, memory, scheduler }: InProcessOptions) {
    const driver = new Driver(scheduler, device.queues);
    super(device, memory, driver);
    this.memory = memory;
    this.#driver = driver;
    this.#kicks = bells(device.queues, scheduler, (queue) => this.kick(queue));
  }

  listen(listener: TransportListener): void {
    this.#driver.listener = listener;
  }

  /** Notifications of both ends so far. */
  get notifications(): number {
    return this.#notified + this.#driver.interrupted;
  }

  notify(queue: number): void {
    this.#notified += 1;
    this.#kicks[queue]?.push();
  }
}

/** The driver as its device knows it: interrupts come soon. */
class Driver implements TransportListener {
  listener: TransportListener = { interrupt() {}, configChanged() {}, needsReset() {} };
  interrupted = 0;
  readonly #interrupts: readonly Doorbell[];
  readonly #configChanged: Doorbell;

  constructor(scheduler: Scheduler, queues: number) {
    this.#interrupts = bells(queues, scheduler, (queue) => this.listener.interrupt(queue));
    this.#configChanged = new Doorbell(scheduler, () => this.listener.configChanged());
  }

  interrupt(queue: number): void {
    this.interrupted += 1;
    this.#interrupts[queue].push();
  }

  configChanged(): void {
    this.#configChanged.push();
  }

  needsReset(reason: string): void {
    this.listener.needsReset(reason);
  }
}

function bells(queues: number, scheduler: Scheduler, ring: (queue: number) => void): Doorbell[] {
  return Array.from({ length: queues }, (_, queue) => new Doorbell(scheduler, () => ring(queue)));
}

// Knows one started virtqueue of a device: when it is drained, when the driver is told, and how it stops. What the
// buffers mean is its handler's.

import { ProtocolError, type Runnable, type Scheduler } from "@pvscsi/wire";
import { ringFeatures } from "./abi/features.js";
import type { Chain } from "./chain.js";
import type { DeviceRing } from "./device.js";
import { SplitDeviceQueue } from "./split-device-queue.js";

/** Who understands the buffers of a queue. */
export interface QueueHandler {
  /**
   * Takes one chain from the queue and begins with it; false when there is none. It comes back by `finish`, perhaps
   * before this returns. Throws ProtocolError when the driver has broken the protocol, and has kept no chain then.
   */
  takeOne(queue: SplitDeviceQueue): boolean;
}

export interface QueueServerParts {
  readonly ring: DeviceRing;
  readonly features: bigint;
  readonly scheduler: Scheduler;
  readonly handler: QueueHandler;
}

export class QueueServer implements Runnable {
  readonly #ring: DeviceRing;
  readonly #scheduler: Scheduler;
  readonly #handler: QueueHandler;
  readonly #queue: SplitDeviceQueue;
  readonly #publishSoon: Runnable = { run: () => this.#publishQueued() };
  #state: "serving" | "broken" | "stopping" = "serving";
  #draining = false;
  #publishIsQueued = false;
  #runIsQueued = false;
  #underWay = 0;
  #idle: (() => void) | null = null;

  /** Throws ProtocolError where the ring's areas cannot be those of a ring. */
  constructor({ ring, features, scheduler, handler }: QueueServerParts) {
    this.#ring = ring;
    this.#scheduler = scheduler;
    this.#handler = handler;
    const { size, areas, base, memory } = ring;
    this.#queue = new SplitDeviceQueue({ size, areas, base, memory, features: ringFeatures(features) });
  }

  /** Takes what is there. */
  kick(): void {
    if (this.#state !== "serving") return;
    this.#draining = true;
    this.#drain();
    this.#draining = false;
    this.publish();
  }

  /** The rest of a queue that had more than one turn's share. */
  run(): void {
    this.#runIsQueued = false;
    this.kick();
  }

  /** Gives a chain back with the first `written` bytes of its writable part written. */
  finish(chain: Chain, written: number): void {
    this.#queue.push(chain, written);
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#idle?.();
    if (this.#draining || this.#publishIsQueued) return;
    this.#publishIsQueued = true;
    this.#scheduler.soon(this.#publishSoon);
  }

  /** Shows the driver now what was given back. */
  publish(): void {
    if (this.#queue.publish()) this.#ring.call();
  }

  #publishQueued(): void {
    this.#publishIsQueued = false;
    this.publish();
  }

  /** Takes nothing more; resolves when the last chain is used, with the available index to go on at. */
  async stop(): Promise<number> {
    if (this.#state === "serving") this.#state = "stopping";
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.publish();
    return this.#queue.next;
  }

  /** One turn's share is a ring full: a driver that goes on forever does not keep the others waiting. */
  #drain(): void {
    let budget = this.#ring.size;
    this.#queue.quiet();
    try {
      do {
        while (budget > 0 && this.#takeOne()) budget -= 1;
      } while (budget > 0 && this.#queue.finalCheck());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#break(error);
    }
    if (budget > 0 || this.#runIsQueued) return;
    this.#runIsQueued = true;
    this.#scheduler.soon(this);
  }

  /** Counted before it begins, as it may have ended when it returns. */
  #takeOne(): boolean {
    this.#underWay += 1;
    let taken = false;
    try {
      taken = this.#handler.takeOne(this.#queue);
    } finally {
      if (!taken) this.#underWay -= 1;
    }
    return taken;
  }

  /** Nothing is taken any more; what was taken before is still given back. */
  #break(error: ProtocolError): void {
    this.#state = "broken";
    this.#ring.fail(error.message);
  }
}

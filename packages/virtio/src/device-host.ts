// Knows a device at its end of a transport of ours: what its driver has set up, and which calls start and stop it.

import { ProtocolError } from "@pvscsi/wire";
import type { Arena } from "./arena.js";
import { type DeviceRing, QUEUE_SIZE, type VirtioDevice } from "./device.js";
import type { RingAreas } from "./memory.js";
import type { DeviceCalls, TransportListener } from "./transport.js";

export class DeviceHost implements DeviceCalls {
  readonly #device: VirtioDevice;
  readonly #memory: Arena;
  readonly #driver: TransportListener;
  readonly #rings = new Map<number, DeviceRing>();
  #ready = false;

  /** `driver` hears of used buffers and of what it has broken, perhaps on the stack of a kick. */
  constructor(device: VirtioDevice, memory: Arena, driver: TransportListener) {
    this.#device = device;
    this.#memory = memory;
    this.#driver = driver;
    if (device.config !== null) device.config.changed = () => driver.configChanged();
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

  /** Rejects with ProtocolError after DRIVER_OK; so do the other calls of a driver that sets up (3.1.1). */
  async acceptFeatures(features: bigint): Promise<boolean> {
    this.#settingUp("features");
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
    if (refused !== null) this.#driver.needsReset(refused);
  }

  async queueSize(queue: number): Promise<number> {
    return queue < this.#device.queues ? QUEUE_SIZE : 0;
  }

  async setUpQueue(queue: number, size: number, areas: RingAreas): Promise<void> {
    this.#settingUp("a queue");
    if (queue >= this.#device.queues) throw new ProtocolError(`queue ${queue} of ${this.#device.queues}`);
    this.#rings.set(queue, {
      size,
      areas,
      base: 0,
      memory: this.#memory,
      call: () => this.#driver.interrupt(queue),
      fail: (reason) => this.#driver.needsReset(reason),
    });
  }

  async ready(): Promise<void> {
    this.#settingUp("DRIVER_OK");
    this.#ready = true;
    try {
      for (const [index, ring] of this.#rings) this.#device.start(index, ring);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#driver.needsReset(error.message);
    }
  }

  kick(queue: number): void {
    if (this.#ready && this.#rings.has(queue)) this.#device.kick(queue);
  }

  #settingUp(what: string): void {
    if (this.#ready) throw new ProtocolError(`${what} after DRIVER_OK`);
  }

  /** The driver is gone for good; resolves when nothing is under way any more. */
  async close(): Promise<void> {
    await this.reset();
    this.#device.close();
  }
}

// Knows the event queue of virtio-scsi (virtio 1.3, 5.6.6.3). Nothing is kept for a driver that has no buffer there: it
// is told that it has missed something, with the next event or as soon as it brings a buffer.

import { type Probes, ProtocolError } from "@pvscsi/wire";
import { ringFeatures } from "../abi/features.js";
import { EVENTS_MISSED, EventType, ScsiEvent } from "../abi/scsi.js";
import { Chain } from "../chain.js";
import type { DeviceRing } from "../device.js";
import { SplitDeviceQueue } from "../split-device-queue.js";
import { writeEventLun } from "./lun.js";

/** What a driver may be told of a logical unit. */
export interface BusEvent {
  /** Of EventType. */
  readonly event: number;
  readonly target: number;
  readonly lun: number;
  readonly reason: number;
}

export class EventQueue {
  readonly #ring: DeviceRing;
  readonly #probes: Probes;
  readonly #queue: SplitDeviceQueue;
  readonly #chain = new Chain();
  readonly #bytes = new Uint8Array(ScsiEvent.size);
  readonly #event = new ScsiEvent(this.#bytes);
  #serving = true;
  /** Whether an event found no buffer since the driver was told so last. */
  #missed = false;

  /** Throws ProtocolError where the ring's areas cannot be those of a ring. */
  constructor(ring: DeviceRing, features: bigint, probes: Probes) {
    this.#ring = ring;
    this.#probes = probes;
    const { size, areas, base, memory } = ring;
    this.#queue = new SplitDeviceQueue({ size, areas, base, memory, features: ringFeatures(features) });
  }

  /** The driver brought buffers: one of them says at once that there were too few. */
  kick(): void {
    if (this.#missed) this.#tell(NOTHING);
  }

  send(event: BusEvent): void {
    this.#tell(event);
  }

  async stop(): Promise<number> {
    this.#serving = false;
    return this.#queue.next;
  }

  #tell(event: BusEvent): void {
    if (!this.#serving) return;
    try {
      if (!this.#deliver(event)) this.#missed = true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#serving = false;
      this.#ring.fail(error.message);
    }
    if (this.#queue.publish()) this.#ring.call();
  }

  /** Writes an event into the next buffer that has room for it. */
  #deliver({ event, target, lun, reason }: BusEvent): boolean {
    if (!this.#takeBuffer()) return false;
    this.#bytes.fill(0);
    this.#event.event = (event | (this.#missed ? EVENTS_MISSED : 0)) >>> 0;
    this.#event.reason = reason;
    if (event !== EventType.noEvent) writeEventLun(this.#bytes, ScsiEvent.offsets.lun, target, lun);
    this.#missed = false;
    this.#chain.writable.write(this.#bytes);
    if (this.#probes.listening) this.#probes.emit("virtio-scsi:event", this.#event);
    this.#queue.push(this.#chain, this.#bytes.length);
    return true;
  }

  /**
   * A buffer that is too short, or to be read, comes back unused. Where there is none that fits, the next one is asked
   * to be told of; a driver may have brought it just then. It is looked for a ring full of times, as a driver may bring
   * short ones forever.
   */
  #takeBuffer(): boolean {
    for (let budget = this.#ring.size; budget > 0; budget--) {
      if (!this.#queue.take(this.#chain)) {
        if (!this.#queue.finalCheck()) return false;
      } else if (this.#chain.writable.length >= ScsiEvent.size) {
        return true;
      } else {
        this.#queue.push(this.#chain, 0);
        this.#missed = true;
      }
    }
    return false;
  }
}

const NOTHING: BusEvent = { event: EventType.noEvent, target: 0, lun: 0, reason: 0 };

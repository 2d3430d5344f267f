// Knows a driver's end of the event queue: buffers that are always there, and what an event means to the operating
// system (virtio 1.3, 5.6.6.3; Linux' virtscsi_handle_event). event-queue.ts is its mirror image.

import type { AdapterEvent, Address } from "@pvscsi/scsi";
import { copyBytes, Places } from "@pvscsi/wire";
import { EVENTS_MISSED, EventType, ResetReason, ScsiEvent } from "../abi/scsi.js";
import { type Arena, PAGE_SIZE } from "../arena.js";
import type { QueueClient } from "../queue-client.js";
import { ScsiAddress } from "./lun.js";

/** Buffers that the device may fill before the driver has seen one; Linux has 8. */
const BUFFERS = 8;
/** Additional sense codes that say that a device is to be looked at anew, as in Linux: ASC in the lower byte. */
const LOOK_AGAIN: ReadonlySet<number> = new Set([0x002a, 0x012a, 0x092a]);

const NOTHING = new Places();

export class EventBuffer {
  readonly bytes: Uint8Array;
  readonly writable = new Places();

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.writable.add(bytes, 0, bytes.length);
  }
}

export class EventClient {
  readonly #client: QueueClient;
  readonly #buffers: readonly EventBuffer[];
  readonly #tell: (event: AdapterEvent) => Promise<unknown>;
  readonly #bytes = new Uint8Array(ScsiEvent.size);
  readonly #event = new ScsiEvent(this.#bytes);
  readonly #address = new ScsiAddress();

  /** `infoSize` is how much the device says that it writes at most; what `tell` returns resolves when it was heard. */
  constructor(client: QueueClient, memory: Arena, infoSize: number, tell: (event: AdapterEvent) => Promise<unknown>) {
    this.#client = client;
    this.#tell = tell;
    const size = Math.min(Math.max(infoSize, ScsiEvent.size), PAGE_SIZE);
    const bytes = memory.range(BUFFERS * size);
    this.#buffers = Array.from(
      { length: BUFFERS },
      (_, i) => new EventBuffer(bytes.subarray(i * size, (i + 1) * size)),
    );
  }

  /** Gives the device all buffers. */
  post(): void {
    for (const buffer of this.#buffers) this.#client.add(NOTHING, buffer.writable, buffer);
  }

  /**
   * Takes an event, and gives its buffer back when it was heard, as Linux does: a device that has more of them than are
   * heard waits, or says that some were missed.
   */
  used(buffer: EventBuffer, written: number): void {
    copyBytes(buffer.bytes, 0, this.#bytes, 0, ScsiEvent.size);
    let heard: Promise<unknown> = Promise.resolve();
    if (written >= ScsiEvent.size) for (const event of this.#meaning()) heard = this.#tell(event);
    void heard.then(() => this.#client.add(NOTHING, buffer.writable, buffer));
  }

  run(): void {
    this.#client.run();
  }

  close(): void {
    this.#client.close();
  }

  /** What the event that was taken means, in order. */
  #meaning(): AdapterEvent[] {
    const { event, reason } = this.#event;
    this.#address.read(this.#bytes, ScsiEvent.offsets.lun);
    // Whatever it was that was missed: a look at the whole bus shows it.
    const missed: AdapterEvent[] = event >= EVENTS_MISSED ? [{ kind: "bus-changed" }] : [];
    const { target, lun } = this.#address;
    if (target < 0) return missed;
    return [...missed, ...unitEvents((event & ~EVENTS_MISSED) >>> 0, reason, { channel: 0, target, lun })];
  }
}

function unitEvents(event: number, reason: number, address: Address): AdapterEvent[] {
  switch (event) {
    case EventType.transportReset:
      return busEvents(reason, address);
    case EventType.paramChange:
      return LOOK_AGAIN.has(reason & 0xffff) ? [{ kind: "device-changed", address }] : [];
    default:
      return [];
  }
}

/** What is said of LUN 0 may be meant for the whole target (5.6.6.3.1). */
function busEvents(reason: number, address: Address): AdapterEvent[] {
  const whole: AdapterEvent[] = address.lun === 0 ? [{ kind: "target-changed", address }] : [];
  if (reason === ResetReason.removed) return [{ kind: "device-removed", address }, ...whole];
  if (reason !== ResetReason.rescan) return [];
  return address.lun === 0 ? whole : [{ kind: "device-added", address }];
}

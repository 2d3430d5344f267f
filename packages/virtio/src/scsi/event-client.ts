// Knows a driver's end of the event queue: buffers that are always there, and what an event means to the operating
// system (virtio 1.3, 5.6.6.3; Linux' virtscsi_handle_event). event-queue.ts is its mirror image.

import type { AdapterEvent } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { EVENTS_MISSED, EventType, ResetReason, ScsiEvent } from "../abi/scsi.js";
import type { Arena } from "../arena.js";
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
  readonly #tell: (event: AdapterEvent) => void;
  readonly #bytes = new Uint8Array(ScsiEvent.size);
  readonly #event = new ScsiEvent(this.#bytes);
  readonly #address = new ScsiAddress();

  constructor(client: QueueClient, memory: Arena, tell: (event: AdapterEvent) => void) {
    this.#client = client;
    this.#tell = tell;
    const bytes = memory.range(BUFFERS * ScsiEvent.size);
    this.#buffers = Array.from(
      { length: BUFFERS },
      (_, i) => new EventBuffer(bytes.subarray(i * ScsiEvent.size, (i + 1) * ScsiEvent.size)),
    );
  }

  /** Gives the device all buffers. */
  post(): void {
    for (const buffer of this.#buffers) this.#client.add(NOTHING, buffer.writable, buffer);
  }

  /** Takes an event and gives its buffer back at once. */
  used(buffer: EventBuffer, written: number): void {
    this.#bytes.set(buffer.bytes);
    this.#client.add(NOTHING, buffer.writable, buffer);
    if (written >= ScsiEvent.size) this.#read();
  }

  run(): void {
    this.#client.run();
  }

  close(): void {
    this.#client.close();
  }

  #read(): void {
    const { event, reason } = this.#event;
    // Whatever it was that was missed: a look at the whole bus shows it.
    if (event >= EVENTS_MISSED) this.#tell({ kind: "bus-changed" });
    this.#address.read(this.#bytes, ScsiEvent.offsets.lun);
    const { target, lun } = this.#address;
    if (target < 0) return;
    const address = { channel: 0, target, lun };
    switch ((event & ~EVENTS_MISSED) >>> 0) {
      case EventType.transportReset:
        return this.#busEvent(reason, address);
      case EventType.paramChange:
        if (LOOK_AGAIN.has(reason & 0xffff)) this.#tell({ kind: "device-changed", address });
    }
  }

  /** What is said of LUN 0 may be meant for the whole target (5.6.6.3.1). */
  #busEvent(reason: number, address: { channel: number; target: number; lun: number }): void {
    const { lun } = address;
    if (reason === ResetReason.removed) this.#tell({ kind: "device-removed", address });
    if (reason === ResetReason.rescan && lun !== 0) this.#tell({ kind: "device-added", address });
    if (lun === 0 && reason !== ResetReason.hard) this.#tell({ kind: "target-changed", address });
  }
}

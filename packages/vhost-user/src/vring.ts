// Knows one ring as a front end sets it up: where it lies, which events belong to it, and whether it can start.

import { readlinkSync } from "node:fs";
import type { Native, Poll } from "@pvscsi/native";
import { type DeviceRing, RING_PARTS } from "@pvscsi/virtio";
import { ProtocolError } from "@pvscsi/wire";
import type { RegionMemory } from "./region-memory.js";

/** Addresses of the front end's. */
export interface RingAddresses {
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
}

type EventName = "kick" | "call" | "error";

export class Vring {
  size = 0;
  base = 0;
  addresses: RingAddresses | null = null;
  /** As the front end wants it; without protocol features it is enabled from the beginning. */
  enabled = false;
  /** Whether the device serves it. */
  started = false;
  readonly #native: Native;
  readonly #events: { [Name in EventName]: number | null } = { kick: null, call: null, error: null };
  #poll: Poll | null = null;

  constructor(native: Native) {
    this.#native = native;
  }

  /** Whether a kick can come, which is what starts a ring. */
  get hasKick(): boolean {
    return this.#events.kick !== null;
  }

  /** Takes a descriptor over, or null for none, in the place of the one before. Throws ProtocolError where it is no event. */
  setEvent(name: EventName, descriptor: number | null): void {
    if (descriptor !== null && !isEvent(descriptor)) {
      this.#native.close(descriptor);
      throw new ProtocolError(`the ${name} descriptor is no eventfd`);
    }
    this.closeEvent(name);
    this.#events[name] = descriptor;
  }

  closeEvent(name: EventName): void {
    if (name === "kick") this.deafen();
    const descriptor = this.#events[name];
    this.#events[name] = null;
    if (descriptor !== null) this.#native.close(descriptor);
  }

  /** Calls `kicked` for each kick until `deafen`. */
  listen(kicked: () => void): void {
    const { kick } = this.#events;
    if (kick === null) return;
    this.#poll = this.#native.poll(kick, () => {
      this.#native.events.drain(kick);
      kicked();
    });
  }

  deafen(): void {
    this.#poll?.close();
    this.#poll = null;
  }

  signal(name: "call" | "error"): void {
    const descriptor = this.#events[name];
    if (descriptor !== null) this.#native.events.signal(descriptor);
  }

  /** The ring as the device takes it. Throws ProtocolError where its areas are not in memory. */
  toRing(memory: RegionMemory, fail: (reason: string) => void): DeviceRing {
    const { size, base, addresses } = this;
    const area = (part: keyof typeof RING_PARTS, address: number | undefined): Uint8Array => {
      const bytes = address === undefined ? null : memory.area(address, RING_PARTS[part].bytes(size));
      if (bytes === null) throw new ProtocolError(`the ${part} area is not in memory`);
      return bytes;
    };
    const areas = {
      descriptors: area("descriptors", addresses?.descriptors),
      driver: area("driver", addresses?.available),
      device: area("device", addresses?.used),
    };
    return { size, areas, base, memory, call: () => this.signal("call"), fail };
  }

  close(): void {
    for (const name of ["kick", "call", "error"] as const) this.closeEvent(name);
  }
}

/** A pipe or a socket in its place could keep whoever writes to it waiting. */
function isEvent(descriptor: number): boolean {
  return readlinkSync(`/proc/self/fd/${descriptor}`) === "anon_inode:[eventfd]";
}

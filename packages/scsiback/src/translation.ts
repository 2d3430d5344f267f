// Knows which logical unit stands behind channel:target:lun of one controller. Knows no ring and no xenstore.

import { type LogicalUnit, localTransportId, Nexus, type OpenedDevice, Target } from "@pvscsi/scsi";
import type { Probes } from "@pvscsi/wire";
import type { VirtualDevice } from "./virtual-device.js";

/** One virtual target: a SCSI target with the front end as its only initiator. */
export interface VirtualTarget {
  readonly target: Target;
  readonly nexus: Nexus;
  readonly luns: Map<number, OpenedDevice>;
}

/**
 * The translation table of one controller. The virtual host number is no part of the key: the ring implies it.
 * Each (channel, target) is a SCSI target device of its own, so REPORT LUNS lists what the front end can reach there.
 */
export class TranslationTable {
  readonly #targets = new Map<number, VirtualTarget>();
  readonly #initiator: string;
  readonly #probes: Probes;
  /** Devices taken out that are not released yet. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(initiator: string, probes: Probes) {
    this.#initiator = initiator;
    this.#probes = probes;
  }

  /** The target that serves channel:target, if `lun` is mapped there. */
  find(channel: number, target: number, lun: number): VirtualTarget | undefined {
    const found = this.#targets.get(key(channel, target));
    return found?.luns.has(lun) ? found : undefined;
  }

  has(device: VirtualDevice): boolean {
    return this.find(device.channel, device.target, device.lun) !== undefined;
  }

  /**
   * Maps a logical unit; the caller has made sure that the place is free. `adapter` says whose host adapter it is, in words that
   * are the same when the guest comes again: its reservations wait for it.
   */
  add(device: VirtualDevice, opened: OpenedDevice, adapter: string): void {
    const place = this.#targetFor(device, adapter);
    place.luns.set(device.lun, opened);
    place.target.add(device.lun, opened.logicalUnit);
  }

  /**
   * Takes a mapping out: new commands find nothing there from now on. Resolves when the commands that were under way
   * have ended and the device is released; a front end that unplugs in order has none.
   */
  async remove(device: VirtualDevice): Promise<void> {
    const place = this.#targets.get(key(device.channel, device.target));
    const opened = place?.luns.get(device.lun);
    if (place === undefined || opened === undefined) return;
    place.luns.delete(device.lun);
    const gone = this.#release(place, device, opened);
    this.#leaving.add(gone);
    try {
      await gone;
    } finally {
      this.#leaving.delete(gone);
    }
  }

  async #release(place: VirtualTarget, device: VirtualDevice, opened: OpenedDevice): Promise<void> {
    await place.target.remove(device.lun);
    try {
      await opened.release();
    } finally {
      await this.#closeIfEmpty(place, key(device.channel, device.target));
    }
  }

  /** Another LUN may have come to the target meanwhile, or the target may have been closed and made anew. */
  async #closeIfEmpty(place: VirtualTarget, at: number): Promise<void> {
    if (place.luns.size > 0 || this.#targets.get(at) !== place) return;
    this.#targets.delete(at);
    await place.nexus.close();
  }

  /** Takes everything out; resolves when all is released. Throws the first failure, after all were tried. */
  async close(): Promise<void> {
    const devices = [...this.entries()];
    const gone = devices.map(({ channel, target, lun }) => this.remove({ host: 0, channel, target, lun }));
    const outcomes = await Promise.allSettled([...gone, ...this.#leaving]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** All mappings, for tools. */
  *entries(): IterableIterator<{ channel: number; target: number; lun: number; logicalUnit: LogicalUnit }> {
    for (const [place, { luns }] of this.#targets) {
      for (const [lun, { logicalUnit }] of luns)
        yield { channel: place >>> 16, target: place & 0xffff, lun, logicalUnit };
    }
  }

  #targetFor({ channel, target }: VirtualDevice, adapter: string): VirtualTarget {
    const known = this.#targets.get(key(channel, target));
    if (known !== undefined) return known;
    // A target that is no port number more is none that a front end can name.
    const device = new Target(`${channel}:${target}`, [Math.min(target + 1, 0xffff)]);
    const made = {
      target: device,
      nexus: new Nexus(device, {
        initiator: this.#initiator,
        initiatorPort: localTransportId(`${adapter} channel ${channel}`),
        probes: this.#probes,
      }),
      luns: new Map(),
    };
    this.#targets.set(key(channel, target), made);
    return made;
  }
}

function key(channel: number, target: number): number {
  return ((channel << 16) | target) >>> 0;
}

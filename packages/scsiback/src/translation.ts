// Knows which logical unit stands behind channel:target:lun of one controller. Knows no ring and no xenstore.

import { type LogicalUnit, Nexus, type OpenedDevice, Target } from "@pvscsi/scsi";
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

  /** Maps a logical unit; the caller has made sure that the place is free. */
  add(device: VirtualDevice, opened: OpenedDevice): void {
    const place = this.#targetFor(device);
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
    await place.target.remove(device.lun);
    await opened.release();
    if (place.luns.size === 0 && this.#targets.get(key(device.channel, device.target)) === place) {
      this.#targets.delete(key(device.channel, device.target));
      await place.nexus.close();
    }
  }

  /** Releases everything; nothing may be under way any more. */
  async close(): Promise<void> {
    const targets = [...this.#targets.values()];
    this.#targets.clear();
    for (const { nexus, luns } of targets) {
      await nexus.close();
      for (const opened of luns.values()) await opened.release();
    }
  }

  /** All mappings, for tools. */
  *entries(): IterableIterator<{ channel: number; target: number; lun: number; logicalUnit: LogicalUnit }> {
    for (const [place, { luns }] of this.#targets) {
      for (const [lun, { logicalUnit }] of luns)
        yield { channel: place >>> 16, target: place & 0xffff, lun, logicalUnit };
    }
  }

  #targetFor({ channel, target }: VirtualDevice): VirtualTarget {
    const known = this.#targets.get(key(channel, target));
    if (known !== undefined) return known;
    const device = new Target(`${channel}:${target}`);
    const made = {
      target: device,
      nexus: new Nexus(device, { initiator: this.#initiator, probes: this.#probes }),
      luns: new Map(),
    };
    this.#targets.set(key(channel, target), made);
    return made;
  }
}

function key(channel: number, target: number): number {
  return ((channel << 16) | target) >>> 0;
}

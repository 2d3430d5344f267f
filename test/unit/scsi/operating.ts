// Knows a disk whose store waits for the test, for what goes through the whole medium in its own time.

import { createDisk, type DiskOptions, decodeSense, Target } from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { HeldStore } from "../../support/held-store.js";
import { IDENTITY, Initiator } from "./initiator.js";

export const PIECE = 64 * 1024;
/** Four pieces. */
export const SIZE = 4 * PIECE;

export class Operated {
  readonly store: HeldStore;
  readonly target = new Target();
  readonly clock = new Simulation(seededRandom(1));
  readonly initiator: Initiator;

  constructor({
    holding = true,
    size = SIZE,
    ...options
  }: Partial<DiskOptions> & { holding?: boolean; size?: number } = {}) {
    this.store = new HeldStore(size, { writeBack: true, holding });
    this.target.add(0, createDisk({ ...IDENTITY, store: this.store, clock: this.clock, ...options }));
    this.initiator = this.another();
  }

  /** One more initiator. */
  another(): Initiator {
    return new Initiator(this.target).settle();
  }

  /** What REQUEST SENSE says: `key/asc/ascq`, and in 65536ths how far. */
  said(descriptor = false): string {
    const { bytes } = this.initiator.send(`03 0${descriptor ? 1 : 0} 00 00 fc 00`, { room: 252 });
    const sense = decodeSense(bytes);
    if (sense === null) throw new Error("no sense data");
    const { key, asc, ascq, progress } = sense;
    const code = [key, asc, ascq].map((value) => value.toString(16)).join("/");
    return progress === null ? code : `${code} ${progress}`;
  }

  /** Lets `count` requests of the store through. */
  release(count: number): void {
    for (let i = 0; i < count; i++) this.store.release();
  }

  /** All bytes of the medium. */
  contents(): Uint8Array {
    const { holding } = this.store;
    this.store.holding = false;
    const blocks = this.store.size / 512;
    const cdb = Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, blocks >> 8, blocks & 255, 0);
    const { bytes } = this.initiator.send(cdb, { room: this.store.size });
    this.store.holding = holding;
    return bytes;
  }
}

// Knows one request of a store while a server has it: which piece of it is asked for, and what of that was answered.

import type { Extent, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { type NbdError, REQUEST_MAGIC, Request } from "../abi/transmission.js";

const ZEROES = new Uint8Array(64 * 1024);

/** A pooled record. A request that is longer than the server takes is asked for piece by piece, one at a time. */
export class ClientRequest {
  pooled = true;
  store!: StoreRequest;
  /** CommandType and CommandFlag. */
  type = 0;
  flags = 0;
  /** Bytes of the pieces that are over. */
  done = 0;
  /** Bytes of the piece that the server has, from `done` on. */
  length = 0;
  /** Zeros are written that are nowhere in memory but once. */
  zeroes = false;
  /** It is to be sent on the next connection, when its bytes on the last one are lent no longer. */
  unsent = false;
  /** Its bytes have left, or never will; and the server has answered. */
  sent = true;
  answered = true;
  /** The first error of the answer. */
  error: NbdError | null = null;
  /** Bytes of data and holes that have come, and the end of the last that came in order. */
  received = 0;
  readonly ranges: number[] = [];
  extents: Extent[] = [];
  /** Where the data of a piece or of a chunk lies. */
  readonly places = new Places();
  /** Its place in the table of those under way, which is its cookie. */
  readonly slot: number;
  readonly #bytes = new Uint8Array(Request.size);
  readonly #header = new Request(this.#bytes);

  constructor(slot: number) {
    this.slot = slot;
  }

  /** The offset of the piece in the export. */
  get offset(): number {
    return this.store.offset + this.done;
  }

  /** What the server is sent for the piece, without data. `epoch` tells answers of this sending from all others. */
  head(epoch: number): Uint8Array {
    const header = this.#header;
    const flush = this.length === 0;
    header.magic = REQUEST_MAGIC;
    header.flags = this.flags;
    header.type = this.type;
    header.cookieHigh = epoch;
    header.cookieLow = this.slot;
    header.offsetHigh = flush ? 0 : Math.floor(this.offset / 0x1_0000_0000);
    header.offsetLow = flush ? 0 : this.offset % 0x1_0000_0000;
    header.length = this.length;
    return this.#bytes;
  }

  /** Forgets what was received for the piece: it is asked for anew. */
  restart(): void {
    this.error = null;
    this.received = 0;
    this.ranges.length = 0;
    this.extents = [];
  }

  /** Makes `places` what a write's piece sends. */
  gather(): void {
    const { places } = this;
    if (!this.zeroes) return places.select(this.store.places, this.done, this.length);
    places.clear();
    for (let left = this.length; left > 0; left -= ZEROES.length) places.add(ZEROES, 0, Math.min(left, ZEROES.length));
  }

  /** Enters a range of a read's answer; false where it is outside of the piece or overlaps what has come. */
  enter(offset: number, length: number): boolean {
    if (length === 0 || offset < this.offset || offset + length > this.offset + this.length) return false;
    const { ranges } = this;
    for (let i = 0; i < ranges.length; i += 2) {
      if (offset < ranges[i + 1] && ranges[i] < offset + length) return false;
    }
    const last = ranges.length - 1;
    // What comes in order is one range, however many chunks it has.
    if (last > 0 && ranges[last] === offset) ranges[last] += length;
    else ranges.push(offset, offset + length);
    this.received += length;
    return true;
  }
}

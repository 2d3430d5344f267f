// Knows how to make a range of a file zeros in bounded pieces, without filling holes that are zeros already.

import { fstat, read, type Stats, write } from "node:fs";
import { StoreError, type StoreRequest } from "@pvscsi/scsi";

/** Bytes of one piece; also what one request holds of memory while it runs. */
const PIECE = 256 * 1024;
const ZEROS = new Uint8Array(PIECE);

/** What the range belongs to: it can be cancelled between pieces. */
interface Zeroing {
  readonly request: StoreRequest;
  readonly cancelled: boolean;
}

/** Zeroes one range at a time; the record is used again and again. */
export class ZeroRange {
  #descriptor = -1;
  #zeroing: Zeroing | null = null;
  #at = 0;
  #end = 0;
  #finished: (error: Error | null) => void = () => {};
  /** Null in a file without holes: there is nothing to look for. */
  #look: Uint8Array | null = null;

  /** Zeroes the request's range; `finished` hears the first error, and is never called before this returns. */
  begin(descriptor: number, zeroing: Zeroing, finished: (error: Error | null) => void): void {
    this.#descriptor = descriptor;
    this.#zeroing = zeroing;
    this.#at = zeroing.request.offset;
    this.#end = this.#at + zeroing.request.length;
    this.#finished = finished;
    fstat(descriptor, this.#counted);
  }

  readonly #counted = (error: Error | null, stats: Stats): void => {
    if (error !== null) return this.#finish(error);
    const sparse = stats.isFile() && stats.blocks * 512 < stats.size;
    this.#look = sparse ? new Uint8Array(PIECE) : null;
    this.#next();
  };

  get #piece(): number {
    return Math.min(PIECE, this.#end - this.#at);
  }

  #next(): void {
    if (this.#at === this.#end) return this.#finish(null);
    if (this.#zeroing?.cancelled) return this.#finish(new StoreError("cancelled", "cancelled between two pieces"));
    if (this.#look === null) write(this.#descriptor, ZEROS, 0, this.#piece, this.#at, this.#moved);
    else read(this.#descriptor, this.#look, 0, this.#piece, this.#at, this.#seen);
  }

  readonly #seen = (error: Error | null, count: number, bytes: Uint8Array): void => {
    if (error === null && count > 0 && Buffer.compare(bytes.subarray(0, count), ZEROS.subarray(0, count)) === 0) {
      return this.#moved(null, count);
    }
    // What cannot be read may still be written over.
    write(this.#descriptor, ZEROS, 0, count > 0 ? count : this.#piece, this.#at, this.#moved);
  };

  readonly #moved = (error: Error | null, count: number): void => {
    if (error !== null) return this.#finish(error);
    if (count === 0) return this.#finish(new Error("nothing was written"));
    this.#at += count;
    this.#next();
  };

  #finish(error: Error | null): void {
    this.#look = null;
    this.#zeroing = null;
    this.#finished(error);
  }
}

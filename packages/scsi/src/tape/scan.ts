// Knows how what is on a partition is found in its bytes alone. What was being written when power went is not there: a record counts when
// its second length says what its first does.

import { Places } from "@pvscsi/wire";
import { type ByteStore, type StoreError, StoreRequest } from "../store.js";
import type { TapeStore } from "./medium.js";
import { BAD, getWord, LONGEST_RECORD, Marker, Records, strideOf, WORD } from "./records.js";

/** Bytes that are read at once: the lengths of short records lie near one another. */
const WINDOW = 16 * 1024;

/** Finds all records and filemarks of a partition. Rejects with `StoreError`. */
export async function scanRecords({ bytes, written }: TapeStore): Promise<Records> {
  const records = new Records();
  const window = new Window(bytes, written);
  for (;;) {
    const { end } = records;
    const word = await window.word(end);
    if (word === null || word === Marker.endOfMedium) return records;
    const size = (word & ~BAD) >>> 0;
    if (word === Marker.eraseGap) records.gap(WORD);
    else if (word === Marker.filemark) records.append(0);
    else if (size === 0 || size > LONGEST_RECORD) return records;
    else {
      if ((await window.word(end + strideOf(size) - WORD)) !== word) return records;
      records.append(size, 1, size !== word);
    }
  }
}

/** The bytes around where the search is. */
class Window {
  readonly #store: ByteStore;
  readonly #written: number;
  readonly #bytes = new Uint8Array(WINDOW);
  #from = 0;
  #length = 0;

  constructor(store: ByteStore, written: number) {
    this.#store = store;
    this.#written = Math.min(written, store.size);
  }

  /** The length at a byte; null where the partition ends before. */
  async word(at: number): Promise<number | null> {
    if (at + WORD > this.#written) return null;
    if (at < this.#from || at + WORD > this.#from + this.#length) await this.#load(at);
    return getWord(this.#bytes, at - this.#from);
  }

  async #load(at: number): Promise<void> {
    const length = Math.min(WINDOW, this.#written - at);
    await readBytes(this.#store, at, this.#bytes.subarray(0, length));
    this.#from = at;
    this.#length = length;
  }
}

function readBytes(store: ByteStore, offset: number, bytes: Uint8Array): Promise<void> {
  const request = new StoreRequest();
  request.operation = "read";
  request.offset = offset;
  request.length = bytes.length;
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  return new Promise((resolve, reject) => {
    request.completed = ({ error }: { error: StoreError | null }) => (error === null ? resolve() : reject(error));
    store.submit(request);
  });
}

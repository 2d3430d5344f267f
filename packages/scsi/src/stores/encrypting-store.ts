// Knows a store that keeps its blocks encrypted in another one. Which cipher that is, and where its key is kept, it is given.
// A block that is kept as zeros is zeros, and not what the cipher makes of them: so there are holes, and a store that is new is empty.
// That a cipher makes zeros of a block does not happen: it would be one of 2^4096.

import { Places, Pool } from "@pvscsi/wire";
import { type ByteStore, StoreError, type StoreFeatures, StoreRequest } from "../store.js";
import { StoreDecorator } from "./decorator.js";

/** Encrypts blocks, each by its number. */
export interface BlockCipher {
  /** Encrypts the first `length` bytes, whole blocks of which the first has the number `block`, in their place. */
  encrypt(bytes: Uint8Array, length: number, block: number): void;
  decrypt(bytes: Uint8Array, length: number, block: number): void;
  /** Takes another key, durably, and leaves nothing of the one it had. Where this rejects either may be the key. */
  changeKey(): Promise<void>;
}

/**
 * Keeps in `store` what `cipher` makes of its blocks of `blockSize` bytes; takes requests for whole blocks only, but that a read
 * may end within one: an initiator may have less room than it asks blocks for.
 */
export function encrypting(store: ByteStore, cipher: BlockCipher, blockSize: number): ByteStore {
  return new EncryptingStore(store, cipher, blockSize);
}

/** Bytes that are encrypted at a time. */
const PIECE = 1 << 20;
const SMALLEST = 4096;

/** A request on its way, a piece at a time; the record is used again and again. */
class Passage {
  pooled = true;
  outer = new StoreRequest();
  readonly inner = new StoreRequest();
  readonly places = new Places();
  buffer = new Uint8Array(SMALLEST);
  done = 0;
  issuing = false;
  again = false;

  /** Room for `length` bytes, which is kept. */
  reserve(length: number): void {
    if (this.buffer.length < length) this.buffer = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
    this.places.clear();
    this.places.add(this.buffer, 0, length);
  }
}

class EncryptingStore extends StoreDecorator {
  readonly #cipher: BlockCipher;
  readonly #blockSize: number;
  readonly #features: StoreFeatures;
  readonly #passages = new Pool(() => this.#makePassage());
  readonly #active = new Set<Passage>();

  constructor(inner: ByteStore, cipher: BlockCipher, blockSize: number) {
    super(inner);
    this.#cipher = cipher;
    this.#blockSize = blockSize;
    // A write of one piece is as atomic as the inner store's.
    const atomicWrite = Math.min(inner.features.atomicWrite ?? 0, PIECE);
    this.#features = { ...inner.features, atomicWrite, changesKey: true };
  }

  override get features(): StoreFeatures {
    return this.#features;
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length } = request;
    if (operation === "change-key") return this.#changeKey(request);
    if (operation === "flush" || operation === "extents") return this.inner.submit(request);
    const whole = this.#isWhole(offset) && (operation === "read" || this.#isWhole(length));
    if (offset < 0 || offset + length > this.size || !whole) {
      return request.end(new StoreError("out-of-range", `${operation} of ${offset}+${length} in ${this.size} bytes`));
    }
    if (operation === "discard" || operation === "write-zeroes") return this.inner.submit(request);
    if (length === 0) return request.end(null);
    const passage = this.#passages.take();
    passage.outer = request;
    passage.done = 0;
    this.#active.add(passage);
    this.#pass(passage);
  }

  #isWhole(bytes: number): boolean {
    return bytes % this.#blockSize === 0;
  }

  override cancel(request: StoreRequest): void {
    for (const { outer, inner } of this.#active) if (outer === request) return this.inner.cancel(inner);
    this.inner.cancel(request);
  }

  #changeKey(request: StoreRequest): void {
    this.#cipher.changeKey().then(
      () => request.end(null),
      (cause: unknown) => request.end(new StoreError("hardware", "the key could not be changed", { cause })),
    );
  }

  #makePassage(): Passage {
    const passage = new Passage();
    passage.inner.completed = () => this.#passed(passage);
    return passage;
  }

  /** Begins the next piece; over a store that completes at once the loop in the first call begins them all. */
  #pass(passage: Passage): void {
    passage.again = true;
    if (passage.issuing) return;
    passage.issuing = true;
    while (passage.again) {
      passage.again = false;
      this.#prepare(passage);
      this.inner.submit(passage.inner);
    }
    passage.issuing = false;
  }

  #prepare(passage: Passage): void {
    const { outer, inner, done } = passage;
    const length = Math.ceil(Math.min(PIECE, outer.length - done) / this.#blockSize) * this.#blockSize;
    passage.reserve(length);
    inner.operation = outer.operation;
    inner.offset = outer.offset + done;
    inner.length = length;
    inner.fua = outer.fua;
    inner.places = passage.places;
    if (outer.operation === "read") return;
    outer.places.read(passage.buffer.subarray(0, length), done);
    this.#cipher.encrypt(passage.buffer, length, inner.offset / this.#blockSize);
  }

  #passed(passage: Passage): void {
    const { outer, inner, buffer } = passage;
    if (inner.error !== null) return this.#end(passage, inner.error);
    const length = Math.min(inner.length, outer.length - passage.done);
    if (outer.operation === "read") {
      this.#decrypt(buffer, inner.length, inner.offset / this.#blockSize);
      outer.places.write(buffer.subarray(0, length), passage.done);
    }
    passage.done += length;
    if (passage.done === outer.length) this.#end(passage, null);
    else this.#pass(passage);
  }

  /** Decrypts the runs between blocks of zeros. */
  #decrypt(buffer: Uint8Array, length: number, block: number): void {
    const size = this.#blockSize;
    let begin = 0;
    for (let at = 0; at <= length; at += size) {
      if (at < length && !isZero(buffer, at, size)) continue;
      if (at > begin) this.#cipher.decrypt(buffer.subarray(begin, at), at - begin, block + begin / size);
      begin = at + size;
    }
  }

  #end(passage: Passage, error: StoreError | null): void {
    const { outer } = passage;
    this.#active.delete(passage);
    this.#passages.giveBack(passage);
    outer.end(error);
  }
}

function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  const end = at + length;
  while (at < end && bytes[at] === 0) at += 1;
  return at === end;
}

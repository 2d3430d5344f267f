// Knows AES-256-XTS over blocks (IEEE 1619): the tweak is the number of the block, in little endian. Where the key is kept it is given.

import { createCipheriv, createDecipheriv } from "node:crypto";
import type { BlockCipher } from "@pvscsi/scsi";

/** Bytes of a key: one for the blocks and one for the tweaks, which differ. */
export const KEY_BYTES = 64;
const ALGORITHM = "aes-256-xts";

/** Where the key of one LUN is. */
export interface KeyKeeper {
  readonly key: Uint8Array;
  /** Has another one from then on, durably, and nothing is left of the one before. Where it rejects it may be either. */
  change(): Promise<void>;
}

export class XtsCipher implements BlockCipher {
  readonly #keeper: KeyKeeper;
  readonly #blockSize: number;
  readonly #tweak = new Uint8Array(16);
  readonly #words = new DataView(this.#tweak.buffer);

  constructor(keeper: KeyKeeper, blockSize: number) {
    this.#keeper = keeper;
    this.#blockSize = blockSize;
  }

  encrypt(bytes: Uint8Array, length: number, block: number): void {
    this.#each(createCipheriv, bytes, length, block);
  }

  decrypt(bytes: Uint8Array, length: number, block: number): void {
    this.#each(createDecipheriv, bytes, length, block);
  }

  changeKey(): Promise<void> {
    return this.#keeper.change();
  }

  #each(make: typeof createCipheriv | typeof createDecipheriv, bytes: Uint8Array, length: number, block: number): void {
    for (let at = 0; at < length; at += this.#blockSize) {
      this.#words.setBigUint64(0, BigInt(block), true);
      const plain = bytes.subarray(at, at + this.#blockSize);
      bytes.set(make(ALGORITHM, this.#keeper.key, this.#tweak).update(plain), at);
      block += 1;
    }
  }
}

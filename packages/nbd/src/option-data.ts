// Knows how to read an option's data without trusting it. Knows no option.

import { MAX_STRING } from "./abi/handshake.js";
import { decodeText } from "./text.js";

/** Reads fields one after the other. What is not there reads as zero or "", and `valid` tells at the end. */
export class OptionData {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  /** True once a field was not there, or was no text. */
  broken = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** True when every field was there and nothing is left over. */
  get valid(): boolean {
    return !this.broken && this.left === 0;
  }

  u16(): number {
    return this.#has(2) ? this.#view.getUint16(this.#at - 2) : 0;
  }

  u32(): number {
    return this.#has(4) ? this.#view.getUint32(this.#at - 4) : 0;
  }

  /** UTF-8 without NUL, at most 4096 bytes. */
  text(length: number): string {
    if (length > MAX_STRING) this.broken = true;
    if (!this.#has(length)) return "";
    const text = decodeText(this.#bytes.subarray(this.#at - length, this.#at));
    if (text === null || text.includes("\0")) this.broken = true;
    return text ?? "";
  }

  #has(length: number): boolean {
    if (this.broken || length > this.left) {
      this.broken = true;
      return false;
    }
    this.#at += length;
    return true;
  }
}

// Knows where PDUs begin and end in one direction of a connection (RFC 7143 11.2), from the bytes as they go by; and turns a bit over
// where it is told to. A login's PDUs have no digests.

import { HEADER_SIZE, OPCODE_MASK, Opcode } from "@pvscsi/iscsi";

const DIGEST = 4;
/** The last byte of a basic header: nothing that says where the PDU ends. */
const SPOILED_BYTE = HEADER_SIZE - 1;

/** A PDU that went by. */
export interface Sighting {
  readonly opcode: number;
  /** The 48 bytes, as they were sent. */
  readonly header: Buffer;
}

/** Whether PDUs behind a login have digests. */
export interface Digests {
  readonly header: boolean;
  readonly data: boolean;
}

export interface PduWatcher {
  header(sighting: Sighting): void;
  /** Asked at the last byte of a header, and at the first of a data segment. */
  turnsOver(opcode: number, part: "header" | "data"): boolean;
}

export class PduStream {
  readonly #digests: () => Digests;
  readonly #watcher: PduWatcher;
  readonly #header = Buffer.alloc(HEADER_SIZE);
  #filled = 0;
  /** Bytes until the data segment, and from its beginning to the PDU's end. */
  #before = 0;
  #behind = 0;
  #hasData = false;

  constructor(digests: () => Digests, watcher: PduWatcher) {
    this.#digests = digests;
    this.#watcher = watcher;
  }

  /** Looks at bytes, and changes them where it is told to. */
  take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at += this.#step(bytes, at);
  }

  #step(bytes: Buffer, at: number): number {
    if (this.#filled < HEADER_SIZE) return this.#fill(bytes, at);
    const left = bytes.length - at;
    if (this.#before > 0) {
      const size = Math.min(this.#before, left);
      this.#before -= size;
      return size;
    }
    if (this.#hasData && this.#watcher.turnsOver(this.#opcode, "data")) bytes[at] ^= 1;
    this.#hasData = false;
    const size = Math.min(this.#behind, left);
    this.#behind -= size;
    if (this.#behind === 0) this.#filled = 0;
    return size;
  }

  #fill(bytes: Buffer, at: number): number {
    const size = Math.min(HEADER_SIZE - this.#filled, bytes.length - at);
    bytes.copy(this.#header, this.#filled, at, at + size);
    this.#filled += size;
    if (this.#filled < HEADER_SIZE) return size;
    this.#watcher.header({ opcode: this.#opcode, header: Buffer.from(this.#header) });
    if (this.#watcher.turnsOver(this.#opcode, "header")) bytes[at + size - HEADER_SIZE + SPOILED_BYTE] ^= 1;
    this.#measure();
    return size;
  }

  get #opcode(): number {
    return this.#header[0] & OPCODE_MASK;
  }

  #measure(): void {
    const length = this.#header.readUIntBE(5, 3);
    const inLogin = this.#opcode === Opcode.login || this.#opcode === Opcode.loginResponse;
    const { header, data } = inLogin ? { header: false, data: false } : this.#digests();
    this.#before = this.#header[4] * 4 + (header ? DIGEST : 0);
    this.#behind = ((length + 3) & ~3) + (data && length > 0 ? DIGEST : 0);
    this.#hasData = length > 0;
    if (this.#before + this.#behind === 0) this.#filled = 0;
  }
}

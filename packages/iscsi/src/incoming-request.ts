// Knows the PDU that is coming in from an initiator: by which tables its header is read, and how its data comes to lie in pages.

import type { Input } from "@pvscsi/wire";
import { DataOut, LoginRequest, LogoutRequest, ManagementRequest, ScsiCommand } from "./abi/pdu.js";
import { CRC_START, crcEnd, crcOver, getDigest } from "./crc32c.js";
import { IncomingPdu } from "./incoming.js";

const NOWHERE: readonly Uint8Array[] = [];

export class IncomingRequest extends IncomingPdu {
  readonly command = new ScsiCommand(this.bytes);
  readonly dataOut = new DataOut(this.bytes);
  readonly management = new ManagementRequest(this.bytes);
  readonly login = new LoginRequest(this.bytes);
  readonly logout = new LogoutRequest(this.bytes);
  #pages = NOWHERE;
  #pageSize = 1;
  #at = 0;

  /** Sends the data segment into `pages` of `pageSize` bytes each, from byte `at` of them all on. */
  into(pages: readonly Uint8Array[], pageSize: number, at: number): void {
    this.#pages = pages;
    this.#pageSize = pageSize;
    this.#at = at;
  }

  override drop(): void {
    this.#pages = NOWHERE;
  }

  override fill(input: Input): boolean {
    if (this.#pages === NOWHERE) this.done += input.skip(this.dataLength - this.done);
    while (this.#pages !== NOWHERE && this.done < this.dataLength) {
      const at = this.#at + this.done;
      const inPage = at % this.#pageSize;
      const wanted = Math.min(this.#pageSize - inPage, this.dataLength - this.done);
      const got = input.read(this.#pages[(at - inPage) / this.#pageSize], inPage, wanted);
      this.done += got;
      if (got < wanted) break;
    }
    return this.done === this.dataLength;
  }

  override isRight(tail: Uint8Array, padding: number): boolean {
    if (this.#pages === NOWHERE) return true;
    let crc = CRC_START;
    for (let done = 0; done < this.dataLength; ) {
      const inPage = (this.#at + done) % this.#pageSize;
      const size = Math.min(this.#pageSize - inPage, this.dataLength - done);
      crc = crcOver(crc, this.#pages[(this.#at + done - inPage) / this.#pageSize], inPage, size);
      done += size;
    }
    return crcEnd(crcOver(crc, tail, 0, padding)) === getDigest(tail, padding);
  }
}

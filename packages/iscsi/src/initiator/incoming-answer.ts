// Knows the PDU that is coming in from a target: by which tables its header is read, and how its data comes to lie in places.

import { copyBytes, type Input, Places } from "@pvscsi/wire";
import {
  Answer,
  AsynchronousMessage,
  DataIn,
  LoginResponse,
  LogoutResponse,
  ManagementAnswer,
  ReadyToTransfer,
  Reject,
  ScsiResponse,
} from "../abi/pdu.js";
import { CRC_START, crcEnd, crcOver, getDigest } from "../crc32c.js";
import { IncomingPdu } from "../incoming.js";

export class IncomingAnswer extends IncomingPdu {
  readonly answer = new Answer(this.bytes);
  readonly response = new ScsiResponse(this.bytes);
  readonly dataIn = new DataIn(this.bytes);
  readonly readyToTransfer = new ReadyToTransfer(this.bytes);
  readonly management = new ManagementAnswer(this.bytes);
  readonly login = new LoginResponse(this.bytes);
  readonly logout = new LogoutResponse(this.bytes);
  readonly asynchronous = new AsynchronousMessage(this.bytes);
  readonly reject = new Reject(this.bytes);
  #places: Places | null = null;
  /** The piece that the data begins in, and where in it; then the same for what comes next. */
  #firstPiece = 0;
  #firstSkip = 0;
  #piece = 0;
  #skip = 0;

  /** Sends the data segment into `places`, from byte `at` of them on: there is room for all of it. */
  into(places: Places, at: number): void {
    let piece = 0;
    let skip = at;
    for (; piece < places.count && skip >= places.size(piece); piece++) skip -= places.size(piece);
    this.#places = places;
    this.#firstPiece = this.#piece = piece;
    this.#firstSkip = this.#skip = skip;
  }

  override drop(): void {
    this.#places = null;
  }

  override fill(input: Input): boolean {
    const places = this.#places;
    if (places === null) this.done += input.skip(this.dataLength - this.done);
    while (places !== null && this.done < this.dataLength) {
      const wanted = Math.min(places.size(this.#piece) - this.#skip, this.dataLength - this.done);
      const at = places.offset(this.#piece) + this.#skip;
      const got = input.read(places.page(this.#piece), at, wanted);
      this.done += got;
      this.#skip += got;
      if (got < wanted) break;
      if (this.#skip < places.size(this.#piece)) continue;
      this.#piece += 1;
      this.#skip = 0;
    }
    return this.done === this.dataLength;
  }

  override isRight(tail: Uint8Array, padding: number): boolean {
    const places = this.#places;
    if (places === null) return true;
    let crc = CRC_START;
    let skip = this.#firstSkip;
    for (let piece = this.#firstPiece, left = this.dataLength; left > 0; piece++) {
      const size = Math.min(places.size(piece) - skip, left);
      crc = crcOver(crc, places.page(piece), places.offset(piece) + skip, size);
      left -= size;
      skip = 0;
    }
    return crcEnd(crcOver(crc, tail, 0, padding)) === getDigest(tail, padding);
  }
}

/** Bytes that short data of an answer lies in: sense data above all. */
const SHORT = 1024;

/** Data of answers that is no command's: read by whoever the answer is for, before the next one comes. */
export class AnswerData {
  readonly #places = new Places();
  readonly #short = new Uint8Array(SHORT);
  #bytes: Uint8Array = this.#short;
  length = 0;

  /** Makes room for all of the data that is coming. */
  receive(pdu: IncomingAnswer): void {
    this.length = pdu.dataLength;
    if (this.length === 0) return;
    this.#bytes = this.length > SHORT ? new Uint8Array(this.length) : this.#short;
    this.#places.clear();
    this.#places.add(this.#bytes, 0, this.length);
    pdu.into(this.#places, 0);
  }

  /** Where it lies: its first `length` bytes. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** A copy of its own. */
  copy(): Uint8Array {
    const copy = new Uint8Array(this.length);
    copyBytes(this.#bytes, 0, copy, 0, this.length);
    return copy;
  }
}

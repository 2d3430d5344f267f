// Knows how PDUs become bytes: numbered, digested, padded, and gathered with all others of the turn. Which numbers they carry is
// for whoever sends them to say.

import { type Outbox, type Places, Pool } from "@pvscsi/wire";
import { HEADER_SIZE, Request } from "./abi/pdu.js";
import { CRC_START, crc32c, crcEnd, crcOver, DIGEST_SIZE, putDigest } from "./crc32c.js";

/** A PDU on its way out: a pooled record, which comes back when its bytes have left. */
export class OutgoingPdu {
  pooled = true;
  /** Basic header, room for additional ones where its kind has any, and for a digest. */
  readonly bytes: Uint8Array;
  /** What all PDUs have in the same place. */
  readonly request: InstanceType<typeof Request>;
  /** The basic header without and with room for a digest. */
  readonly #bare: Uint8Array;
  readonly #digested: Uint8Array;
  /** Bytes of its data that are no command's. */
  textLength = 0;
  /** Who waits for the bytes to have left, if anybody does. */
  owner: { left(): void } | null = null;
  readonly #tail = new Uint8Array(8);
  readonly #tails = Array.from({ length: 8 }, (_, length) => this.#tail.subarray(0, length));
  #piece: Uint8Array;

  /** `additional` bytes of additional headers at most. */
  constructor(additional = 0) {
    this.bytes = new Uint8Array(HEADER_SIZE + additional + DIGEST_SIZE);
    this.request = new Request(this.bytes);
    this.#bare = this.bytes.subarray(0, HEADER_SIZE);
    this.#digested = this.bytes.subarray(0, HEADER_SIZE + DIGEST_SIZE);
    this.#piece = this.bytes;
  }

  /** All headers, behind which their digest is put where there is one. */
  header(digest: boolean): Uint8Array {
    const size = HEADER_SIZE + 4 * this.request.ahsLength;
    if (digest) putDigest(this.bytes, size, crc32c(this.bytes, size));
    if (size === HEADER_SIZE) return digest ? this.#digested : this.#bare;
    return this.bytes.subarray(0, size + (digest ? DIGEST_SIZE : 0));
  }

  /** Piece `index` of `data`. A pool gives a record the same page again and again: its view is kept, not made anew. */
  piece(data: Places, index: number): Uint8Array {
    const page = data.page(index);
    const size = data.size(index);
    if (size === page.length) return page;
    const kept = this.#piece;
    const offset = page.byteOffset + data.offset(index);
    if (kept.length === size && kept.byteOffset === offset && kept.buffer === page.buffer) return kept;
    this.#piece = data.view(index);
    return this.#piece;
  }

  /** Padding to four bytes, and a digest if there is one: valid until the PDU is used again. */
  tail(padding: number, digest: number | null): Uint8Array {
    this.#tail.fill(0);
    if (digest !== null) putDigest(this.#tail, padding, digest);
    return this.#tails[padding + (digest === null ? 0 : DIGEST_SIZE)];
  }
}

export abstract class PduWriter<Pdu extends OutgoingPdu> {
  headerDigest = false;
  dataDigest = false;
  /** PDUs that were begun and have not left. */
  unsent = 0;
  /** Bytes of their data that are no command's. */
  unsentText = 0;
  readonly #outbox: Outbox<Pdu>;
  readonly #pool: Pool<Pdu>;

  constructor(outbox: Outbox<Pdu>, make: () => Pdu) {
    this.#outbox = outbox;
    this.#pool = new Pool(make);
  }

  /** Writes the numbers of one that goes out; `counts` says whether it takes up one of its own. */
  protected abstract number(pdu: Pdu, counts: boolean): void;

  /** A PDU with zeros in all fields but the opcode and the flags. */
  begin(opcode: number, flags: number): Pdu {
    const pdu = this.#pool.take();
    this.unsent += 1;
    pdu.bytes.fill(0);
    pdu.request.opcode = opcode;
    pdu.request.flags = flags;
    return pdu;
  }

  /** Takes back what has left, or never will: called by the outbox's owner. */
  release(pdu: Pdu): void {
    const { owner } = pdu;
    pdu.owner = null;
    this.unsent -= 1;
    this.unsentText -= pdu.textLength;
    pdu.textLength = 0;
    this.#pool.giveBack(pdu);
    owner?.left();
  }

  /** Sends it with `data`, all of it. `counts` says whether it takes up a number of its own. */
  send(pdu: Pdu, data: Places | null, counts: boolean): void {
    const length = data?.length ?? 0;
    this.#addHeader(pdu, length, counts);
    if (data !== null && length > 0) {
      let crc = CRC_START;
      for (let i = 0; i < data.count; i++) {
        this.#outbox.add(pdu.piece(data, i));
        if (this.dataDigest) crc = crcOver(crc, data.page(i), data.offset(i), data.size(i));
      }
      this.#addTail(pdu, length, crc);
    }
    this.#outbox.finish(pdu);
  }

  /** The same with bytes that are nobody else's until they have left. */
  sendBytes(pdu: Pdu, data: Uint8Array, counts: boolean): void {
    this.#addHeader(pdu, data.length, counts);
    pdu.textLength = data.length;
    this.unsentText += data.length;
    if (data.length > 0) {
      this.#outbox.add(data);
      this.#addTail(pdu, data.length, this.dataDigest ? crcOver(CRC_START, data, 0, data.length) : 0);
    }
    this.#outbox.finish(pdu);
  }

  #addHeader(pdu: Pdu, length: number, counts: boolean): void {
    pdu.request.dataLength = length;
    this.number(pdu, counts);
    this.#outbox.add(pdu.header(this.headerDigest));
  }

  #addTail(pdu: Pdu, length: number, crc: number): void {
    const padding = -length & 3;
    if (!this.dataDigest) {
      if (padding > 0) this.#outbox.add(pdu.tail(padding, null));
      return;
    }
    const sum = padding === 0 ? crc : crcOver(crc, pdu.tail(padding, null), 0, padding);
    this.#outbox.add(pdu.tail(padding, crcEnd(sum)));
  }
}

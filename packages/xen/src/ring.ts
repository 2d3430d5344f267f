// Knows xen/io/ring.h: two ends of a page of requests and responses with free-running 32-bit indices, and when the
// other end has to be notified. Knows neither what an entry means nor how bytes or notifications reach the other end.

import { fail, type Places, ProtocolError } from "@pvscsi/wire";
import { ringEntries, SharedRing } from "./abi/ring.js";

const WORD = 4;
const REQ_PROD = SharedRing.offsets.reqProd / WORD;
const REQ_EVENT = SharedRing.offsets.reqEvent / WORD;
const RSP_PROD = SharedRing.offsets.rspProd / WORD;
const RSP_EVENT = SharedRing.offsets.rspEvent / WORD;

/** What both ends share: the page, where its entries lie, and the index words, read and written whole. */
class RingPage {
  readonly bytes: Uint8Array;
  readonly entries: number;
  /** Each entry as a view, made once: slots never move. */
  readonly slots: readonly Uint8Array[];
  readonly #entrySize: number;
  readonly #words: Int32Array;

  constructor(bytes: Uint8Array, entrySize: number) {
    this.bytes = bytes;
    this.entries = ringEntries(entrySize, bytes.length);
    if (this.entries === 0) fail(`no entry of ${entrySize} bytes fits a ring of ${bytes.length}`);
    this.#entrySize = entrySize;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, SharedRing.size / WORD);
    this.slots = Array.from({ length: this.entries }, (_, slot) =>
      bytes.subarray(this.offset(slot), this.offset(slot) + entrySize),
    );
  }

  /** Where entry `index` begins: 64 + size * (index mod entries). */
  offset(index: number): number {
    return SharedRing.size + this.#entrySize * (index & (this.entries - 1));
  }

  slot(index: number): Uint8Array {
    return this.slots[index & (this.entries - 1)];
  }

  load(word: number): number {
    return Atomics.load(this.#words, word) >>> 0;
  }

  store(word: number, value: number): void {
    Atomics.store(this.#words, word, value | 0);
  }

  /**
   * Lists the bytes of entries [from, to), one or two ranges, and then of the index word that makes them visible. The
   * words between are the other end's: a range over them would send its indices back to it.
   */
  list(ranges: Places, from: number, to: number, word: number): void {
    const count = (to - from) >>> 0;
    const first = from & (this.entries - 1);
    const run = Math.min(count, this.entries - first);
    if (run > 0) ranges.add(this.bytes, this.offset(first), run * this.#entrySize);
    if (count > run) ranges.add(this.bytes, this.offset(0), (count - run) * this.#entrySize);
    this.listWord(ranges, word);
  }

  listWord(ranges: Places, word: number): void {
    ranges.add(this.bytes, word * WORD, WORD);
  }

  /** The notification rule: the event index lies in (from, to]. */
  wanted(event: number, from: number, to: number): boolean {
    return (to - this.load(event)) >>> 0 < (to - from) >>> 0;
  }
}

/** The front end's side: it produces requests and consumes responses. */
export class FrontRing {
  readonly page: Uint8Array;
  readonly entries: number;
  readonly #shared: RingPage;
  #requestProducer = 0;
  #pushed = 0;
  #responseConsumer = 0;

  /** Over a page that `initialise` or `attach` then takes into use. Entries are `entrySize` bytes each. */
  constructor(page: Uint8Array, entrySize: number) {
    this.#shared = new RingPage(page, entrySize);
    this.page = page;
    this.entries = this.#shared.entries;
  }

  /** Makes the page an empty ring: producers 0, events 1, entries zero. Whoever owns the page does it, once. */
  initialise(): void {
    this.page.fill(0);
    this.#shared.store(REQ_EVENT, 1);
    this.#shared.store(RSP_EVENT, 1);
    this.attach(0);
  }

  /** Goes on at `index` with a page that is in use already and has nothing in flight. */
  attach(index: number): void {
    this.#requestProducer = this.#pushed = this.#responseConsumer = index >>> 0;
  }

  /** Slots that neither a request nor an unconsumed response lies in. */
  get free(): number {
    return this.entries - ((this.#requestProducer - this.#responseConsumer) >>> 0);
  }

  /** Requests pushed whose responses were not consumed yet. */
  get outstanding(): number {
    return (this.#pushed - this.#responseConsumer) >>> 0;
  }

  /** Takes the next request slot and returns its byte offset; -1 when the ring is full. Fill it, then `push`. */
  slot(): number {
    if (this.free === 0) return -1;
    const offset = this.#shared.offset(this.#requestProducer);
    this.#requestProducer = (this.#requestProducer + 1) >>> 0;
    return offset;
  }

  /** Shows the back end all slots taken, appends what became visible to `ranges`, and says whether to notify it. */
  push(ranges: Places): boolean {
    const from = this.#pushed;
    const to = this.#requestProducer;
    this.#shared.store(REQ_PROD, to);
    this.#pushed = to;
    this.#shared.list(ranges, from, to, REQ_PROD);
    return this.#shared.wanted(REQ_EVENT, from, to);
  }

  /** Responses to consume, as the back end claims; above `entries` when it lies. */
  get unconsumed(): number {
    return (this.#shared.load(RSP_PROD) - this.#responseConsumer) >>> 0;
  }

  /**
   * Consumes a response and returns its byte offset; -1 when there is none. The slot may be written by the back end
   * still: copy it once. Throws ProtocolError when there are more responses than requests.
   */
  take(): number {
    const unconsumed = this.unconsumed;
    if (unconsumed === 0) return -1;
    if (unconsumed > this.outstanding) this.#overflow();
    const offset = this.#shared.offset(this.#responseConsumer);
    this.#responseConsumer = (this.#responseConsumer + 1) >>> 0;
    return offset;
  }

  /** Whether there is more to consume; when not, asks to be notified of the next response (appended to `ranges`). */
  finalCheck(ranges: Places): boolean {
    if (this.unconsumed > 0) return true;
    this.#shared.store(RSP_EVENT, this.#responseConsumer + 1);
    this.#shared.listWord(ranges, RSP_EVENT);
    return this.unconsumed > 0;
  }

  #overflow(): never {
    const producer = this.#shared.load(RSP_PROD);
    throw new ProtocolError(
      `rsp_prod ${producer} at rsp_cons ${this.#responseConsumer}: only ${this.outstanding} requests await a response`,
    );
  }
}

/** The back end's side: it consumes requests and produces responses, in whatever order they get ready. */
export class BackRing {
  readonly page: Uint8Array;
  readonly entries: number;
  readonly #shared: RingPage;
  #responseProducer = 0;
  #pushed = 0;
  #requestConsumer = 0;

  /** Over a page that a front end has initialised; begins at index 0, or where `attach` says. */
  constructor(page: Uint8Array, entrySize: number) {
    this.#shared = new RingPage(page, entrySize);
    this.page = page;
    this.entries = this.#shared.entries;
  }

  /** Goes on at `index` with a page that is in use already and has nothing in flight. */
  attach(index: number): void {
    this.#responseProducer = this.#pushed = this.#requestConsumer = index >>> 0;
  }

  /** Goes on where another back end was that ended without a word: with what it has not shown an answer to. */
  resume(): void {
    this.attach(this.#shared.load(RSP_PROD));
  }

  /** Requests consumed that have no response slot yet. */
  get outstanding(): number {
    return (this.#requestConsumer - this.#responseProducer) >>> 0;
  }

  /** Takes the next response slot, zeroed, and returns its byte offset. Fill it, then `push`. */
  slot(): number {
    if (this.outstanding === 0) fail("a response without a request");
    const offset = this.#shared.offset(this.#responseProducer);
    // What the slot held was a request: its rest is not shown again (XSA-216).
    this.#shared.slot(this.#responseProducer).fill(0);
    this.#responseProducer = (this.#responseProducer + 1) >>> 0;
    return offset;
  }

  /** Shows the front end all slots taken, appends what became visible to `ranges`, and says whether to notify it. */
  push(ranges: Places): boolean {
    const from = this.#pushed;
    const to = this.#responseProducer;
    this.#shared.store(RSP_PROD, to);
    this.#pushed = to;
    this.#shared.list(ranges, from, to, RSP_PROD);
    return this.#shared.wanted(RSP_EVENT, from, to);
  }

  /** Requests to consume: never more than there are slots to answer them in. */
  get unconsumed(): number {
    const requests = (this.#shared.load(REQ_PROD) - this.#requestConsumer) >>> 0;
    return Math.min(requests, this.entries - this.outstanding);
  }

  /**
   * Consumes a request: copies its entry, once, to the beginning of `target`. False when there is none or all slots
   * await a response. Throws ProtocolError when the front end claims more requests than the ring has slots: responses
   * it was not shown yet have freed none for it, and overwriting those would make more of them than there are slots.
   */
  take(target: Uint8Array): boolean {
    const producer = this.#shared.load(REQ_PROD);
    if ((producer - this.#pushed) >>> 0 > this.entries) this.#overflow(producer);
    if (producer === this.#requestConsumer || this.outstanding >= this.entries) return false;
    target.set(this.#shared.slot(this.#requestConsumer));
    this.#requestConsumer = (this.#requestConsumer + 1) >>> 0;
    return true;
  }

  /** Whether there is more to consume; when not, asks to be notified of the next request (appended to `ranges`). */
  finalCheck(ranges: Places): boolean {
    if (this.unconsumed > 0) return true;
    this.#shared.store(REQ_EVENT, this.#requestConsumer + 1);
    this.#shared.listWord(ranges, REQ_EVENT);
    return this.unconsumed > 0;
  }

  #overflow(producer: number): never {
    throw new ProtocolError(`req_prod ${producer} at rsp_prod ${this.#pushed}: the ring has ${this.entries} entries`);
  }
}

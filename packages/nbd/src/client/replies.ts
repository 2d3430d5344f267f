// Knows how a server's replies are taken: simple ones and chunks, each checked against the request it is for, and data
// received straight into that request's places. Knows neither what the requests are nor how they were sent.

import type { Extent } from "@pvscsi/scsi";
import { Assembly, type Input, ProtocolError } from "@pvscsi/wire";
import {
  AllocationFlag,
  BlockDescriptor,
  BlockStatus,
  ChunkFlag,
  ChunkType,
  CommandType,
  ERRORS,
  ErrorChunk,
  type NbdError,
  OffsetData,
  SIMPLE_REPLY_MAGIC,
  SimpleReply,
  STRUCTURED_REPLY_MAGIC,
  StructuredReply,
} from "../abi/transmission.js";
import type { Step } from "../phase.js";
import type { Agreement } from "./agreement.js";
import type { ClientRequest } from "./client-request.js";

/** Bytes of the longest payload that is read as a whole: an error with its text, or descriptors. */
const MAX_PAYLOAD = 64 * 1024;
const HOLE = OffsetData.size + 4;
const ERRORS_BY_CODE = new Map<number, NbdError>(Object.values(ERRORS).map((error) => [error.code, error]));

/** Who has sent the requests. */
export interface Asker {
  /** What is under way by this cookie; undefined when nothing is. */
  find(epoch: number, slot: number): ClientRequest | undefined;
  /** All of its answer has come; `error` says how it ended. */
  answered(request: ClientRequest): void;
}

export class Replies {
  readonly #asker: Asker;
  readonly #agreement: Agreement;
  readonly #assembly = new Assembly(MAX_PAYLOAD);
  readonly #simple = new SimpleReply(this.#assembly.bytes);
  readonly #chunk = new StructuredReply(this.#assembly.bytes);
  readonly #offset = new OffsetData(this.#assembly.bytes);
  readonly #view = new DataView(this.#assembly.bytes.buffer);
  #state: "magic" | "header" | "offset" | "payload" | "data" = "magic";
  #request!: ClientRequest;
  #structured = false;
  #type = 0;
  #length = 0;
  #last = false;
  /** The piece of the places that data is received into, what it has already, and what is still to come. */
  #place = 0;
  #filled = 0;
  #left = 0;

  constructor(agreement: Agreement, asker: Asker) {
    this.#agreement = agreement;
    this.#asker = asker;
    this.#assembly.begin(SimpleReply.size);
  }

  /** Throws `ProtocolError` where the server broke the protocol. */
  step(input: Input): Step {
    if (this.#state === "data") return this.#takeData(input);
    if (!this.#assembly.fill(input)) return "wait";
    switch (this.#state) {
      case "magic":
        return this.#takeMagic(input);
      case "header":
        return this.#takeChunk();
      case "offset":
        return this.#beginData();
      case "payload":
        return this.#takePayload();
    }
  }

  /** Both kinds of header have 16 bytes; a chunk's has four more. */
  #takeMagic(input: Input): Step {
    const { magic } = this.#simple;
    if (magic === SIMPLE_REPLY_MAGIC) return this.#takeSimple();
    if (magic !== STRUCTURED_REPLY_MAGIC || !this.#agreement.structured) {
      throw new ProtocolError(`reply magic 0x${magic.toString(16)}`);
    }
    this.#state = "header";
    this.#assembly.extend(StructuredReply.size);
    return this.#assembly.fill(input) ? this.#takeChunk() : "wait";
  }

  #takeSimple(): Step {
    const { error, cookieHigh, cookieLow } = this.#simple;
    this.#begin(cookieHigh, cookieLow, false, true);
    if (error !== 0) this.#failed(error);
    if (error !== 0 || this.#request.type !== CommandType.read) return this.#over();
    if (this.#agreement.structured) throw new ProtocolError("a read is answered simply, not by chunks");
    return this.#receiveAt(this.#request.offset, this.#request.length);
  }

  #takeChunk(): Step {
    const { flags, type, cookieHigh, cookieLow, length } = this.#chunk;
    this.#begin(cookieHigh, cookieLow, true, (flags & ChunkFlag.done) !== 0);
    this.#type = type;
    this.#length = length;
    if (type === ChunkType.offsetData) {
      if (length <= OffsetData.size) throw new ProtocolError(`a chunk of data of ${length} bytes`);
      return this.#expect("offset", OffsetData.size);
    }
    if (length > MAX_PAYLOAD) throw new ProtocolError(`a chunk of type ${type} of ${length} bytes`);
    return this.#expect("payload", length);
  }

  #begin(epoch: number, slot: number, structured: boolean, last: boolean): void {
    const request = this.#asker.find(epoch, slot);
    if (request === undefined) throw new ProtocolError(`a reply with cookie ${epoch}:${slot}, which nothing has`);
    this.#request = request;
    this.#structured = structured;
    this.#last = last;
  }

  #expect(state: "magic" | "offset" | "payload", length: number): Step {
    this.#state = state;
    this.#assembly.begin(length);
    return "again";
  }

  #beginData(): Step {
    return this.#receiveAt(this.#offset.offset, this.#length - OffsetData.size);
  }

  #receiveAt(offset: number, length: number): Step {
    const request = this.#request;
    if (request.type !== CommandType.read) throw new ProtocolError("data that nobody has asked for");
    if (!request.enter(offset, length)) throw new ProtocolError(`data of ${offset}+${length}, not asked for or twice`);
    request.places.select(request.store.places, offset - request.store.offset, length);
    this.#place = 0;
    this.#filled = 0;
    this.#left = length;
    this.#state = "data";
    return "again";
  }

  #takeData(input: Input): Step {
    const { places } = this.#request;
    while (this.#left > 0) {
      const wanted = places.size(this.#place) - this.#filled;
      const got = input.read(places.page(this.#place), places.offset(this.#place) + this.#filled, wanted);
      this.#left -= got;
      this.#filled += got;
      if (got < wanted) return "wait";
      this.#place += 1;
      this.#filled = 0;
    }
    return this.#over();
  }

  #takePayload(): Step {
    switch (this.#type) {
      case ChunkType.none:
        if (this.#length > 0 || !this.#last) throw new ProtocolError("an empty chunk that is not, or not the last");
        break;
      case ChunkType.offsetHole:
        this.#takeHole();
        break;
      case ChunkType.blockStatus:
        this.#takeStatus();
        break;
      default:
        // The highest bit says that a type is an error, also one that is not known ("Structured reply types").
        if ((this.#type & 0x8000) === 0) throw new ProtocolError(`a chunk of type ${this.#type}`);
        if (this.#length < ErrorChunk.size) throw new ProtocolError(`an error chunk of ${this.#length} bytes`);
        this.#failed(this.#view.getUint32(0));
    }
    return this.#over();
  }

  #takeHole(): void {
    const request = this.#request;
    if (this.#length !== HOLE || request.type !== CommandType.read) throw new ProtocolError("a hole nobody asked for");
    const { offset } = this.#offset;
    const length = this.#view.getUint32(OffsetData.size);
    if (!request.enter(offset, length))
      throw new ProtocolError(`a hole of ${offset}+${length}, not asked for or twice`);
    request.places.select(request.store.places, offset - request.store.offset, length);
    request.places.fill(0);
  }

  #takeStatus(): void {
    const request = this.#request;
    const view = this.#view;
    const count = (this.#length - BlockStatus.size) / BlockDescriptor.size;
    const wanted = request.type === CommandType.blockStatus && request.extents.length === 0;
    if (!wanted || !(count >= 1) || !Number.isInteger(count)) throw new ProtocolError("block status nobody asked for");
    if (view.getUint32(0) !== this.#agreement.allocation) throw new ProtocolError("another metadata context");
    const end = request.offset + request.length;
    let at = request.offset;
    for (let i = 0; i < count && at < end; i++) {
      const length = view.getUint32(BlockStatus.size + i * BlockDescriptor.size);
      if (length === 0) throw new ProtocolError("an extent of no bytes");
      const extent = extentOf(at, Math.min(length, end - at), view.getUint32(8 + i * BlockDescriptor.size));
      const last = request.extents.at(-1);
      if (last?.state === extent.state) request.extents.splice(-1, 1, { ...last, length: last.length + extent.length });
      else request.extents.push(extent);
      at += extent.length;
    }
  }

  #failed(code: number): void {
    this.#request.error ??= ERRORS_BY_CODE.get(code) ?? ERRORS.EIO;
  }

  /** A simple reply or a chunk is over, and with the last of them the answer. */
  #over(): Step {
    const request = this.#request;
    if (this.#last) {
      const { type, error, received, length, extents } = request;
      if (error === null && type === CommandType.read && received !== length) {
        throw new ProtocolError(`${received} bytes of a read of ${length}`);
      }
      if (error === null && type === CommandType.blockStatus && extents.length === 0) {
        throw new ProtocolError(`block status without any extent${this.#structured ? "" : ", answered simply"}`);
      }
      this.#asker.answered(request);
    }
    return this.#expect("magic", SimpleReply.size);
  }
}

/** Only what reads as zeros for certain is a hole here; what is not allocated may be in a backing file. */
function extentOf(offset: number, length: number, status: number): Extent {
  const hole = AllocationFlag.hole | AllocationFlag.zero;
  return { offset, length, state: (status & hole) === hole ? "hole" : "data" };
}

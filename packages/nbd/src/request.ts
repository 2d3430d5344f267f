// Knows one request of a client while it is under way, and how its replies are laid out. Knows no connection.

import type { StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import {
  BlockDescriptor,
  BlockStatus,
  ChunkFlag,
  ChunkType,
  COMMANDS,
  type CommandRow,
  ErrorChunk,
  ErrorOffset,
  type NbdError,
  OffsetData,
  SIMPLE_REPLY_MAGIC,
  SimpleReply,
  STRUCTURED_REPLY_MAGIC,
  StructuredReply,
} from "./abi/transmission.js";
import { encodeText } from "./text.js";

const DATA_HEAD = StructuredReply.size + OffsetData.size;

/** A pooled record: what was asked, where its data lies, the store's request for it, and room for a reply's head. */
export class NbdRequest {
  pooled = true;
  command: CommandRow = COMMANDS[0];
  flags = 0;
  cookieHigh = 0;
  cookieLow = 0;
  offset = 0;
  length = 0;
  /** Bytes of its payload received so far, or zeroes written so far. */
  done = 0;
  /** The data's pages, held from the head's arrival until the reply has left. */
  readonly pages: Uint8Array[] = [];
  readonly places = new Places();
  readonly store: StoreRequest;

  readonly #head = new Uint8Array(DATA_HEAD);
  readonly #simple = new SimpleReply(this.#head);
  readonly #chunk = new StructuredReply(this.#head);
  readonly #data = new OffsetData(this.#head, StructuredReply.size);
  readonly #simpleHead = this.#head.subarray(0, SimpleReply.size);
  #piece: Uint8Array = this.#head;
  readonly #chunkHead = this.#head.subarray(0, StructuredReply.size);

  constructor(store: StoreRequest) {
    this.store = store;
    store.context = this;
  }

  /** Piece `index` of the data. Pool gives a record the same page again and again: its view is kept, not made anew. */
  piece(index: number): Uint8Array {
    const page = this.places.page(index);
    const size = this.places.size(index);
    const kept = this.#piece;
    if (size === page.length) return page;
    if (kept.length === size && kept.buffer === page.buffer && kept.byteOffset === page.byteOffset) return kept;
    this.#piece = this.places.view(index);
    return this.#piece;
  }

  /** A simple reply without data. */
  simple(code: number): Uint8Array {
    const reply = this.#simple;
    reply.magic = SIMPLE_REPLY_MAGIC;
    reply.error = code;
    reply.cookieHigh = this.cookieHigh;
    reply.cookieLow = this.cookieLow;
    return this.#simpleHead;
  }

  /** The only chunk of a successful reply without content. */
  doneChunk(): Uint8Array {
    this.#fillChunk(this.#chunk, ChunkType.none, 0);
    return this.#chunkHead;
  }

  /** The head of the only chunk of a read; `length` bytes of data follow. */
  dataHead(): Uint8Array {
    this.#fillChunk(this.#chunk, ChunkType.offsetData, OffsetData.size + this.length);
    this.#data.offset = this.offset;
    return this.#head;
  }

  /** An error as the only chunk of a reply, with the place where it happened if that is known. */
  errorChunk(error: NbdError, offset: number | undefined): Uint8Array {
    const message = encodeText(error.message);
    const known = offset !== undefined && offset >= this.offset && offset < this.offset + this.length;
    const size = ErrorChunk.size + message.length + (known ? ErrorOffset.size : 0);
    const bytes = new Uint8Array(StructuredReply.size + size);
    this.#fillChunk(new StructuredReply(bytes), known ? ChunkType.errorOffset : ChunkType.error, size);
    const chunk = new ErrorChunk(bytes, StructuredReply.size);
    chunk.error = error.code;
    chunk.messageLength = message.length;
    bytes.set(message, StructuredReply.size + ErrorChunk.size);
    if (known) new ErrorOffset(bytes, bytes.length - ErrorOffset.size).offset = offset;
    return bytes;
  }

  /** A BLOCK_STATUS chunk; `descriptors` holds pairs of length and status. */
  statusChunk(contextId: number, descriptors: readonly number[]): Uint8Array {
    const size = BlockStatus.size + (descriptors.length / 2) * BlockDescriptor.size;
    const bytes = new Uint8Array(StructuredReply.size + size);
    this.#fillChunk(new StructuredReply(bytes), ChunkType.blockStatus, size);
    new BlockStatus(bytes, StructuredReply.size).contextId = contextId;
    const descriptor = new BlockDescriptor(bytes);
    for (let i = 0; i < descriptors.length; i += 2) {
      descriptor.at(StructuredReply.size + BlockStatus.size + (i / 2) * BlockDescriptor.size);
      descriptor.length = descriptors[i];
      descriptor.status = descriptors[i + 1];
    }
    return bytes;
  }

  #fillChunk(chunk: InstanceType<typeof StructuredReply>, type: number, length: number): void {
    chunk.magic = STRUCTURED_REPLY_MAGIC;
    chunk.flags = ChunkFlag.done;
    chunk.type = type;
    chunk.cookieHigh = this.cookieHigh;
    chunk.cookieLow = this.cookieLow;
    chunk.length = length;
  }
}

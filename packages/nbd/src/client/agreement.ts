// Knows the client's side of the handshake: which options it asks for one after the other, and what the server agreed to.

import { Assembly, type Input, type Outbox, ProtocolError } from "@pvscsi/wire";
import {
  Greeting,
  GreetingReply,
  HandshakeFlag,
  InfoBlockSize,
  InfoExport,
  InfoType,
  MAGIC,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  OptionHeader,
  OptionReply,
  OptionType,
  ReplyType,
} from "../abi/handshake.js";
import { BASE_ALLOCATION } from "../abi/transmission.js";
import { CUSTOMARY_PAYLOAD } from "../export.js";
import { OptionData } from "../option-data.js";
import type { Step } from "../phase.js";
import { encodeText } from "../text.js";
import type { ClientRequest } from "./client-request.js";

/** What a server said of its export. */
export interface Agreement {
  /** Bytes. */
  size: number;
  /** TransmissionFlag. */
  flags: number;
  /** Bytes that offsets and lengths are multiples of, that requests should be, and of the longest payload. */
  minimumBlock: number;
  preferredBlock: number;
  maximumPayload: number;
  structured: boolean;
  /** The id of `base:allocation`; null where BLOCK_STATUS cannot be used. */
  allocation: number | null;
}

/** Bytes of the longest reply to an option that is read; its texts have 4096 each. */
const MAX_REPLY = 16 * 1024;
/** Replies to one option. */
const MAX_REPLIES = 1024;

const REFUSALS: { readonly [type: number]: string } = {
  [ReplyType.errorUnsupported]: "it does not know the option",
  [ReplyType.errorPolicy]: "its policy forbids it",
  [ReplyType.errorInvalid]: "it calls the option invalid",
  [ReplyType.errorPlatform]: "its platform cannot do it",
  [ReplyType.errorTlsRequired]: "it wants TLS",
  [ReplyType.errorUnknown]: "it has no such export",
  [ReplyType.errorShutdown]: "it is being shut down",
  [ReplyType.errorBlockSizeRequired]: "it wants block sizes kept",
  [ReplyType.errorTooBig]: "it calls the option too long",
};

/** Bytes in, bytes out; `agreement` is what a step that said "done" came to. */
export class ClientNegotiation {
  readonly agreement: Agreement = {
    size: 0,
    flags: 0,
    minimumBlock: 1,
    preferredBlock: 4096,
    maximumPayload: CUSTOMARY_PAYLOAD,
    structured: false,
    allocation: null,
  };
  readonly #name: Uint8Array;
  readonly #outbox: Outbox<ClientRequest>;
  readonly #assembly = new Assembly(MAX_REPLY);
  readonly #reply = new OptionReply(this.#assembly.bytes);
  #state: "greeting" | "header" | "data" = "greeting";
  #option = 0;
  #type = 0;
  #length = 0;
  #replies = 0;
  #described = false;

  constructor(exportName: string, outbox: Outbox<ClientRequest>) {
    this.#name = encodeText(exportName);
    this.#outbox = outbox;
    this.#assembly.begin(Greeting.size);
  }

  /** Throws `ProtocolError` where the server broke the protocol, or does not have what is wanted. */
  step(input: Input): Step {
    if (!this.#assembly.fill(input)) return "wait";
    switch (this.#state) {
      case "greeting":
        return this.#greeted();
      case "header":
        return this.#takeHeader();
      case "data":
        return this.#takeReply();
    }
  }

  #greeted(): Step {
    const greeting = new Greeting(this.#assembly.bytes);
    const newstyle = greeting.optionMagicHigh === OPTION_MAGIC.high && greeting.optionMagicLow === OPTION_MAGIC.low;
    if (greeting.magicHigh !== MAGIC.high || greeting.magicLow !== MAGIC.low || !newstyle) {
      throw new ProtocolError("it is no NBD server of the newstyle");
    }
    if ((greeting.flags & HandshakeFlag.fixedNewstyle) === 0) throw new ProtocolError("it has no fixed newstyle");
    const reply = new GreetingReply(new Uint8Array(GreetingReply.size));
    reply.flags = greeting.flags & (HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes);
    this.#outbox.add(reply.bytes);
    return this.#ask(OptionType.structuredReply, new Uint8Array(0));
  }

  #ask(option: number, data: Uint8Array): Step {
    const header = new OptionHeader(new Uint8Array(OptionHeader.size));
    header.magicHigh = OPTION_MAGIC.high;
    header.magicLow = OPTION_MAGIC.low;
    header.option = option;
    header.length = data.length;
    this.#outbox.add(header.bytes);
    if (data.length > 0) this.#outbox.add(data);
    this.#option = option;
    this.#replies = 0;
    return this.#next();
  }

  #next(): Step {
    this.#state = "header";
    this.#assembly.begin(OptionReply.size);
    return "again";
  }

  #takeHeader(): Step {
    const { magic, option, type, length } = this.#reply;
    if (magic !== OPTION_REPLY_MAGIC) throw new ProtocolError("a reply to an option has another magic");
    if (option !== this.#option) throw new ProtocolError(`a reply to option ${option}, not ${this.#option}`);
    if (length > MAX_REPLY) throw new ProtocolError(`${length} bytes of reply to an option`);
    if (++this.#replies > MAX_REPLIES) throw new ProtocolError(`more than ${MAX_REPLIES} replies to an option`);
    this.#type = type;
    this.#length = length;
    this.#state = "data";
    this.#assembly.begin(length);
    return "again";
  }

  #takeReply(): Step {
    const bytes = this.#assembly.bytes.slice(0, this.#length);
    if (this.#type === ReplyType.acknowledge) return this.#acknowledged();
    if (this.#type >= ReplyType.errorUnsupported) return this.#refused(bytes);
    if (this.#type === ReplyType.info && this.#option === OptionType.go) this.#inform(bytes);
    if (this.#type === ReplyType.metaContext && this.#option === OptionType.setMetaContext) this.#select(bytes);
    return this.#next();
  }

  #acknowledged(): Step {
    if (this.#option === OptionType.go) return this.#gone();
    if (this.#option === OptionType.setMetaContext) return this.#go();
    this.agreement.structured = true;
    return this.#ask(OptionType.setMetaContext, metaContextQuery(this.#name));
  }

  /** Without structured replies, or without metadata, less can be asked; without the export nothing. */
  #refused(bytes: Uint8Array): Step {
    if (this.#option !== OptionType.go && this.#type !== ReplyType.errorTlsRequired) {
      this.agreement.allocation = null;
      return this.#go();
    }
    const data = new OptionData(bytes);
    const words = data.text(Math.min(bytes.length, 512));
    const told = data.broken || words === "" ? "" : ` (${JSON.stringify(words)})`;
    throw new ProtocolError(`${REFUSALS[this.#type] ?? `it refuses with 0x${this.#type.toString(16)}`}${told}`);
  }

  #go(): Step {
    return this.#ask(OptionType.go, goData(this.#name));
  }

  #select(bytes: Uint8Array): void {
    const data = new OptionData(bytes);
    const id = data.u32();
    const name = data.text(data.left);
    if (data.valid && name === BASE_ALLOCATION) this.agreement.allocation = id;
  }

  #inform(bytes: Uint8Array): void {
    const type = new OptionData(bytes).u16();
    const { agreement } = this;
    if (type === InfoType.export) {
      if (bytes.length !== InfoExport.size) throw new ProtocolError(`${bytes.length} bytes of INFO_EXPORT`);
      const info = new InfoExport(bytes);
      agreement.size = info.exportSize;
      agreement.flags = info.flags;
      this.#described = true;
    } else if (type === InfoType.blockSize) {
      if (bytes.length !== InfoBlockSize.size) throw new ProtocolError(`${bytes.length} bytes of INFO_BLOCK_SIZE`);
      const { minimum, preferred, maximumPayload } = new InfoBlockSize(bytes);
      const sound = isBlock(minimum) && isBlock(preferred) && minimum <= 65536 && maximumPayload >= preferred;
      if (!sound || preferred < minimum) {
        throw new ProtocolError(`block sizes ${minimum}, ${preferred} and ${maximumPayload}`);
      }
      agreement.minimumBlock = minimum;
      agreement.preferredBlock = preferred;
      // "No limit" is no reason to send more at once than every server takes.
      agreement.maximumPayload = Math.min(maximumPayload - (maximumPayload % minimum), CUSTOMARY_PAYLOAD);
    }
  }

  #gone(): Step {
    if (!this.#described) throw new ProtocolError("it accepts GO and does not describe the export");
    return "done";
  }
}

function isBlock(bytes: number): boolean {
  return bytes > 0 && Number.isInteger(Math.log2(bytes));
}

/** Data of GO: the name, and that block sizes are wanted, which the client keeps then. */
function goData(name: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + name.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name.length);
  bytes.set(name, 4);
  view.setUint16(4 + name.length, 1);
  view.setUint16(6 + name.length, InfoType.blockSize);
  return bytes;
}

/** Data of SET_META_CONTEXT: the name, and one query. */
function metaContextQuery(name: Uint8Array): Uint8Array {
  const query = encodeText(BASE_ALLOCATION);
  const bytes = new Uint8Array(12 + name.length + query.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name.length);
  bytes.set(name, 4);
  view.setUint32(4 + name.length, 1);
  view.setUint32(8 + name.length, query.length);
  bytes.set(query, 12 + name.length);
  return bytes;
}

// Knows what each option of the handshake does, and what a client has agreed on so far. Knows no framing of requests.

import { type Outbox, ProtocolError } from "@pvscsi/wire";
import {
  EXPORT_NAME_REPLY_SHORT,
  ExportNameReply,
  InfoBlockSize,
  InfoExport,
  InfoText,
  InfoType,
  MetaContextReply,
  OPTION_REPLY_MAGIC,
  OptionReply,
  OptionType,
  ReplyType,
  ServerReply,
} from "./abi/handshake.js";
import { BASE_ALLOCATION } from "./abi/transmission.js";
import type { NbdExport } from "./export.js";
import { OptionData } from "./option-data.js";
import type { NbdRequest } from "./request.js";
import { decodeText, encodeText } from "./text.js";

/** The id of `base:allocation`, the only metadata context there is. */
export const ALLOCATION_CONTEXT = 1;
/** Queries that select it: by its name, and when listing also by its namespace. */
const SET_QUERIES: readonly string[] = [BASE_ALLOCATION];
const LIST_QUERIES: readonly string[] = [BASE_ALLOCATION, "base:"];

/** What a handshake ended with. */
export interface Choice {
  readonly export: NbdExport;
  readonly structured: boolean;
  /** Whether BLOCK_STATUS may be used. */
  readonly allocation: boolean;
}

/** An option that is supported. `hasData` is false where data makes it invalid. */
interface OptionRow {
  readonly name: string;
  readonly hasData: boolean;
  readonly run: (options: Options, bytes: Uint8Array) => void;
}

/** Executes options and answers them. */
export class Options {
  /** Set by the option that ends the handshake. */
  outcome: Choice | "aborted" | null = null;
  /** Whether the zeroes behind the reply to EXPORT_NAME are left out. */
  noZeroes = false;
  readonly #exports: readonly NbdExport[];
  readonly #outbox: Outbox<NbdRequest>;
  #option = 0;
  #structured = false;
  /** The export that SET_META_CONTEXT selected `base:allocation` for. */
  #allocation: NbdExport | null = null;

  constructor(exports: readonly NbdExport[], outbox: Outbox<NbdRequest>) {
    this.#exports = exports;
    this.#outbox = outbox;
  }

  /** The options that are supported; all others are answered UNSUP. */
  static readonly table: { readonly [type: number]: OptionRow } = {
    [OptionType.exportName]: {
      name: "EXPORT_NAME",
      hasData: true,
      run: (options, bytes) => options.#exportName(bytes),
    },
    [OptionType.abort]: { name: "ABORT", hasData: true, run: (options) => options.#abort() },
    [OptionType.list]: { name: "LIST", hasData: false, run: (options) => options.#list() },
    [OptionType.info]: { name: "INFO", hasData: true, run: (options, bytes) => options.#info(bytes, false) },
    [OptionType.go]: { name: "GO", hasData: true, run: (options, bytes) => options.#info(bytes, true) },
    [OptionType.structuredReply]: { name: "STRUCTURED_REPLY", hasData: false, run: (options) => options.#structure() },
    [OptionType.listMetaContext]: {
      name: "LIST_META_CONTEXT",
      hasData: true,
      run: (options, bytes) => options.#metaContext(bytes, LIST_QUERIES),
    },
    [OptionType.setMetaContext]: {
      name: "SET_META_CONTEXT",
      hasData: true,
      run: (options, bytes) => options.#metaContext(bytes, SET_QUERIES),
    },
  };

  /** Executes one option; its replies go to the outbox. Throws `ProtocolError` where it cannot be answered. */
  execute(option: number, bytes: Uint8Array): void {
    this.#option = option;
    const row = Options.table[option];
    if (row === undefined) this.#refuse(ReplyType.errorUnsupported, `option ${option} is not supported`);
    else if (bytes.length > 0 && !row.hasData) this.#refuse(ReplyType.errorInvalid, `${row.name} has no data`);
    else row.run(this, bytes);
  }

  /** Answers an option whose data was too long to be looked at. */
  tooBig(option: number, length: number): void {
    this.#option = option;
    if (option === OptionType.exportName) throw new ProtocolError(`an export name of ${length} bytes`);
    if (option === OptionType.setMetaContext) this.#allocation = null;
    this.#refuse(ReplyType.errorTooBig, `${length} bytes of option data`);
  }

  /** This option cannot be answered with an error, only with the end of the connection. */
  #exportName(bytes: Uint8Array): void {
    const name = decodeText(bytes);
    const found = name === null ? undefined : this.#find(name);
    if (found === undefined) throw new ProtocolError(`no export ${JSON.stringify(name)}`);
    const reply = new ExportNameReply(new Uint8Array(ExportNameReply.size));
    reply.exportSize = found.size;
    reply.flags = found.flags(this.#structured);
    this.#outbox.add(this.noZeroes ? reply.bytes.subarray(0, EXPORT_NAME_REPLY_SHORT) : reply.bytes);
    this.#choose(found);
  }

  #abort(): void {
    this.#reply(ReplyType.acknowledge);
    this.outcome = "aborted";
  }

  #list(): void {
    for (const each of this.#exports) {
      const name = encodeText(each.name);
      const head = new ServerReply(new Uint8Array(ServerReply.size));
      head.nameLength = name.length;
      this.#reply(ReplyType.server, head.bytes, name, encodeText(each.description));
    }
    this.#reply(ReplyType.acknowledge);
  }

  #info(bytes: Uint8Array, go: boolean): void {
    const data = new OptionData(bytes);
    const name = data.text(data.u32());
    const wanted = new Set<number>();
    for (let count = data.u16(); count > 0 && !data.broken; count--) wanted.add(data.u16());
    const found = this.#checked(data, name);
    if (found === null) return;
    this.#describe(found, wanted);
    this.#reply(ReplyType.acknowledge);
    if (go) this.#choose(found);
  }

  /** The export and its block sizes are always told, names only to those who ask. */
  #describe(found: NbdExport, wanted: ReadonlySet<number>): void {
    const info = new InfoExport(new Uint8Array(InfoExport.size));
    info.type = InfoType.export;
    info.exportSize = found.size;
    info.flags = found.flags(this.#structured);
    this.#reply(ReplyType.info, info.bytes);
    const sizes = new InfoBlockSize(new Uint8Array(InfoBlockSize.size));
    sizes.type = InfoType.blockSize;
    sizes.minimum = found.minimumBlock;
    sizes.preferred = found.preferredBlock;
    sizes.maximumPayload = found.maximumPayload;
    this.#reply(ReplyType.info, sizes.bytes);
    if (wanted.has(InfoType.name)) this.#tell(InfoType.name, found.name);
    if (wanted.has(InfoType.description) && found.description !== "") {
      this.#tell(InfoType.description, found.description);
    }
  }

  #tell(type: number, text: string): void {
    const head = new InfoText(new Uint8Array(InfoText.size));
    head.type = type;
    this.#reply(ReplyType.info, head.bytes, encodeText(text));
  }

  #structure(): void {
    this.#structured = true;
    this.#reply(ReplyType.acknowledge);
  }

  /** SET replaces what was selected before, also when it fails; LIST without queries lists all there is. */
  #metaContext(bytes: Uint8Array, accepted: readonly string[]): void {
    const set = accepted === SET_QUERIES;
    if (set) this.#allocation = null;
    if (!this.#structured) {
      this.#refuse(ReplyType.errorInvalid, "structured replies come first");
      return;
    }
    const data = new OptionData(bytes);
    const name = data.text(data.u32());
    const queries = data.u32();
    let selected = queries === 0 && !set;
    for (let i = 0; i < queries && !data.broken; i++) selected = accepted.includes(data.text(data.u32())) || selected;
    const found = this.#checked(data, name);
    if (found === null) return;
    if (selected) {
      const head = new MetaContextReply(new Uint8Array(MetaContextReply.size));
      if (set) this.#allocation = found;
      if (set) head.contextId = ALLOCATION_CONTEXT;
      this.#reply(ReplyType.metaContext, head.bytes, encodeText(BASE_ALLOCATION));
    }
    this.#reply(ReplyType.acknowledge);
  }

  /** The export that `name` stands for, once all data has been read; null when the option was refused. */
  #checked(data: OptionData, name: string): NbdExport | null {
    const found = this.#find(name);
    if (!data.valid) this.#refuse(ReplyType.errorInvalid, "malformed option data");
    else if (found === undefined) this.#refuse(ReplyType.errorUnknown, "no such export");
    else return found;
    return null;
  }

  /** The empty name stands for the first export, unless one has that name. */
  #find(name: string): NbdExport | undefined {
    return this.#exports.find((each) => each.name === name) ?? (name === "" ? this.#exports[0] : undefined);
  }

  #choose(found: NbdExport): void {
    this.outcome = { export: found, structured: this.#structured, allocation: this.#allocation === found };
  }

  #refuse(type: number, message: string): void {
    this.#reply(type, encodeText(message));
  }

  #reply(type: number, ...data: readonly Uint8Array[]): void {
    const head = new OptionReply(new Uint8Array(OptionReply.size));
    head.magic = OPTION_REPLY_MAGIC;
    head.option = this.#option;
    head.type = type;
    head.length = data.reduce((sum, part) => sum + part.length, 0);
    this.#outbox.add(head.bytes);
    for (const part of data) if (part.length > 0) this.#outbox.add(part);
  }
}

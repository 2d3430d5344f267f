// Knows the client's side of NBD as bytes: builds what a client sends, and takes apart what it gets.

import {
  BlockDescriptor,
  CommandType,
  EXPORT_NAME_REPLY_SHORT,
  Greeting,
  GreetingReply,
  HandshakeFlag,
  NbdExport,
  type NbdExportOptions,
  NbdSession,
  OPTION_MAGIC,
  OptionHeader,
  OptionReply,
  OptionType,
  REQUEST_MAGIC,
  Request,
  SIMPLE_REPLY_MAGIC,
  SimpleReply,
  STRUCTURED_REPLY_MAGIC,
  StructuredReply,
} from "@pvscsi/nbd";
import { ProbeHub, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { HeldSink } from "../../support/held-sink.js";

export interface OptionAnswer {
  readonly option: number;
  readonly type: number;
  readonly data: Buffer;
}

/** A simple reply has no type; `error` of a structured one is the code of its error chunk. */
export interface Answer {
  readonly cookie: number;
  readonly type: number | null;
  readonly flags: number;
  readonly error: number;
  readonly data: Buffer;
}

export interface Asking {
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly length?: number;
  readonly cookie?: number;
  readonly payload?: Uint8Array;
}

export function greetingReply(flags: number = HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes): Buffer {
  const reply = new GreetingReply(Buffer.alloc(GreetingReply.size));
  reply.flags = flags;
  return reply.bytes as Buffer;
}

export function option(type: number, data: Uint8Array = Buffer.alloc(0), length = data.length): Buffer {
  const header = new OptionHeader(Buffer.alloc(OptionHeader.size));
  header.magicHigh = OPTION_MAGIC.high;
  header.magicLow = OPTION_MAGIC.low;
  header.option = type;
  header.length = length;
  return Buffer.concat([header.bytes, data]);
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A string behind its length. */
export function text(value: string): Buffer {
  return Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)]);
}

/** The data of INFO and GO. */
export function infoData(name: string, ...wanted: readonly number[]): Buffer {
  return Buffer.concat([text(name), u16(wanted.length), ...wanted.map(u16)]);
}

/** The data of both META_CONTEXT options. */
export function contextData(name: string, ...queries: readonly string[]): Buffer {
  return Buffer.concat([text(name), u32(queries.length), ...queries.map(text)]);
}

export function command(type: number, asking: Asking = {}): Buffer {
  const request = new Request(Buffer.alloc(Request.size));
  const offset = BigInt(asking.offset ?? 0);
  request.magic = REQUEST_MAGIC;
  request.flags = asking.flags ?? 0;
  request.type = type;
  request.cookieHigh = 0xc00c1e;
  request.cookieLow = asking.cookie ?? 0;
  request.offsetHigh = Number(offset >> 32n);
  request.offsetLow = Number(offset & 0xffff_ffffn);
  request.length = asking.length ?? asking.payload?.length ?? 0;
  return Buffer.concat([request.bytes, asking.payload ?? Buffer.alloc(0)]);
}

/** The handshake of a client that wants everything there is. */
export function fullHandshake(name = ""): Buffer {
  return Buffer.concat([
    greetingReply(),
    option(OptionType.structuredReply),
    option(OptionType.setMetaContext, contextData(name, "base:allocation")),
    option(OptionType.go, infoData(name)),
  ]);
}

/** The handshake of a client that wants simple replies. */
export function shortHandshake(name = ""): Buffer {
  return Buffer.concat([greetingReply(), option(OptionType.exportName, Buffer.from(name))]);
}

/** One session, driven by bytes in a simulated world. */
export class Peer extends HeldSink {
  readonly exports: readonly NbdExport[];
  readonly simulation = new Simulation(seededRandom(1));
  readonly session: NbdSession;
  readonly failures: string[] = [];
  /** By cookie, how much data a simple reply carries when it says that all went well. */
  readonly #lengths = new Map<number, number>();

  constructor(
    exports: readonly NbdExportOptions[],
    limits: { bytesInFlight?: number; handshakeTimeout?: number } = {},
  ) {
    super();
    this.exports = exports.map((each) => new NbdExport(each));
    const probes = new ProbeHub();
    probes.listen((name, subject) => {
      if (name === "nbd:failed") this.failures.push(String(subject));
    });
    const host = { clock: this.simulation, scheduler: this.simulation, probes, exports: this.exports };
    this.session = new NbdSession({ ...host, handshakeTimeout: 10_000, bytesInFlight: 1 << 26, ...limits }, this);
  }

  /** Sends bytes to the server and lets it work. */
  give(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.session.receive(part);
    return this.work();
  }

  work(): this {
    while (this.simulation.busy) this.simulation.step();
    return this;
  }

  /** The connection ends, and what it took must all be back. */
  close(): void {
    this.session.closed();
    this.hold = false;
    this.deliver();
    this.work();
    expect(this.overs, "settled").to.equal(1);
    this.expectNothingHeld();
  }

  expectNothingHeld(): void {
    for (const each of this.exports) {
      expect(each.requests.taken, "requests taken").to.equal(0);
      expect(each.pages.taken, "pages taken").to.equal(0);
    }
    expect(this.session.inFlight).to.equal(0);
  }

  take(length: number): Buffer {
    expect(this.received.length, "bytes from the server").to.be.at.least(length);
    const bytes = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return bytes;
  }

  takeGreeting(): InstanceType<typeof Greeting> {
    return new Greeting(this.take(Greeting.size));
  }

  takeOption(): OptionAnswer {
    const reply = new OptionReply(this.take(OptionReply.size));
    expect(reply.magic).to.equal(0x3e889045565a9);
    return { option: reply.option, type: reply.type, data: this.take(reply.length) };
  }

  /** All option replies that have come. */
  takeOptions(): OptionAnswer[] {
    const answers: OptionAnswer[] = [];
    while (this.received.length > 0) answers.push(this.takeOption());
    return answers;
  }

  /** Connects with structured replies and block status. */
  connect(name = ""): this {
    this.give(fullHandshake(name));
    this.takeGreeting();
    this.takeOptions();
    return this;
  }

  /** Connects with simple replies only. */
  connectSimply(name = ""): this {
    this.give(shortHandshake(name));
    this.takeGreeting();
    this.take(EXPORT_NAME_REPLY_SHORT);
    return this;
  }

  /** Sends one command and takes its only reply. */
  ask(type: number, asking: Asking = {}): Answer {
    this.issue(type, asking);
    const answer = this.takeAnswer();
    expect(this.received.length, "bytes behind the reply").to.equal(0);
    expect(answer.cookie).to.equal(asking.cookie ?? 0);
    return answer;
  }

  /** Sends one command. */
  issue(type: number, asking: Asking = {}): void {
    this.#lengths.set(asking.cookie ?? 0, type === CommandType.read ? (asking.length ?? 0) : 0);
    this.give(command(type, asking));
  }

  takeAnswer(): Answer {
    return this.received.readUInt32BE(0) === SIMPLE_REPLY_MAGIC ? this.#takeSimple() : this.#takeChunk();
  }

  #takeSimple(): Answer {
    const reply = new SimpleReply(this.take(SimpleReply.size));
    expect(reply.cookieHigh).to.equal(0xc00c1e);
    const length = reply.error === 0 ? (this.#lengths.get(reply.cookieLow) ?? 0) : 0;
    return { cookie: reply.cookieLow, type: null, flags: 0, error: reply.error, data: this.take(length) };
  }

  #takeChunk(): Answer {
    const chunk = new StructuredReply(this.take(StructuredReply.size));
    expect(chunk.magic).to.equal(STRUCTURED_REPLY_MAGIC);
    expect(chunk.cookieHigh).to.equal(0xc00c1e);
    const data = this.take(chunk.length);
    const error = (chunk.type & 0x8000) !== 0 ? data.readUInt32BE(0) : 0;
    return { cookie: chunk.cookieLow, type: chunk.type, flags: chunk.flags, error, data };
  }
}

/** The descriptors of a BLOCK_STATUS answer as pairs of length and status. */
export function statusOf(answer: Answer): number[] {
  const descriptor = new BlockDescriptor(answer.data);
  const pairs: number[] = [];
  for (let at = 4; at < answer.data.length; at += BlockDescriptor.size) {
    descriptor.at(at);
    pairs.push(descriptor.length, descriptor.status);
  }
  return pairs;
}

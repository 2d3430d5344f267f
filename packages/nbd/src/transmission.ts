// Knows how requests are framed and answered, many under way at once. What is wrong with one is in refusal.ts, what
// the store does with it in execution.ts.

import type { StoreError } from "@pvscsi/scsi";
import { Assembly, type Input, type Outbox, type Probes, ProtocolError } from "@pvscsi/wire";
import {
  COMMANDS,
  type CommandRow,
  CommandType,
  ERRORS,
  type NbdError,
  REQUEST_MAGIC,
  Request,
} from "./abi/transmission.js";
import { descriptorsOf, Execution } from "./execution.js";
import { CUSTOMARY_PAYLOAD, nbdError } from "./export.js";
import { ALLOCATION_CONTEXT, type Choice } from "./options.js";
import type { Phase, Step } from "./phase.js";
import { refusal } from "./refusal.js";
import type { NbdRequest } from "./request.js";

/** Requests of a connection that may be under way; each ends when its reply has left. */
const MAX_REQUESTS = 256;

/** Stands for every type that is in no table. */
const UNKNOWN: CommandRow = { ...COMMANDS[CommandType.flush], name: "unknown", type: -1 };

export class Transmission implements Phase {
  /** Requests under way: coming in, in the store, or answered by bytes that have not left. */
  inFlight = 0;
  /** Bytes of the pages they hold. */
  bytesInFlight = 0;
  readonly #choice: Choice;
  readonly #outbox: Outbox<NbdRequest>;
  readonly #probes: Probes;
  readonly #maximumBytes: number;
  readonly #execution: Execution;
  readonly #assembly = new Assembly(Request.size);
  readonly #header = new Request(this.#assembly.bytes);
  #state: "header" | "room" | "payload" | "refused" = "header";
  /** The request that is coming in, from its header on. */
  #incoming: NbdRequest | null = null;
  #error: NbdError | null = null;

  /** `maximumBytes` is what the pages of all requests under way may hold; one request always has room. */
  constructor(choice: Choice, outbox: Outbox<NbdRequest>, probes: Probes, maximumBytes: number) {
    const { store, pages, maximumPayload } = choice.export;
    this.#choice = choice;
    this.#outbox = outbox;
    this.#probes = probes;
    this.#maximumBytes = Math.max(maximumBytes, pages.footprint(maximumPayload));
    this.#execution = new Execution(store, (request, error) => this.#executed(request, error));
    this.#assembly.begin(Request.size);
  }

  get blocked(): boolean {
    return (this.#state === "header" && this.inFlight >= MAX_REQUESTS) || (this.#state === "room" && !this.#hasRoom());
  }

  step(input: Input): Step {
    if (this.blocked) return "wait";
    switch (this.#state) {
      case "header":
        return this.#assembly.fill(input) ? this.#takeHeader() : "wait";
      case "room":
        return this.#takeRoom();
      case "payload":
        return this.#takePayload(input);
      case "refused":
        return this.#dropPayload(input);
    }
  }

  /** Takes nothing more: what has not come in whole never will. */
  close(): void {
    const incoming = this.#incoming;
    this.#incoming = null;
    if (incoming !== null) this.release(incoming);
  }

  /** Besides, nobody waits for replies any more. What is in the store ends by itself. */
  abandon(): void {
    this.#execution.stopped = true;
    this.close();
  }

  /** Takes back a request whose reply has left, or never will. */
  release(request: NbdRequest): void {
    const { pages, requests } = this.#choice.export;
    this.bytesInFlight -= request.pages.length * pages.pageSize;
    this.inFlight -= 1;
    pages.giveBack(request.pages);
    request.places.clear();
    requests.giveBack(request);
  }

  #takeHeader(): Step {
    const header = this.#header;
    if (header.magic !== REQUEST_MAGIC) throw new ProtocolError(`request magic 0x${header.magic.toString(16)}`);
    const request = this.#choice.export.requests.take();
    this.inFlight += 1;
    this.#incoming = request;
    request.command = COMMANDS[header.type] ?? UNKNOWN;
    request.flags = header.flags;
    request.cookieHigh = header.cookieHigh;
    request.cookieLow = header.cookieLow;
    // Inexact above 2^53, but still beyond any store's end.
    request.offset = header.offsetHigh * 0x1_0000_0000 + header.offsetLow;
    request.length = header.length;
    request.done = 0;
    this.#assembly.begin(Request.size);
    if (this.#probes.listening) this.#probes.emit("nbd:request", request);
    return this.#sort(request);
  }

  #sort(request: NbdRequest): Step {
    const { command, length } = request;
    if (command.type === CommandType.disconnect) {
      return "end";
    }
    this.#error = command === UNKNOWN ? ERRORS.EINVAL : refusal(request, this.#choice);
    if (this.#error === null) {
      if (command.payload === "none") return this.#execute(request);
      this.#state = "room";
      return "again";
    }
    if (command.payload === "to-server") {
      const most = Math.max(CUSTOMARY_PAYLOAD, this.#choice.export.maximumPayload);
      if (length > most) throw new ProtocolError(`a write of ${length} bytes`);
      this.#state = "refused";
      return "again";
    }
    this.#incoming = null;
    this.#fail(request, this.#error, undefined);
    return "again";
  }

  #hasRoom(): boolean {
    const length = this.#incoming?.length ?? 0;
    return this.bytesInFlight + this.#choice.export.pages.footprint(length) <= this.#maximumBytes;
  }

  #takeRoom(): Step {
    const request = this.#incoming as NbdRequest;
    const { pages } = this.#choice.export;
    pages.take(request.pages, request.length);
    this.bytesInFlight += request.pages.length * pages.pageSize;
    for (let i = 0, left = request.length; left > 0; i++, left -= pages.pageSize) {
      request.places.add(request.pages[i], 0, Math.min(left, pages.pageSize));
    }
    if (request.command.payload === "to-client") return this.#execute(request);
    this.#state = "payload";
    return "again";
  }

  #takePayload(input: Input): Step {
    const request = this.#incoming as NbdRequest;
    const { pageSize } = this.#choice.export.pages;
    while (request.done < request.length) {
      const at = request.done % pageSize;
      const wanted = Math.min(pageSize - at, request.length - request.done);
      const got = input.read(request.pages[Math.floor(request.done / pageSize)], at, wanted);
      request.done += got;
      if (got < wanted) return "wait";
    }
    return this.#execute(request);
  }

  /** The payload of a request that failed already has to be taken off the stream before it is answered. */
  #dropPayload(input: Input): Step {
    const request = this.#incoming as NbdRequest;
    request.done += input.skip(request.length - request.done);
    if (request.done < request.length) return "wait";
    this.#state = "header";
    this.#incoming = null;
    this.#fail(request, this.#error ?? ERRORS.EINVAL, undefined);
    return "again";
  }

  #execute(request: NbdRequest): Step {
    this.#state = "header";
    this.#incoming = null;
    this.#execution.start(request);
    return "again";
  }

  #executed(request: NbdRequest, error: StoreError | null): void {
    if (error !== null) {
      this.#fail(request, nbdError(error), error.offset);
      return;
    }
    this.#outbox.add(this.#head(request));
    if (request.command.type === CommandType.read) {
      for (let i = 0; i < request.places.count; i++) this.#outbox.add(request.piece(i));
    }
    this.#outbox.finish(request);
  }

  /** All of a successful reply but a read's data. What has no payload is answered simply, as a client has to accept. */
  #head(request: NbdRequest): Uint8Array {
    const { type } = request.command;
    if (type === CommandType.blockStatus) return request.statusChunk(ALLOCATION_CONTEXT, descriptorsOf(request));
    if (type !== CommandType.read || !this.#choice.structured) return request.simple(0);
    return request.length > 0 ? request.dataHead() : request.doneChunk();
  }

  #fail(request: NbdRequest, error: NbdError, offset: number | undefined): void {
    const { structured } = this.#choice;
    this.#outbox.add(structured ? request.errorChunk(error, offset) : request.simple(error.code));
    this.#outbox.finish(request);
  }
}

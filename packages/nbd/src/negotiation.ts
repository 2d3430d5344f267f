// Knows how the handshake is framed: greeting, then options one after the other. What an option does is in options.ts.

import { Assembly, type Input, type Outbox, ProtocolError } from "@pvscsi/wire";
import { Greeting, GreetingReply, HandshakeFlag, MAGIC, OPTION_MAGIC, OptionHeader } from "./abi/handshake.js";
import type { NbdExport } from "./export.js";
import { type Choice, Options } from "./options.js";
import type { Phase, Step } from "./phase.js";
import type { NbdRequest } from "./request.js";

/** Longest option data that is looked at: a name and some queries. Longer is answered TOO_BIG; far longer is an attack. */
const MAX_OPTION = 16 * 1024;
const MAX_SKIPPED = 1024 * 1024;
/** Bytes of replies that may wait for a client; no option is read past that. */
const MAX_UNSENT = 64 * 1024;

const FLAGS = HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes;

export class Negotiation implements Phase {
  readonly #options: Options;
  readonly #outbox: Outbox<NbdRequest>;
  readonly #assembly = new Assembly(MAX_OPTION);
  readonly #greeting = new GreetingReply(this.#assembly.bytes);
  readonly #header = new OptionHeader(this.#assembly.bytes);
  #state: "greeting" | "header" | "data" | "skip" = "greeting";
  #option = 0;
  #length = 0;
  #skipped = 0;

  /** Sends the greeting. */
  constructor(exports: readonly NbdExport[], outbox: Outbox<NbdRequest>) {
    this.#options = new Options(exports, outbox);
    this.#outbox = outbox;
    const greeting = new Greeting(new Uint8Array(Greeting.size));
    greeting.magicHigh = MAGIC.high;
    greeting.magicLow = MAGIC.low;
    greeting.optionMagicHigh = OPTION_MAGIC.high;
    greeting.optionMagicLow = OPTION_MAGIC.low;
    greeting.flags = FLAGS;
    outbox.add(greeting.bytes);
    this.#assembly.begin(GreetingReply.size);
  }

  /** What was agreed on, once a step said "done". */
  get choice(): Choice | null {
    const outcome = this.#options.outcome;
    return outcome === "aborted" ? null : outcome;
  }

  get blocked(): boolean {
    return this.#outbox.unsent > MAX_UNSENT;
  }

  step(input: Input): Step {
    if (this.blocked) return "wait";
    if (this.#state === "skip") return this.#skip(input);
    if (!this.#assembly.fill(input)) return "wait";
    switch (this.#state) {
      case "greeting":
        return this.#greeted();
      case "header":
        return this.#takeHeader();
      case "data":
        this.#options.execute(this.#option, this.#assembly.bytes.slice(0, this.#length));
        return this.#next();
    }
  }

  /** An unknown flag ends the connection ("Client flags"). */
  #greeted(): Step {
    const flags = this.#greeting.flags;
    if ((flags & ~FLAGS) !== 0) throw new ProtocolError(`client flags 0x${flags.toString(16)}`);
    this.#options.noZeroes = (flags & HandshakeFlag.noZeroes) !== 0;
    return this.#next();
  }

  #takeHeader(): Step {
    const header = this.#header;
    if (header.magicHigh !== OPTION_MAGIC.high || header.magicLow !== OPTION_MAGIC.low) {
      throw new ProtocolError(`option magic 0x${header.magicHigh.toString(16)}_${header.magicLow.toString(16)}`);
    }
    this.#option = header.option;
    this.#length = header.length;
    this.#skipped = 0;
    if (this.#length > MAX_SKIPPED) throw new ProtocolError(`${this.#length} bytes of option data`);
    this.#state = this.#length > MAX_OPTION ? "skip" : "data";
    if (this.#state === "data") this.#assembly.begin(this.#length);
    return "again";
  }

  #skip(input: Input): Step {
    this.#skipped += input.skip(this.#length - this.#skipped);
    if (this.#skipped < this.#length) return "wait";
    this.#options.tooBig(this.#option, this.#length);
    return this.#next();
  }

  #next(): Step {
    this.#state = "header";
    this.#assembly.begin(OptionHeader.size);
    if (this.#options.outcome === null) return "again";
    return this.#options.outcome === "aborted" ? "end" : "done";
  }
}

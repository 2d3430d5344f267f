// Knows how tests speak to xenstored: as raw messages written down independently of the code under test, and through
// the client, over a simulated scheduler.

import { nullProbes, type Probes, Simulation, seededRandom } from "@pvscsi/wire";
import {
  connectInProcess,
  type StoreConnection,
  Xenstored,
  type XenstoredOptions,
  type XenstoreSession,
  XS,
} from "@pvscsi/xen";

export interface RawMessage {
  readonly type: number;
  readonly id: number;
  readonly transaction: number;
  readonly payload: string;
}

const NAMES = new Map<number, string>(Object.entries(XS).map(([name, number]) => [number, name]));

/** The number of a type by its name; a number by itself. */
export function typeNumber(name: string): number {
  return Object.entries(XS).find(([other]) => other === name)?.[1] ?? Number(name);
}

export function rawBytes({ type, id, transaction, payload }: RawMessage, length = payload.length): Uint8Array {
  const buffer = Buffer.alloc(16 + payload.length);
  [type, id, transaction, length].forEach((word, index) => {
    buffer.writeUInt32LE(word, 4 * index);
  });
  buffer.write(payload, 16, "latin1");
  return new Uint8Array(buffer);
}

export function parseRaw(bytes: Uint8Array): RawMessage {
  const buffer = Buffer.from(bytes);
  const [type, id, transaction, length] = [0, 4, 8, 12].map((at) => buffer.readUInt32LE(at));
  if (length !== buffer.length - 16) throw new Error(`header says ${length}, there are ${buffer.length - 16}`);
  return { type, id, transaction, payload: buffer.toString("latin1", 16) };
}

/** `NAME payload`, NULs shown as `|`: how tests write what they expect. */
export function show({ type, payload }: RawMessage): string {
  return `${NAMES.get(type) ?? type} ${payload.replaceAll("\0", "|")}`;
}

/** One connection, spoken to in messages. */
export class RawPeer {
  readonly connection: StoreConnection;
  readonly #received: RawMessage[] = [];
  /** What `send` answers: false plays a transport that is full. */
  takes = true;
  ended: string | null = null;
  #id = 0;

  constructor(
    readonly world: World,
    domain: number,
    privileged: boolean,
  ) {
    const send = (bytes: Uint8Array): boolean => {
      this.#received.push(parseRaw(bytes));
      return this.takes;
    };
    this.connection = world.xenstored.connect({ domain, privileged }, send, (reason) => {
      this.ended = reason;
    });
  }

  /** Sends a request without waiting; `|` in `text` stands for NUL. */
  send(name: string, text: string, transaction = 0): void {
    this.#id += 1;
    const payload = text.replaceAll("|", "\0");
    this.connection.receive(rawBytes({ type: typeNumber(name), id: this.#id, transaction, payload }));
  }

  /** Sends a request and gives all that came to this peer until all was quiet, as `show` writes it. */
  ask(name: string, text: string, transaction = 0): string[] {
    this.taken();
    this.send(name, text, transaction);
    return this.taken();
  }

  /** The payload of the reply to one request, or the name of its error; OK without its NUL. */
  answer(name: string, text: string, transaction = 0): string {
    const reply = this.ask(name, text, transaction).find((line) => !line.startsWith("WATCH_EVENT ")) ?? "nothing";
    return reply.slice(reply.indexOf(" ") + 1).replace(/^(OK|E[A-Z0-9]+)\|$/, "$1");
  }

  /** Opens a transaction. */
  begin(): number {
    return Number.parseInt(this.answer("TRANSACTION_START", "|"), 10);
  }

  /** Messages that have come since then. */
  get received(): number {
    return this.#received.length;
  }

  /** Lets everything run, then gives what has come since the last time. */
  taken(): string[] {
    return this.takenRaw().map(show);
  }

  takenRaw(): RawMessage[] {
    this.world.settle();
    return this.#received.splice(0);
  }
}

/** A xenstored of its own, with all that happens drawn from one seed. */
export class World {
  readonly simulation: Simulation;
  readonly xenstored: Xenstored;

  constructor({ seed = 1, probes = nullProbes, quotas = {} }: Partial<WorldOptions> = {}) {
    this.simulation = new Simulation(seededRandom(seed));
    this.xenstored = new Xenstored({ scheduler: this.simulation, clock: this.simulation, probes, quotas });
  }

  /** A raw connection of domain 0's tools. */
  tools(): RawPeer {
    return new RawPeer(this, 0, true);
  }

  /** A raw connection of a guest. */
  guest(domain: number): RawPeer {
    return new RawPeer(this, domain, false);
  }

  /** An introduced domain with its home, as a toolstack makes it, and the guest's connection. */
  introduce(domain: number): RawPeer {
    const tools = this.tools();
    tools.ask("INTRODUCE", `${domain}|1|1|`);
    tools.ask("MKDIR", `/local/domain/${domain}|`);
    tools.ask("SET_PERMS", `/local/domain/${domain}|n${domain}|`);
    tools.connection.close();
    return this.guest(domain);
  }

  session(domain: number, privileged: boolean): XenstoreSession {
    return connectInProcess(this.xenstored, { domain, privileged }, this.simulation);
  }

  /** Runs until nothing is ready. */
  settle(): void {
    while (this.simulation.step());
  }

  /** Runs until `promise` is settled. */
  async run<Result>(promise: Promise<Result>): Promise<Result> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    for (let idle = 0; !settled && idle < 100; ) {
      idle = this.simulation.step() ? 0 : idle + 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!settled) throw new Error("nothing is left to run, and the promise is still pending");
    return promise;
  }
}

interface WorldOptions {
  readonly seed: number;
  readonly probes: Probes;
  readonly quotas: XenstoredOptions["quotas"];
}

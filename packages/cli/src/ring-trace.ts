// Knows how one command is followed across the ring: the bytes of its slots, what they say, who was woken.

import { describeCdb, describeTask, type Task } from "@pvscsi/scsi";
import { type Clock, type Cursor, hexDump, type ProbeHub, printRecord } from "@pvscsi/wire";
import { VSCSIIF_ENTRY_SIZE, VscsiifRequest, VscsiifResponse } from "@pvscsi/xen";

/** Bytes of an entry in which something stands, for a READ of one page. */
const REQUEST_HEAD = 48;
const RESPONSE_HEAD = 112;

type Struct = Parameters<typeof printRecord>[0];

/** An entry of the ring as it was at that moment. */
interface Entry {
  readonly struct: Struct;
  readonly bytes: Uint8Array;
  readonly head: number;
}

interface Moment {
  /** Milliseconds of the clock. */
  readonly at: number;
  readonly text: string;
  readonly entry: Entry | null;
}

export interface RingTrace {
  /** A line for each moment, its entry's bytes and fields below it. */
  readonly text: string;
  readonly requests: number;
  readonly responses: number;
  /** Events sent, both ways together. */
  readonly events: number;
}

/** Follows what passes over all rings until the returned function is called. What is printed is made then: it takes longer. */
export function followRing(probes: ProbeHub, clock: Clock): () => RingTrace {
  const recorder = new Recorder(clock);
  const stop = probes.listen((name, subject) => recorder.hear(name, subject));
  return () => {
    stop();
    return recorder.trace();
  };
}

class Recorder {
  readonly #clock: Clock;
  readonly #began: number;
  readonly #moments: Moment[] = [];
  #requests = 0;
  #responses = 0;
  #events = 0;
  /** Entries that were put into a ring and not shown to the other side yet. */
  readonly #unpushed = { scsifront: 0, scsiback: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.now();
  }

  hear(name: string, subject: unknown): void {
    switch (name) {
      case "scsifront:request":
        this.#requests += 1;
        this.#unpushed.scsifront += 1;
        return this.#note("scsifront", "writes the request into a slot of the ring", {
          ...copyOf(VscsiifRequest, subject as Cursor),
          head: REQUEST_HEAD,
        });
      case "scsiback:response":
        this.#responses += 1;
        this.#unpushed.scsiback += 1;
        return this.#note("scsiback", "unmaps the page, then writes the response into a slot", {
          ...copyOf(VscsiifResponse, subject as Cursor),
          head: RESPONSE_HEAD,
        });
      case "scsifront:push":
        return this.#pushed("scsifront", "req_prod", subject === true);
      case "scsiback:push":
        return this.#pushed("scsiback", "rsp_prod", subject === true);
      case "scsiback:request":
        return this.#note("scsiback", "copies the request out, checks the copy, maps the granted page");
      case "scsifront:response":
        return this.#note("scsifront", "takes the response, revokes the grant, completes the command");
      case "task:begin":
        return this.#note("target", `begins ${describeCdb((subject as Task).cdb, (subject as Task).cdbLength)}`);
      case "task:end":
        return this.#note("target", `ends   ${describeTask(subject as Task)}`);
    }
  }

  /** A push that shows no entry only says from which one on its sender wants to be woken. */
  #pushed(who: "scsifront" | "scsiback", index: string, wanted: boolean): void {
    if (this.#unpushed[who] === 0) return;
    this.#unpushed[who] = 0;
    if (wanted) this.#events += 1;
    const woken = wanted ? "and sends an event" : "the other side is awake: no event";
    this.#note(who, `moves ${index} on, ${woken}`);
  }

  #note(who: string, what: string, entry: Entry | null = null): void {
    this.#moments.push({ at: this.#clock.now(), text: `${who.padEnd(9)} ${what}`, entry });
  }

  trace(): RingTrace {
    const lines = this.#moments.flatMap(({ at, text, entry }) => [
      `${((at - this.#began) * 1000).toFixed(0).padStart(5)} us  ${text}`,
      ...(entry === null ? [] : entryLines(entry)),
    ]);
    return { text: lines.join("\n"), requests: this.#requests, responses: this.#responses, events: this.#events };
  }
}

/** The subject of a probe is lent. */
function copyOf(struct: Struct, { bytes, base }: Cursor): Omit<Entry, "head"> {
  return { struct, bytes: bytes.slice(base, base + VSCSIIF_ENTRY_SIZE) };
}

/** The entry's first bytes and its fields, from the same table. */
function entryLines({ struct, bytes, head }: Entry): string[] {
  const lines = [...hexDump(bytes.subarray(0, head)).split("\n"), ...printRecord(struct, bytes)];
  return lines.map((line) => `            ${line}`);
}

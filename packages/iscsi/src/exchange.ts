// Knows one SCSI command of a connection while it is under way: its task, where its data lies, and how much of it has come.

import { MAX_SENSE, type Sense, Task } from "@pvscsi/scsi";
import { type PagePool, Places } from "@pvscsi/wire";

/** R2Ts of one command that may be outstanding: our MaxOutstandingR2T. */
export const MAX_OUTSTANDING = 8;

/**
 * "held": its turn in the order of CmdSN has not come, and the nexus does not know of it. "receiving": data is coming without
 * being asked for. "waiting": there is no room for the rest of its data. "soliciting": it comes as it was asked for.
 * "executing": the nexus has all of it. "answered": its bytes are leaving.
 */
export type ExchangeState = "held" | "receiving" | "waiting" | "soliciting" | "executing" | "answered";

/** How a command ends that is not executed. */
export type Refusal = Sense | "task-set-full";

/** A pooled record. */
export class Exchange {
  pooled = true;
  readonly task = new Task();
  state: ExchangeState = "held";
  itt = 0;
  /** The one behind it in a chain of the table of tags. */
  next: Exchange | null = null;
  /** The eight bytes of the LUN, as Data-In and R2T give them back. */
  readonly lun = new Uint8Array(8);
  /** Whether it counts among the commands under way that CmdSN orders. */
  counted = false;
  /** Another one each time the record is used. */
  serial = 0;
  /** Bytes the initiator expects to move. */
  expectedLength = 0;
  /** Those that there are pages for, or will be. */
  length = 0;
  /** Pages of the data, and the data in them. */
  readonly pages: Uint8Array[] = [];
  readonly places = new Places();
  /** Of an answer: what of `places` is sent at once. */
  readonly part = new Places();
  /** Bytes received, and bytes that were asked for or came unasked: data comes in order. */
  received = 0;
  solicited = 0;
  /** Whether data may come that nobody asks for. */
  unsolicited = false;
  /** The DataSN of the next Data-Out in its sequence. */
  dataSN = 0;
  /** R2Ts outstanding: the first is that whose data is coming. */
  readonly tags = new Uint32Array(MAX_OUTSTANDING);
  readonly ends = new Uint32Array(MAX_OUTSTANDING);
  outstanding = 0;
  #first = 0;
  r2tSN = 0;
  /** Why it is not executed, where something is wrong with the request itself. */
  refused: Refusal | null = null;
  /** Bytes of `places` that an answer has taken, and all that it has. */
  sent = 0;
  answerLength = 0;
  /** The DataSN of its next Data-In. */
  answerSN = 0;
  /** Bytes that it was given room for. */
  admitted = 0;
  /** Sense data as a response carries it, behind two bytes of length. */
  readonly senseData = new Uint8Array(2 + MAX_SENSE);
  /** Called when the last PDU of its answer so far has left. */
  readonly left: () => void;

  constructor(left: (exchange: Exchange) => void) {
    this.left = () => left(this);
  }

  begin(): void {
    this.state = "held";
    this.serial += 1;
    this.task.data = this.places;
    this.counted = false;
    this.received = 0;
    this.solicited = 0;
    this.unsolicited = false;
    this.dataSN = 0;
    this.outstanding = 0;
    this.#first = 0;
    this.r2tSN = 0;
    this.refused = null;
    this.sent = 0;
    this.answerLength = 0;
    this.answerSN = 0;
  }

  get writes(): boolean {
    return this.task.direction === "to-device";
  }

  /** Sees to it that there are pages for the first `length` bytes. */
  hold(pool: PagePool, length: number): void {
    const held = this.pages.length * pool.pageSize;
    if (length > held) pool.take(this.pages, length - held);
  }

  /** Makes the places all of its data. */
  lay(pageSize: number): void {
    for (let i = 0, left = this.length; left > 0; i++, left -= pageSize) {
      this.places.add(this.pages[i], 0, Math.min(left, pageSize));
    }
  }

  /** An R2T goes out, for the bytes up to `end`. */
  ask(tag: number, end: number): void {
    const index = (this.#first + this.outstanding) % MAX_OUTSTANDING;
    this.tags[index] = tag;
    this.ends[index] = end;
    this.outstanding += 1;
    this.solicited = end;
  }

  /** Tag and end of the R2T whose data is coming. */
  get tag(): number {
    return this.tags[this.#first];
  }

  get end(): number {
    return this.ends[this.#first];
  }

  /** All of its data has come. */
  satisfied(): void {
    this.#first = (this.#first + 1) % MAX_OUTSTANDING;
    this.outstanding -= 1;
    this.dataSN = 0;
  }
}

// Knows the order of a session's commands: which CmdSN is next, and how many may be under way (RFC 7143 4.2.2.1).

/** Where a command stands. "outside": the initiator was not allowed to send it, and it is ignored. */
export type Order = "next" | "later" | "outside";

export class CommandWindow {
  /** The CmdSN of the next command to be taken. */
  expCmdSN: number;
  /** Commands that were taken in order and not answered. */
  underWay = 0;
  readonly #depth: number;

  /** `depth` commands may be under way. */
  constructor(first: number, depth: number) {
    this.expCmdSN = first;
    this.#depth = depth;
  }

  /** The last CmdSN that may be sent. */
  get maxCmdSN(): number {
    return (this.expCmdSN + this.#depth - this.underWay - 1) >>> 0;
  }

  order(cmdSN: number): Order {
    const ahead = (cmdSN - this.expCmdSN) >>> 0;
    if (ahead >= this.#depth - this.underWay) return "outside";
    return ahead === 0 ? "next" : "later";
  }

  /** The next one was taken; one that stays `underWay` makes the window smaller until it is answered. */
  advance(underWay: boolean): void {
    this.expCmdSN = (this.expCmdSN + 1) >>> 0;
    if (underWay) this.underWay += 1;
  }
}

// Knows how a process is told to end: by signals, or by who read its output; and who wants to end in order.

import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ends the process at a signal, unless somebody waits for one. */
export class Interrupts {
  #waiting: ((status: number) => void) | null = null;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, () => this.#received(signal));
  }

  /** Resolves at the next signal, which then does not end the process, with the status it would have ended with. */
  next(): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #received(signal: (typeof SIGNALS)[number]): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    const status = 128 + constants.signals[signal];
    if (waiting === null) process.exit(status);
    waiting(status);
  }
}

/** As a signal would: nobody is left to read what we print. */
export function endWithReader(output: NodeJS.WriteStream): void {
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(128 + constants.signals.SIGPIPE);
  });
}

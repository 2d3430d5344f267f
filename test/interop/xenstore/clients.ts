// Knows how Xen's clients are run against a xenstored behind a socket.

import type { Child } from "../children.js";
import { answerOf, type Ending, type Exchange, type Part } from "./dialogue.js";

/** Starts a program, as a suite's context does. */
export type Start = (program: string, ...words: readonly string[]) => Child;

/** Xen's clients, of which each is told by its environment where xenstored listens. */
export class Clients {
  readonly path: string;
  readonly #start: Start;

  constructor(path: string, start: Start) {
    this.path = path;
    this.#start = start;
  }

  /** Begins what is typed in a shell. */
  begin(typed: string): Child {
    return this.#start("env", `XENSTORED_PATH=${this.path}`, "LC_ALL=C", "sh", "-c", typed);
  }

  type(typed: string): Promise<Ending> {
    return this.begin(typed).finished;
  }

  /** The output of what is typed; rejects unless it ends well and complains of nothing. */
  async good(typed: string): Promise<string> {
    const ending = await this.type(typed);
    if (ending.status !== 0 || ending.errors !== "") throw new Error(`${typed}: ${answerOf(ending)}`);
    return ending.output;
  }

  /** Types a part again, one command after the other, and gives what came of it. */
  async play({ name, exchanges }: Part): Promise<Part> {
    const played: Exchange[] = [];
    for (const { typed } of exchanges) played.push({ typed, answer: answerOf(await this.type(typed)) });
    return { name, exchanges: played };
  }
}

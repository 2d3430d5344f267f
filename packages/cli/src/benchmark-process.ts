// Knows the second process of a transport that is measured between two: it is asked one question at a time, and ends with
// the process that has started it, however that ends.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Counts } from "@pvscsi/bench";

const SCRIPT = fileURLToPath(new URL("benchmark-main.js", import.meta.url));

/** What the second process is for. */
export type ServerName = "xenbus" | "blocks";

/** Where it listens, and what whoever connects has to know. */
export interface Address {
  readonly url: string;
  /** In hexadecimal digits. */
  readonly secret: string;
}

/** What is served there. */
export interface ProcessServer {
  readonly address: Promise<Address>;
  /** Resolves when all is connected. */
  readonly settled: Promise<null>;
  counts(): Counts;
}

/** What it is asked, and what it answers. */
export interface Answers {
  readonly address: Address;
  /** Answered when all is connected. */
  readonly settled: null;
  /** Microseconds of processor time that it has used. */
  readonly processor: number;
  readonly counts: Counts;
}

export type Question = keyof Answers;
/** An answer, or why there is none. */
export type Reply = { readonly answer: Answers[Question] } | { readonly failure: string };

export class BenchmarkProcess {
  /** Resolves with the reason of its end. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;

  /** Starts it; what goes wrong in it is printed where ours is. */
  constructor(name: ServerName) {
    const child = fork(SCRIPT, [name], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once("error", ({ message }) => resolve(message));
      child.once("exit", (status, signal) => resolve(`its other process has ended: ${signal ?? `status ${status}`}`));
    });
  }

  /** Rejects when it fails, or ends before it answers. */
  ask<Name extends Question>(question: Name): Promise<Answers[Name]> {
    return new Promise((resolve, reject) => {
      this.#child.once("message", (reply: Reply) => {
        if ("failure" in reply) reject(new Error(reply.failure));
        else resolve(reply.answer as Answers[Name]);
      });
      void this.ended.then((reason) => reject(new Error(reason)));
      // That it cannot be asked comes before its end, which says why.
      this.#child.send(question, () => {});
    });
  }

  /** Ends it, and waits until it has ended. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.ended;
  }
}

// Knows the programs a suite has started, and how to end them: by their own ids, and no others.

import { type ChildProcess, spawn } from "node:child_process";
import { on } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface Finished {
  /** The exit status, or the signal that ended it, or why it could not start. */
  readonly status: number | string;
  readonly output: string;
  readonly errors: string;
}

/** Characters that are kept of each stream. */
const KEPT = 4 * 1024 * 1024;
/** Milliseconds between asking a program to end and ending it. */
const GRACE = 2_000;

/** One program that was started. */
export class Child {
  readonly finished: Promise<Finished>;
  readonly #process: ChildProcess;
  /** Each is the only word of its event. */
  readonly #lines: AsyncIterator<[string]>;

  constructor(program: string, words: readonly string[], folder: string) {
    this.#process = spawn(program, words, { cwd: folder, stdio: ["pipe", "pipe", "pipe"] });
    const { stdin, stdout, stderr } = this.#process;
    if (stdin === null || stdout === null || stderr === null) throw new Error(`${program} has no pipes`);
    // A program that ended does not take what is still written to it.
    stdin.on("error", () => {});
    const output = gather(stdout);
    const errors = gather(stderr);
    // Not readline's own iterator, which stops the program after 1024 lines that nobody has asked for.
    this.#lines = on(createInterface({ input: stdout }), "line", { close: ["close"] }) as AsyncIterator<[string]>;
    this.finished = new Promise((resolve) => {
      const end = (status: number | string) => resolve({ status, output: output(), errors: errors() });
      this.#process.on("error", (error) => end(error.message));
      this.#process.on("close", (status, signal) => end(status ?? signal ?? "nothing"));
    });
  }

  /** Its process. Throws when it could not be started. */
  get pid(): number {
    const { pid, spawnfile } = this.#process;
    if (pid === undefined) throw new Error(`${spawnfile} was not started`);
    return pid;
  }

  /** Writes a line to it. */
  tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** Writes a line to it and reads one. */
  async ask(line: string): Promise<string> {
    this.tell(line);
    return await this.readLine();
  }

  /** The next line of its output; rejects when it has ended. */
  async readLine(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (!done) return value[0];
    const { status, errors } = await this.finished;
    throw new Error(`${this.#process.spawnfile} ended with ${status}: ${errors.trim()}`);
  }

  /** Tells it that no more input comes, and waits for its end. */
  async finish(): Promise<Finished> {
    this.#process.stdin?.end();
    return await this.finished;
  }

  /** Ends it, gently first: it has so many milliseconds. */
  async end(grace = GRACE): Promise<void> {
    if (this.#process.pid === undefined || this.#process.exitCode !== null) return;
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), grace);
    await this.finished;
    clearTimeout(timer);
  }
}

/** All programs of one suite. */
export class Children {
  readonly #running = new Set<Child>();
  readonly #folder: string;
  #aborted = false;

  /** `folder` is where they run, and where they leave what they do not clear away. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  start(program: string, words: readonly string[]): Child {
    if (this.#aborted) throw new Error(`${program} was not started: the suite is over`);
    const child = new Child(program, words, this.#folder);
    this.#running.add(child);
    void child.finished.then(() => this.#running.delete(child));
    return child;
  }

  /** Ends all of them, and starts no more. */
  async abort(): Promise<void> {
    this.#aborted = true;
    await Promise.all([...this.#running].map((child) => child.end()));
  }
}

function gather(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (piece: string) => {
    text = (text + piece).slice(-KEPT);
  });
  return () => text;
}

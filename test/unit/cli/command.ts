// Knows how the real command line is run in a test: as a process of its own, with what it is given to read.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { MAIN } from "../../support/repository.js";

/** Milliseconds for what is to be printed. */
const PATIENCE = 50_000;

export interface Result {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

export interface CommandOptions {
  readonly input?: string;
  /** Its input stays open, for `ask`. */
  readonly stays?: true;
  readonly environment?: NodeJS.ProcessEnv;
  /** What is called; a link to `MAIN`, perhaps. */
  readonly main?: string;
  /** Where it is typed. */
  readonly directory?: string;
}

/** A command that runs. */
export class RunningCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<Result>;
  output = "";
  errors = "";

  constructor(words: readonly string[], options: CommandOptions = {}) {
    const { input = "", stays, environment = {}, main = MAIN, directory } = options;
    const env = { ...process.env, ...environment };
    this.child = spawn(process.execPath, [main, ...words], { env, ...(directory && { cwd: directory }) });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    this.child.stdin?.on("error", () => {});
    if (!stays) this.child.stdin?.end(input);
    this.ended = new Promise((resolve) => {
      this.child.on("close", (status) => resolve({ status, output: this.output, errors: this.errors }));
    });
  }

  /** Types a line and waits until something is printed. */
  ask(line: string, wanted: RegExp): Promise<RegExpExecArray> {
    this.child.stdin?.write(`${line}\n`);
    return this.printed(wanted);
  }

  /** Waits until its output has something in it. */
  async printed(wanted: RegExp): Promise<RegExpExecArray> {
    for (const end = performance.now() + PATIENCE; performance.now() < end; ) {
      const found = wanted.exec(this.output);
      if (found !== null) return found;
      if (this.child.exitCode !== null) throw new Error(`it has ended before ${wanted}: ${this.output}${this.errors}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`it does not print ${wanted}: ${this.output}${this.errors}`);
  }
}

/** Runs `pvscsi` with words, to its end. */
export function pvscsi(words: readonly string[], options: CommandOptions = {}): Promise<Result> {
  return new RunningCommand(words, options).ended;
}

/** Processes that were started with this folder for what they need for a while; one that has just ended is none. */
export function processesOf(temporary: string): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, "utf8").includes(`TMPDIR=${temporary}\0`);
    } catch {
      return false;
    }
  });
}

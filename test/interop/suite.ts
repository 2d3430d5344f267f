// Knows what a suite of outside judges is, and what it is given while it runs. Knows no suite.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, Children, type Finished } from "./children.js";

/** One group of programs that nobody here wrote, and what they are asked to judge. */
export interface Suite {
  /** What stands behind `npm run test:interop --`. */
  readonly name: string;
  /** A line for `--list`. */
  readonly judges: string;
  /** Debian packages it needs. */
  readonly packages: readonly string[];
  /** Whether it runs when no suite is named. */
  readonly default: boolean;
  /** Seconds after which its programs are ended and it has failed. */
  readonly budgetSeconds: number;
  /** Makes its checks, one row each. Throws when it cannot go on. */
  run(context: SuiteContext): Promise<void>;
}

/** One line of the table. */
export interface Row {
  readonly suite: string;
  readonly check: string;
  readonly passed: boolean;
  /** What was measured, or why it failed. */
  readonly figure: string;
  readonly seconds: number;
}

/** What a running suite works with. */
export class SuiteContext {
  readonly rows: Row[] = [];
  /** A folder of its own, removed afterwards. */
  readonly folder: string;
  readonly #suite: string;
  readonly #children: Children;
  readonly #report: (row: Row) => void;
  #paths = 0;

  private constructor(suite: string, folder: string, report: (row: Row) => void) {
    this.#suite = suite;
    this.folder = folder;
    this.#children = new Children(folder);
    this.#report = report;
  }

  /** `report` hears of each row as soon as it is there. */
  static async open(suite: string, report: (row: Row) => void): Promise<SuiteContext> {
    return new SuiteContext(suite, await mkdtemp(join(tmpdir(), `pvscsi-${suite}-`)), report);
  }

  /** A path in it that no other call was given. */
  freshPath(name: string): string {
    return join(this.folder, `${name}-${++this.#paths}`);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Makes one check: it holds when `judge` resolves, to what is to stand in the table. */
  async check(name: string, judge: () => Promise<string>): Promise<boolean> {
    const begin = performance.now();
    const seconds = () => (performance.now() - begin) / 1000;
    try {
      const figure = await judge();
      this.add({ check: name, passed: true, figure, seconds: seconds() });
      return true;
    } catch (error) {
      this.add({ check: name, passed: false, figure: reasonOf(error), seconds: seconds() });
      return false;
    }
  }

  add(row: Omit<Row, "suite">): void {
    const whole = { suite: this.#suite, ...row };
    this.rows.push(whole);
    this.#report(whole);
  }

  /** Runs a program to its end; resolves whatever its status. */
  run(program: string, ...words: readonly string[]): Promise<Finished> {
    return this.#children.start(program, words).finished;
  }

  /** Runs a program to its end and resolves to its standard output; rejects unless its status is 0. */
  async succeed(program: string, ...words: readonly string[]): Promise<string> {
    const { status, output, errors } = await this.run(program, ...words);
    if (status !== 0) throw new Error(`${program} ended with ${status}: ${lastLine(errors) || lastLine(output)}`);
    return output;
  }

  /** Starts a program that stays. */
  start(program: string, ...words: readonly string[]): Child {
    return this.#children.start(program, words);
  }

  /** Ends what is still running; what is started from now on fails. */
  async abort(): Promise<void> {
    await this.#children.abort();
  }

  async close(): Promise<void> {
    await this.abort();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

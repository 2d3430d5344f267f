// Knows a back end that runs in dom0 as a process of its own: how it is started there, and what it has said and how it ended.

import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import type { Dom0 } from "./dom0.js";
import { MAIN, SUITE } from "./repository.js";

/** Seconds for Node to start on an emulated processor, and for a back end to end. */
const PATIENCE = 60;
const POLL = 50;

export class Backend {
  readonly #dom0: Dom0;
  readonly #name: string;

  private constructor(dom0: Dom0, name: string) {
    this.#dom0 = dom0;
    this.#name = name;
  }

  /** `pvscsi xen serve`. */
  static serve(dom0: Dom0, name: string, ...words: readonly string[]): Promise<Backend> {
    return Backend.#start(dom0, name, [MAIN, "xen", "serve", ...words]);
  }

  /** The same, but with a disk that does not keep what is written to it. */
  static serveSpoiled(dom0: Dom0, name: string, mebibytes: number): Promise<Backend> {
    return Backend.#start(dom0, name, [`${SUITE}/spoiling-backend.js`, String(mebibytes)]);
  }

  /** Resolves as soon as it says that it serves. */
  static async #start(dom0: Dom0, name: string, words: readonly string[]): Promise<Backend> {
    const backend = new Backend(dom0, name);
    const command = `sh -c 'echo $$ > /run/${name}.pid; exec node ${words.join(" ")}'`;
    await dom0.run(`(${command} > /host/${name}.said 2>&1 < /dev/null
echo $? > /host/${name}.new; mv /host/${name}.new /host/${name}.ended) > /dev/null 2>&1 &`);
    const end = performance.now() + PATIENCE * dom0.slowness * 1000;
    for (; performance.now() < end; await setTimeout(POLL)) {
      const said = await dom0.read(`${name}.said`).catch(() => "");
      if (await dom0.has(`${name}.ended`)) expect.fail(`the back end has ended: ${said.trim()}`);
      if (said.includes("\n")) return backend;
    }
    return expect.fail("the back end does not say that it serves");
  }

  /** Whether it runs still. */
  async lives(): Promise<boolean> {
    return !(await this.#dom0.has(`${this.#name}.ended`));
  }

  /** Seconds of the processor that it has used so far, in Linux' ticks of 10 ms. */
  async seconds(): Promise<number> {
    const [, times] = (await this.#dom0.run(`cat /proc/$(cat /run/${this.#name}.pid)/stat`)).split(") ");
    const [user, system] = times.split(" ").slice(11, 13).map(Number);
    return (user + system) / 100;
  }

  /** All that it has said so far. */
  async said(): Promise<string> {
    return (await this.#dom0.read(`${this.#name}.said`)).trim();
  }

  /** Ends it with SIGTERM: it has to end in order. Gives all that it has said. */
  async end(): Promise<string> {
    await this.#dom0.run(`kill -TERM $(cat /run/${this.#name}.pid)`);
    await this.#dom0.appears(`${this.#name}.ended`, PATIENCE, "the back end's end");
    const [status, said] = [await this.#dom0.read(`${this.#name}.ended`), await this.said()];
    expect(status.trim(), `the back end's status; it said: ${said}`).to.equal("0");
    return said;
  }

  /** Stops its process while something is done. */
  async standStill(work: () => Promise<void>): Promise<void> {
    const signal = (name: string) => this.#dom0.run(`kill -${name} $(cat /run/${this.#name}.pid)`);
    await signal("STOP");
    await work();
    await signal("CONT");
  }

  /** Kills it where it stands. */
  async kill(): Promise<void> {
    await this.#dom0.run(`kill -KILL $(cat /run/${this.#name}.pid)`);
    await this.#dom0.appears(`${this.#name}.ended`, PATIENCE, "the back end's end");
  }
}

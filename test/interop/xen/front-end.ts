// Knows a front end that runs in dom0 as a process and is told commands line by line: `pvscsi xen guest`, or a hostile one.

import { expect } from "chai";
import type { Dom0 } from "./dom0.js";
import { MAIN, SUITE } from "./repository.js";

/** Seconds for Node to start on an emulated processor and to connect; and for a command. */
const PATIENCE = 60;
const LINES = "/run/front.lines";
const PID = "/run/front.pid";

export class FrontEnd {
  readonly #dom0: Dom0;
  readonly #name: string;
  #commands = 0;

  private constructor(dom0: Dom0, name: string) {
    this.#dom0 = dom0;
    this.#name = name;
  }

  /** Ours, of all devices. Resolves when it is connected. `name` is of what it says. */
  static start(dom0: Dom0, name: string): Promise<FrontEnd> {
    return FrontEnd.#start(dom0, name, `${MAIN} xen guest`);
  }

  /** One whose commands are what it does to its back end (injections.ts). */
  static startHostile(dom0: Dom0, name: string): Promise<FrontEnd> {
    return FrontEnd.#start(dom0, name, `${SUITE}/hostile-front.js`);
  }

  /** Resolves when the first command is answered. */
  static async #start(dom0: Dom0, name: string, program: string): Promise<FrontEnd> {
    const frontEnd = new FrontEnd(dom0, name);
    // It has the pipe open for writing itself, so that it does not end with the first who writes.
    const command = `sh -c 'exec 3<> ${LINES}; echo $$ > ${PID}; exec node ${program} < ${LINES}'`;
    await dom0.run(`rm -f ${LINES}; mkfifo ${LINES}
(${command} > /host/${name}.said 2>&1
echo $? > /host/${name}.new; mv /host/${name}.new /host/${name}.ended) > /dev/null 2>&1 < /dev/null &
until [ -s ${PID} ]; do sleep 0.1; done`);
    await frontEnd.run("lsscsi");
    return frontEnd;
  }

  /** Runs a command, and gives what it says. */
  async run(command: string, seconds = PATIENCE): Promise<string> {
    await this.begin(command);
    return await this.finish(seconds);
  }

  /** Begins a command; the next is for after `finish`. */
  async begin(command: string): Promise<void> {
    // A command that there is none of is answered when the one before it has been.
    await this.#dom0.run(`echo '${command}' > ${LINES}; echo end-${++this.#commands} > ${LINES}`);
  }

  /** Whether the command that was begun is under way still. */
  async isBusy(): Promise<boolean> {
    return !(await this.#dom0.read(`${this.#name}.said`)).includes(`end-${this.#commands}:`);
  }

  /** Gives what the command says that was begun. */
  async finish(seconds = PATIENCE): Promise<string> {
    const mark = `end-${this.#commands}`;
    const said = `/host/${this.#name}.said`;
    const text = await this.#dom0.run(
      `end=$(($(date +%s) + ${seconds}))
until grep -q '^${mark}:' ${said}; do
  [ -e /host/${this.#name}.ended ] && { echo "it has ended: $(tail -n 5 ${said})"; exit 1; }
  [ $(date +%s) -gt $end ] && { echo "no answer: $(tail -n 5 ${said})"; exit 1; }
  sleep 0.1
done
cat ${said}`,
      2 * seconds,
    );
    const own = text.split(new RegExp(`^end-${this.#commands - 1}:.*\n`, "m")).at(-1) as string;
    return own.slice(0, own.search(new RegExp(`^${mark}:`, "m"))).trimEnd();
  }

  /** Lets it leave: it has to end in order. Gives all that it has said. */
  async end(): Promise<string> {
    // Its status is that of the last command.
    await this.#dom0.run(`echo lsscsi > ${LINES}; echo exit > ${LINES}`);
    return await this.#ended("0");
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    await this.#dom0.run(`kill -KILL $(cat ${PID})`);
    await this.#ended("137");
  }

  async #ended(status: string): Promise<string> {
    const { dom0, name } = { dom0: this.#dom0, name: this.#name };
    await dom0.appears(`${name}.ended`, PATIENCE, "the front end's end");
    const said = (await dom0.read(`${name}.said`)).trim();
    expect((await dom0.read(`${name}.ended`)).trim(), `the front end's status; it said: ${said}`).to.equal(status);
    return said;
  }
}

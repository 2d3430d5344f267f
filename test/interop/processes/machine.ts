// Knows a machine of processes for outside judges: dom0, a driver domain with two disks, and two guests with one each,
// whose disks are served over NBD; and how much memory each process has.

import { readFile, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { MAIN } from "../../support/repository.js";
import type { Child } from "../children.js";
import { endEmptied } from "../emptied-dom0.js";
import type { SuiteContext } from "../suite.js";

const KIB = 1024;

const FILES = {
  "host.yaml": "hosts: []\n",
  "storage.yaml": `hosts:
  - host: 3
    luns:
      - { address: 3:0:0:0, memory: 256MiB }
      - { address: 3:0:1:0, file: disk.img, size: 256MiB, create: true }
`,
  "storage.cfg": "name = 'storage'\ndriver_domain = 1\npvscsi_host = 'storage.yaml'\n",
  "one.cfg": "name = 'one'\nmemory = 128\nvscsi = [ '3:0:0:0,0:0:0:0,storage' ]\n",
  "two.cfg": "name = 'two'\nmemory = 128\nvscsi = [ '3:0:1:0,0:0:0:0,storage' ]\n",
};

/** The processes, by the names of their domains. */
export type DomainName = "dom0" | "storage" | "one" | "two";

export class ProcessMachine {
  readonly #context: SuiteContext;
  readonly #dom0: Child;
  readonly #pids = new Map<DomainName, number>();

  private constructor(context: SuiteContext, dom0: Child) {
    this.#context = context;
    this.#dom0 = dom0;
  }

  static async start(context: SuiteContext): Promise<ProcessMachine> {
    for (const [name, text] of Object.entries(FILES)) await writeFile(context.path(name), text);
    const words = ["dom0", "--host", context.path("host.yaml"), "--state", context.path("state")];
    const dom0 = context.start(process.execPath, MAIN, ...words);
    expect(await dom0.readLine()).to.match(/^dom0 is ready/);
    const machine = new ProcessMachine(context, dom0);
    machine.#pids.set("dom0", dom0.pid);
    await machine.#create("storage");
    await machine.#create("one", "--dialect", "xend");
    await machine.#create("two", "--dialect", "xend");
    return machine;
  }

  /** Serves a guest's disk and gives its URI. */
  async serve(guest: "one" | "two"): Promise<string> {
    const path = this.#context.path(`${guest}.socket`);
    return (await this.#verb("guest", guest, "--", "nbd", "sda", "--socket", path)).trim();
  }

  signal(name: DomainName, signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    process.kill(this.#pid(name), signal);
  }

  /** MiB of memory that a process has of its own. */
  async memory(name: DomainName): Promise<number> {
    const status = await readFile(`/proc/${this.#pid(name)}/status`, "utf8");
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) / KIB;
  }

  /** Ends all in order: nothing may be left in xenstore or open in dom0 once the guests are gone. */
  async finish(): Promise<string> {
    for (const name of ["one", "two", "storage"]) await this.#verb("destroy", name);
    return endEmptied(this.#dom0, (name, ...words) => this.#verb(name, ...words), /vscsi|storage|one|two/);
  }

  async #create(name: Exclude<DomainName, "dom0">, ...words: readonly string[]): Promise<void> {
    await this.#verb("create", this.#context.path(`${name}.cfg`), ...words);
    const dom0 = this.#dom0.pid;
    const children = (await readFile(`/proc/${dom0}/task/${dom0}/children`, "utf8")).trim().split(" ").map(Number);
    const [pid] = children.filter((child) => ![...this.#pids.values()].includes(child));
    this.#pids.set(name, pid);
  }

  #verb(name: string, ...words: readonly string[]): Promise<string> {
    return this.#context.succeed(process.execPath, MAIN, name, "--state", this.#context.path("state"), ...words);
  }

  #pid(name: DomainName): number {
    return this.#pids.get(name) ?? expect.fail(`no process for ${name}`);
  }
}

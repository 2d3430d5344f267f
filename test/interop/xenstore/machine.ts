// Knows a dom0 whose xenstored listens on a socket, for outside judges, and a domain of it whose store the suite has itself.

import { access, readFile, writeFile } from "node:fs/promises";
import { nullProbes } from "@pvscsi/wire";
import { connectXenbus, type JoinedDomain } from "@pvscsi/xenbus";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { MAIN } from "../../support/repository.js";
import type { Child } from "../children.js";
import { endEmptied } from "../emptied-dom0.js";
import type { SuiteContext } from "../suite.js";
import { Clients } from "./clients.js";

const GUEST = "far";
/** What the suite has made. */
const LEFT = /far|^(v|t|c|l|w|many|together|others|rights|verb) = /m;

export class StoreMachine {
  readonly clients: Clients;
  readonly #context: SuiteContext;
  readonly #dom0: Child;
  /** Where its domains connect to. */
  readonly #url: string;

  private constructor(context: SuiteContext, dom0: Child, socket: string, url: string) {
    this.#context = context;
    this.#dom0 = dom0;
    this.#url = url;
    this.clients = new Clients(socket, (program, ...words) => context.start(program, ...words));
  }

  static async start(context: SuiteContext): Promise<StoreMachine> {
    await writeFile(context.path("host.yaml"), "hosts: []\n");
    await writeFile(context.path("far.cfg"), `name = '${GUEST}'\nmemory = 16\n`);
    const [state, socket] = [context.path("state"), context.path("xenstored")];
    const words = ["--host", context.path("host.yaml"), "--state", state, "--xenstored-socket", socket];
    const dom0 = context.start(process.execPath, MAIN, "dom0", ...words);
    expect(await dom0.readLine()).to.equal(`xenstored listens at ${socket}`);
    const url = /^dom0 is ready .* connect to (\S+)$/.exec(await dom0.readLine())?.[1];
    return new StoreMachine(context, dom0, socket, url ?? expect.fail("dom0 does not say where domains connect to"));
  }

  /** Makes a guest, and comes as it: its store is an unprivileged session of that domain. */
  async join(): Promise<JoinedDomain> {
    await this.#verb("create", "--elsewhere", this.#context.path("far.cfg"));
    const domain = Number(await this.#verb("domid", GUEST));
    const digits = await readFile(this.#context.path(`state/domains/${GUEST}.secret`), "utf8");
    const secret = Buffer.from(digits.trim(), "hex");
    const parts = { clock: realClock, scheduler: realScheduler, probes: nullProbes };
    return connectXenbus({ ...parts, url: this.#url, domain, secret });
  }

  /** Ends that guest. */
  async part({ left }: JoinedDomain): Promise<void> {
    await this.#verb("destroy", GUEST);
    await left;
  }

  /** `pvscsi xenstore` at the socket, without dom0's help. */
  verb(...words: readonly string[]): Promise<string> {
    return this.#context.succeed(process.execPath, MAIN, "xenstore", "--socket", this.clients.path, ...words);
  }

  /** Ends dom0: nothing may be left in xenstore but what was there at first, nor of its socket. */
  async finish(): Promise<string> {
    const left = await endEmptied(this.#dom0, (name, ...words) => this.#verb(name, ...words), LEFT);
    const there = await access(this.clients.path).then(
      () => true,
      () => false,
    );
    expect(there, "the socket").to.equal(false);
    return left;
  }

  #verb(name: string, ...words: readonly string[]): Promise<string> {
    return this.#context.succeed(process.execPath, MAIN, name, "--state", this.#context.path("state"), ...words);
  }
}

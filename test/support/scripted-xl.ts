// Knows Xen's xl as far as xenstore sees it, and as a test wants it: domains come and go with the nodes that libxl writes for
// them, and none of vscsi.

import { ToolstackError, type Xl, type XlWaiting } from "@pvscsi/toolstack";
import type { XenstoreSession } from "@pvscsi/xen";

type Verb = keyof Xl;

export class ScriptedXl implements Xl {
  /** What it was asked for, in order. */
  readonly calls: string[] = [];
  /** Verbs that fail. */
  readonly failing = new Set<Verb>();
  /** Runs after a verb has done its work. */
  after: (verb: Verb) => Promise<void> = async () => {};
  /** Ends the process that waits for the domain's end. */
  giveUp: () => void = () => {};
  readonly #givenUp = new Promise<void>((resolve) => {
    this.giveUp = resolve;
  });
  readonly #store: XenstoreSession;
  readonly #name: string;
  #next: number;

  /** Each domain that it makes is named `name`; the first one has the number `domain`. */
  constructor(store: XenstoreSession, name: string, domain: number) {
    this.#store = store;
    this.#name = name;
    this.#next = domain;
  }

  async create(file: string): Promise<XlWaiting> {
    await this.#do("create", file, () => this.build());
    return { givenUp: this.#givenUp };
  }

  /** A domain comes to be. */
  async build(): Promise<void> {
    const domain = this.#next++;
    await this.#store.write(`/local/domain/${domain}/name`, this.#name);
    await this.#store.write(`/local/domain/${domain}/device/console/0`, "");
    await this.#store.write(`/libxl/${domain}/type`, "pv");
    await this.#store.introduce(domain, 1, 1);
  }

  /** A domain is gone. */
  async remove(domain: number): Promise<void> {
    await this.#store.remove(`/local/domain/${domain}`);
    await this.#store.remove(`/libxl/${domain}`);
    await this.#store.release(domain);
  }

  unpause(domain: number): Promise<void> {
    return this.#do("unpause", String(domain), async () => {});
  }

  destroy(domain: number): Promise<void> {
    return this.#do("destroy", String(domain), () => this.remove(domain));
  }

  async #do(verb: Verb, subject: string, work: () => Promise<void>): Promise<void> {
    this.calls.push(`${verb} ${subject}`);
    if (this.failing.has(verb)) throw new ToolstackError("FAIL", `xl ${verb} has failed: status 1`);
    await work();
    await this.after(verb);
  }
}

// Knows Xen's xl as far as xenstore sees it, and as a test wants it: domains come and go with the nodes that libxl writes for
// them, and none of vscsi.

import { ToolstackError, type Xl } from "@pvscsi/toolstack";
import type { XenstoreClient } from "@pvscsi/xen";

type Verb = keyof Xl;

export class ScriptedXl implements Xl {
  /** What it was asked for, in order. */
  readonly calls: string[] = [];
  /** Verbs that fail. */
  readonly failing = new Set<Verb>();
  /** Runs after a verb has done its work. */
  after: (verb: Verb) => Promise<void> = async () => {};
  readonly #store: XenstoreClient;
  readonly #name: string;
  #next: number;

  /** Each domain that it makes is named `name`; the first one has the number `domain`. */
  constructor(store: XenstoreClient, name: string, domain: number) {
    this.#store = store;
    this.#name = name;
    this.#next = domain;
  }

  create(file: string): Promise<void> {
    return this.#do("create", file, async () => {
      const domain = this.#next++;
      await this.#store.write(`/local/domain/${domain}/name`, this.#name);
      await this.#store.write(`/local/domain/${domain}/device/console/0`, "");
      await this.#store.write(`/libxl/${domain}/type`, "pv");
    });
  }

  unpause(domain: number): Promise<void> {
    return this.#do("unpause", String(domain), async () => {});
  }

  destroy(domain: number): Promise<void> {
    return this.#do("destroy", String(domain), async () => {
      await this.#store.remove(`/local/domain/${domain}`);
      await this.#store.remove(`/libxl/${domain}`);
    });
  }

  async #do(verb: Verb, subject: string, work: () => Promise<void>): Promise<void> {
    this.calls.push(`${verb} ${subject}`);
    if (this.failing.has(verb)) throw new ToolstackError("FAIL", `xl ${verb} has failed: status 1`);
    await work();
    await this.after(verb);
  }
}

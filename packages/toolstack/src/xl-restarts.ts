// Knows how a guest has its controllers again when xl starts it once more, in a domain of the same name and another number, and
// how what is left of it goes with its end. Knows nothing of drivers, and not how xl is run.

import { Coalesced, type DomainId, type XenstoreClient } from "@pvscsi/xen";
import { domainNamed } from "./domains.js";
import { ToolstackError } from "./errors.js";
import type { VscsiDevices } from "./vscsi-devices.js";
import type { XlGuest } from "./xl.js";

/** Fire when xenstore gets to know a domain, and when a domain is gone. */
const EVENTS = ["@introduceDomain", "@releaseDomain"];

export interface XlRestartsParts {
  readonly store: XenstoreClient;
  readonly vscsi: VscsiDevices;
}

/** One guest, from its creation to its last end. */
export class XlRestarts {
  readonly #parts: XlRestartsParts;
  readonly #guest: XlGuest;
  /** Hears the number of each domain that it is from its second start on. */
  readonly #restarted: (domain: DomainId) => void;
  readonly #work: Coalesced;
  /** Null between two domains. */
  #domain: DomainId | null;
  #givenUp = false;
  #finish: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(parts: XlRestartsParts, guest: XlGuest, restarted: (domain: DomainId) => void) {
    this.#parts = parts;
    this.#guest = guest;
    this.#restarted = restarted;
    this.#domain = guest.domain;
    this.#work = new Coalesced(
      () => this.#look(),
      (error) => this.#fail(error),
    );
  }

  /** Ends when the guest is gone for good, and nothing is left of it. */
  async follow(): Promise<void> {
    const over = new Promise<void>((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    void this.#guest.givenUp.then(() => {
      this.#givenUp = true;
      this.#work.ask();
    });
    const unwatch: (() => Promise<void>)[] = [];
    for (const event of EVENTS) unwatch.push(await this.#parts.store.watch(event, () => this.#work.ask()));
    try {
      await over;
    } finally {
      for (const end of unwatch) await end();
      await this.#work.idle();
    }
  }

  async #look(): Promise<void> {
    const { store, vscsi } = this.#parts;
    const now = await domainNamed(store, this.#guest.name);
    if (now !== this.#domain) {
      if (this.#domain !== null) await vscsi.removeLeft(this.#domain);
      this.#domain = now;
      if (now !== null) await this.#equip(now);
    }
    if (this.#domain === null && this.#givenUp) this.#finish();
  }

  /** xl does not wait for us: the guest may run already, and has its LUNs as plugged in then. */
  async #equip(domain: DomainId): Promise<void> {
    try {
      await this.#parts.vscsi.write(domain, this.#guest.planned);
      this.#restarted(domain);
    } catch (error) {
      // Gone again: the next look tells.
      if (!(error instanceof ToolstackError && error.code === "DOMAIN_NOTFOUND")) throw error;
    }
  }
}

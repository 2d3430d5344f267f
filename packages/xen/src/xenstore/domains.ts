// Knows which domains are introduced, whom each may act for, and who may hear of domains that come and go.

import { type Permissions, TOOLS_ONLY } from "./permissions.js";

/** The names that are watched like paths: their events tell of domains, not of nodes. */
export const INTRODUCED = "@introduceDomain";
export const RELEASED = "@releaseDomain";

/** DOMID_FIRST_RESERVED: ids from here on are no domains. */
const FIRST_RESERVED = 0x7ff0;

export function isDomainId(domain: number): boolean {
  return domain >= 0 && domain < FIRST_RESERVED;
}

export class Domains {
  readonly #introduced = new Set([0]);
  readonly #targets = new Map<number, number>();
  readonly #listeners = new Map<string, Permissions>([
    [INTRODUCED, TOOLS_ONLY],
    [RELEASED, TOOLS_ONLY],
  ]);

  has(domain: number): boolean {
    return this.#introduced.has(domain);
  }

  /** False when it was introduced already. */
  introduce(domain: number): boolean {
    if (this.#introduced.has(domain)) return false;
    this.#introduced.add(domain);
    return true;
  }

  /** Forgets all about a domain. */
  release(domain: number): void {
    this.#introduced.delete(domain);
    this.#targets.delete(domain);
    for (const [other, target] of this.#targets) if (target === domain) this.#targets.delete(other);
    for (const [name, [owner, ...others]] of this.#listeners) {
      const heir = owner.domain === domain ? { ...owner, domain: 0 } : owner;
      this.#listeners.set(name, [heir, ...others.filter((entry) => entry.domain !== domain)]);
    }
  }

  /** Lets `domain` do what `target` may do. */
  setTarget(domain: number, target: number): void {
    this.#targets.set(domain, target);
  }

  targetOf(domain: number): number | null {
    return this.#targets.get(domain) ?? null;
  }

  /** Who may hear of INTRODUCED or RELEASED; null for any other name. */
  listeners(name: string): Permissions | null {
    return this.#listeners.get(name) ?? null;
  }

  /** Sets who may hear of one of the two names. */
  setListeners(name: string, permissions: Permissions): void {
    this.#listeners.set(name, permissions);
  }
}

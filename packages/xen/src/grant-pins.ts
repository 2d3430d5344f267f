// Knows the hypervisor's half of a grant table: which entries are in use, by whom and how often, and when an entry may
// be taken into use. Knows nothing of handles, nor why an entry is used (mapped or copied).

import { fail } from "@pvscsi/wire";
import { GrantFlags } from "./abi/grant-table.js";
import { type DomainId, type GrantAccess, type GrantReference, GrantStatus } from "./domain.js";
import type { GrantTable } from "./grant-table.js";
import type { Memory, MemoryPage } from "./memory.js";

/** Pins of one kind that an entry may have: Xen counts them in 8 bits and refuses once the highest is set. */
export const MAX_PINS = 128;
/** Times a change of the entry by its owner is put up with while its status bits are set. */
const MAX_RETRIES = 4;

/** An entry while it is in use: what was read from the shared table at its first pin, and is not read again. */
class ActiveEntry {
  grantee: DomainId = 0;
  page: MemoryPage | null = null;
  readers = 0;
  writers = 0;
}

/** What a mapping needs to be a mapping: `map` checks type and sub-page flag, `copy` the type alone. */
export type PinPurpose = "map" | "copy";

const TYPE_MASK = {
  map: GrantFlags.typeMask | GrantFlags.subPage,
  copy: GrantFlags.typeMask,
} as const;

/** All entries of one granter that are in use. */
export class GrantPins {
  /** Pins on all entries together. */
  pinned = 0;
  readonly #table: GrantTable;
  readonly #memory: Memory;
  /** By reference; made when first used, then kept for reuse. */
  readonly #active: ActiveEntry[] = [];

  constructor(table: GrantTable, memory: Memory) {
    this.#table = table;
    this.#memory = memory;
  }

  /** Takes an entry into use for `grantee` and returns a GNTST status; after okay, `page` gives its page. */
  pin(grantee: DomainId, reference: GrantReference, access: GrantAccess, purpose: PinPurpose): number {
    if (!(reference >= 0 && reference < this.#table.entries)) return GrantStatus.badReference;
    this.#active[reference] ??= new ActiveEntry();
    const active = this.#active[reference];
    const first = active.page === null;
    const writing = access === "read-write";
    if (!first && (active.grantee !== grantee || (writing ? active.writers : active.readers) >= MAX_PINS)) {
      return GrantStatus.generalError;
    }
    if (first || (writing && active.writers === 0)) {
      const status = this.#setStatus(first, grantee, reference, writing, TYPE_MASK[purpose]);
      if (status !== GrantStatus.okay) return status;
    }
    if (first && !this.#fill(active, grantee, reference)) return GrantStatus.badPage;
    if (writing) active.writers += 1;
    else active.readers += 1;
    this.pinned += 1;
    return GrantStatus.okay;
  }

  /** The page of an entry in use. What the shared table says by now does not matter (XSA-500). */
  page(reference: GrantReference): MemoryPage {
    return this.#active[reference].page ?? fail(`reference ${reference} is not in use`);
  }

  /** Ends one use. The writing bit goes with the last writer, the reading bit with the last user. */
  unpin(reference: GrantReference, access: GrantAccess): void {
    const active = this.#active[reference];
    const page = this.page(reference);
    if (access === "read-write") active.writers -= 1;
    else active.readers -= 1;
    if (active.writers < 0 || active.readers < 0) fail(`reference ${reference} is used less than never`);
    this.pinned -= 1;
    if (active.writers > 0) return;
    if (active.readers > 0) {
      if (access === "read-write") this.#clearStatus(reference, GrantFlags.writing);
      return;
    }
    this.#clearStatus(reference, GrantFlags.writing | GrantFlags.reading);
    this.#memory.unpin(page);
    active.page = null;
  }

  /** Reads the frame, once, and pins its page; false, with the status bits cleared again, when it is not memory. */
  #fill(active: ActiveEntry, grantee: DomainId, reference: GrantReference): boolean {
    const page = this.#memory.find(this.#table.frame(reference));
    if (page === undefined) {
      this.#clearStatus(reference, GrantFlags.writing | GrantFlags.reading);
      return false;
    }
    this.#memory.pin(page);
    active.page = page;
    active.grantee = grantee;
    return true;
  }

  /** Checks the shared entry and sets reading, and writing if asked, at once. Owner and type matter at first use. */
  #setStatus(first: boolean, grantee: DomainId, reference: GrantReference, writing: boolean, mask: number): number {
    for (let retries = 0; ; retries++) {
      const head = this.#table.head(reference);
      if (first && ((head & mask) !== GrantFlags.permitAccess || head >>> 16 !== grantee)) {
        return GrantStatus.generalError;
      }
      if (writing && (head & GrantFlags.readonly) !== 0) return GrantStatus.generalError;
      const bits = writing ? GrantFlags.reading | GrantFlags.writing : GrantFlags.reading;
      if (this.#table.swapHead(reference, head, head | bits)) return GrantStatus.okay;
      if (retries === MAX_RETRIES) return GrantStatus.generalError;
    }
  }

  /** However often the owner changes the entry meanwhile: its bits are cleared, the rest is the owner's. */
  #clearStatus(reference: GrantReference, bits: number): void {
    for (;;) {
      const head = this.#table.head(reference);
      if (this.#table.swapHead(reference, head, head & ~bits)) return;
    }
  }
}

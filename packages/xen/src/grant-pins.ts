// Knows the hypervisor's half of a grant table: which entries are in use, by whom and how often, and when an entry may
// be taken into use. Knows nothing of handles, nor why an entry is used (mapped or copied).

import { fail } from "@pvscsi/wire";
import { GrantFlags } from "./abi/grant-table.js";
import { type DomainId, type GrantAccess, type GrantReference, GrantStatus } from "./domain.js";
import type { GrantEntries } from "./grant-entries.js";
import type { GrantedPages, MemoryPage } from "./memory.js";

/** Pins of one kind that an entry may have: Xen counts them in 8 bits and refuses once the highest is set. */
export const MAX_PINS = 128;
/** Times a change of the entry by its owner is put up with while its status bits are set. */
const MAX_RETRIES = 4;

/** An entry while it is in use: what was read from the shared table at its first pin, and is not read again. */
export class PinnedEntry {
  readonly reference: GrantReference;
  grantee: DomainId = 0;
  /** What the shared table says by now does not matter (XSA-500). Null while the entry is not in use. */
  page: MemoryPage | null = null;
  readers = 0;
  writers = 0;
  /** The grant has ended all the same, as one of another process may: its place in the table is another grant's. */
  detached = false;

  constructor(reference: GrantReference) {
    this.reference = reference;
  }
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
  readonly #table: GrantEntries;
  readonly #memory: GrantedPages;
  readonly #changed: (reference: GrantReference) => void;
  /** By reference; made when first used, then kept for reuse. */
  readonly #active: (PinnedEntry | undefined)[] = [];

  /** `changed` is told of every entry whose reading or writing bit was set or cleared. */
  constructor(table: GrantEntries, memory: GrantedPages, changed: (reference: GrantReference) => void) {
    this.#table = table;
    this.#memory = memory;
    this.#changed = changed;
  }

  /** Takes an entry into use for `grantee` and returns a GNTST status; after okay, `entry` gives the entry. */
  pin(grantee: DomainId, reference: GrantReference, access: GrantAccess, purpose: PinPurpose): number {
    if (!(reference >= 0 && reference < this.#table.entries)) return GrantStatus.badReference;
    this.#active[reference] ??= new PinnedEntry(reference);
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
    if (active.readers + active.writers === 1 || (writing && active.writers === 1)) this.#changed(reference);
    return GrantStatus.okay;
  }

  /** The entry in use under a reference. */
  entry(reference: GrantReference): PinnedEntry {
    const active = this.#active[reference];
    return active === undefined || active.page === null ? fail(`reference ${reference} is not in use`) : active;
  }

  /** Ends one use. The writing bit goes with the last writer, the reading bit with the last user. */
  unpin(active: PinnedEntry, access: GrantAccess): void {
    const { page, reference } = active;
    if (access === "read-write") active.writers -= 1;
    else active.readers -= 1;
    if (page === null || active.writers < 0 || active.readers < 0) {
      fail(`reference ${reference} is used less than never`);
    }
    this.pinned -= 1;
    if (active.writers > 0) return;
    if (active.readers > 0) {
      if (access === "read-write") this.#clearStatus(active, GrantFlags.writing);
      return;
    }
    this.#clearStatus(active, GrantFlags.writing | GrantFlags.reading);
    this.#memory.unpin(page);
    active.page = null;
  }

  /** The grant of a reference has ended whether it is in use or not: who uses it keeps the page until the unpin. */
  detach(reference: GrantReference): void {
    const active = this.#active[reference];
    if (active === undefined || active.page === null) return;
    active.detached = true;
    this.#active[reference] = undefined;
  }

  /** Reads the frame, once, and pins its page; false, with the status bits cleared again, when it is not memory. */
  #fill(active: PinnedEntry, grantee: DomainId, reference: GrantReference): boolean {
    const page = this.#memory.find(this.#table.frame(reference));
    if (page === undefined) {
      this.#clearBits(reference, GrantFlags.writing | GrantFlags.reading);
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

  #clearStatus(active: PinnedEntry, bits: number): void {
    if (active.detached) return;
    this.#clearBits(active.reference, bits);
    this.#changed(active.reference);
  }

  /** However often the owner changes the entry meanwhile: its bits are cleared, the rest is the owner's. */
  #clearBits(reference: GrantReference, bits: number): void {
    for (;;) {
      const head = this.#table.head(reference);
      if (this.#table.swapHead(reference, head, head & ~bits)) return;
    }
  }
}

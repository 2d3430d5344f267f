// Knows a domain's own grant table: version 1 entries in pages of its memory, given out and taken back by the domain
// itself. Knows nothing of who maps what: the reading and writing bits are the hypervisor's.

import { fail } from "@pvscsi/wire";
import { GNTTAB_RESERVED_ENTRIES, GrantEntry, GrantFlags } from "./abi/grant-table.js";
import { type DomainId, type GrantAccess, type GrantReference, PAGE_SIZE, type Page } from "./domain.js";
import type { Memory } from "./memory.js";

/** Entries of one page of the table. */
export const ENTRIES_PER_FRAME = PAGE_SIZE / GrantEntry.size;
/** Pages a table may grow to, as Xen has it by default: 32768 entries. */
export const DEFAULT_GRANT_FRAMES = 64;

const IN_USE = GrantFlags.reading | GrantFlags.writing;

/** What `lsgrants` shows of an entry that gives access. */
export interface GrantDescription {
  readonly reference: GrantReference;
  /** Who may use it. */
  readonly to: DomainId;
  readonly frame: number;
  readonly access: GrantAccess;
  /** Mapped, or copied, right now. */
  readonly inUse: boolean;
}

/**
 * A table that grows page by page. An entry is two words: flags and domain id in the first, so that both change in one
 * compare-and-swap, and the frame in the second.
 */
export class GrantTable {
  /** The table's pages. Their bytes are the domain's to write, so whatever is read from them is checked. */
  readonly frames: Page[] = [];
  /** Entries there are; references at and above are bad. */
  entries = 0;
  /** References given out and not taken back. */
  granted = 0;
  readonly #words: Int32Array[] = [];
  readonly #memory: Memory;
  readonly #maxFrames: number;
  readonly #free: GrantReference[] = [];

  constructor(memory: Memory, maxFrames: number) {
    this.#memory = memory;
    this.#maxFrames = maxFrames;
    this.#grow();
  }

  /** Gives `to` access to `page`; -1 when the table is full. */
  grant(to: DomainId, page: Page, access: GrantAccess): GrantReference {
    if (this.#free.length === 0 && !this.#grow()) return -1;
    const reference = this.#free.pop() as GrantReference;
    const flags = access === "read-only" ? GrantFlags.permitAccess | GrantFlags.readonly : GrantFlags.permitAccess;
    // The frame is in place before the flags make the entry valid.
    Atomics.store(this.#words[reference >>> 9], frameWord(reference), page.frame);
    Atomics.store(this.#words[reference >>> 9], headWord(reference), (to << 16) | flags);
    this.granted += 1;
    return reference;
  }

  /** Ends a grant; false, and nothing changes, while the page is in use by the grantee. */
  revoke(reference: GrantReference): boolean {
    for (;;) {
      const head = this.head(reference);
      if ((head & GrantFlags.typeMask) === GrantFlags.invalid) fail(`reference ${reference} is not granted`);
      if ((head & IN_USE) !== 0) return false;
      // Never a plain store: the hypervisor may have set a bit since.
      if (this.swapHead(reference, head, 0)) break;
    }
    this.granted -= 1;
    this.#free.push(reference);
    return true;
  }

  /** Flags in bits 0 to 15, domain id in bits 16 to 31. */
  head(reference: GrantReference): number {
    return Atomics.load(this.#words[reference >>> 9], headWord(reference));
  }

  /** Compare-and-swap of flags and domain id together; false when they were not `from` any more. */
  swapHead(reference: GrantReference, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words[reference >>> 9], headWord(reference), from, to) === from;
  }

  frame(reference: GrantReference): number {
    return Atomics.load(this.#words[reference >>> 9], frameWord(reference)) >>> 0;
  }

  /** The entries that give access, as they are at this moment, by reference. */
  describe(): GrantDescription[] {
    const grants: GrantDescription[] = [];
    for (let reference = GNTTAB_RESERVED_ENTRIES; reference < this.entries; reference++) {
      const head = this.head(reference);
      if ((head & GrantFlags.typeMask) !== GrantFlags.permitAccess) continue;
      const access = (head & GrantFlags.readonly) === 0 ? "read-write" : "read-only";
      const inUse = (head & IN_USE) !== 0;
      grants.push({ reference, to: head >>> 16, frame: this.frame(reference), access, inUse });
    }
    return grants;
  }

  #grow(): boolean {
    if (this.frames.length === this.#maxFrames) return false;
    const page = this.#memory.takeZeroed();
    this.frames.push(page);
    this.#words.push(new Int32Array(page.bytes.buffer, page.bytes.byteOffset, PAGE_SIZE / 4));
    const first = Math.max(this.entries, GNTTAB_RESERVED_ENTRIES);
    this.entries += ENTRIES_PER_FRAME;
    for (let reference = this.entries - 1; reference >= first; reference--) this.#free.push(reference);
    return true;
  }
}

function headWord(reference: GrantReference): number {
  return (reference & (ENTRIES_PER_FRAME - 1)) * 2;
}

function frameWord(reference: GrantReference): number {
  return headWord(reference) + 1;
}

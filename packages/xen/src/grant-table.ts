// Knows a domain's own grant table: version 1 entries in pages of its memory, given out and taken back by the domain
// itself. Knows nothing of who maps what: the reading and writing bits are the hypervisor's.

import { fail, ProtocolError } from "@pvscsi/wire";
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
  /** By reference: which of all grants of the table its last one was. */
  readonly #generations: number[] = [];
  #generation = 0;
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
    this.#generation = (this.#generation + 1) >>> 0;
    this.#enter(reference, to, page.frame, access, this.#generation);
    return reference;
  }

  /** Enters what the owner, in another process, has granted. Throws ProtocolError for a reference it cannot have. */
  enter(reference: GrantReference, to: DomainId, frame: number, access: GrantAccess, generation: number): void {
    this.cover(reference + 1);
    if (reference < GNTTAB_RESERVED_ENTRIES || this.isGranted(reference)) {
      throw new ProtocolError(`a grant under reference ${reference}, which is not free`);
    }
    this.#enter(reference, to, frame, access, generation);
  }

  /** Lets the table grow until it has `entries`. Throws ProtocolError where it may not become that large. */
  cover(entries: number): void {
    if (entries > this.#maxFrames * ENTRIES_PER_FRAME) {
      throw new ProtocolError(`a grant table of ${entries} entries, ${this.#maxFrames * ENTRIES_PER_FRAME} at most`);
    }
    while (this.entries < entries) this.#grow();
  }

  /** Ends what the owner, in another process, has granted, in use or not. */
  drop(reference: GrantReference): void {
    Atomics.store(this.#words[reference >>> 9], headWord(reference), 0);
    this.granted -= 1;
  }

  isGranted(reference: GrantReference): boolean {
    return reference < this.entries && (this.head(reference) & GrantFlags.typeMask) !== GrantFlags.invalid;
  }

  /** Sets the bits that say how an entry is used, as they were told of another process' copy of it. */
  setUse(reference: GrantReference, bits: number): void {
    for (;;) {
      const head = this.head(reference);
      if (this.swapHead(reference, head, (head & ~IN_USE) | (bits & IN_USE))) return;
    }
  }

  /** The reading and writing bits of an entry. */
  use(reference: GrantReference): number {
    return this.head(reference) & IN_USE;
  }

  /** Who may use an entry that is granted. */
  grantee(reference: GrantReference): DomainId {
    return this.head(reference) >>> 16;
  }

  access(reference: GrantReference): GrantAccess {
    return (this.head(reference) & GrantFlags.readonly) === 0 ? "read-write" : "read-only";
  }

  /** Which grant an entry is, or was last: no other of this table has had the number. */
  generation(reference: GrantReference): number {
    return this.#generations[reference] ?? 0;
  }

  #enter(reference: GrantReference, to: DomainId, frame: number, access: GrantAccess, generation: number): void {
    const flags = access === "read-only" ? GrantFlags.permitAccess | GrantFlags.readonly : GrantFlags.permitAccess;
    this.#generations[reference] = generation;
    // The frame is in place before the flags make the entry valid.
    Atomics.store(this.#words[reference >>> 9], frameWord(reference), frame);
    Atomics.store(this.#words[reference >>> 9], headWord(reference), (to << 16) | flags);
    this.granted += 1;
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
      const inUse = (head & IN_USE) !== 0;
      const access = this.access(reference);
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

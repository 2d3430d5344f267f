// Knows the entries of a grant table as they lie in memory, version 1, whoever runs the domain they belong to: what an
// entry says, and its bits that change in one compare-and-swap. Who gives entries out is in grant-table.ts.

import { GNTTAB_RESERVED_ENTRIES, GrantEntry, GrantFlags } from "./abi/grant-table.js";
import { type DomainId, type GrantAccess, type GrantReference, PAGE_SIZE, type Page } from "./domain.js";

/** Entries of one page of the table. */
export const ENTRIES_PER_FRAME = PAGE_SIZE / GrantEntry.size;

/** The bits that are the hypervisor's. */
export const IN_USE = GrantFlags.reading | GrantFlags.writing;

/** Where a table's pages come from. */
export interface TableMemory {
  /** A zeroed page that does not count as the domain's. */
  takeZeroed(): Page;
}

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
 * An entry is two words: flags and domain id in the first, so that both change in one compare-and-swap, and the frame
 * in the second. The bytes are the domain's to write, so whatever is read from them is checked.
 */
export abstract class GrantEntries {
  /** The table's pages, as words. */
  protected readonly words: Int32Array[] = [];

  /** Entries there are; references at and above are bad. */
  abstract get entries(): number;
  /** References given out and not taken back. */
  abstract get granted(): number;

  isGranted(reference: GrantReference): boolean {
    return reference < this.entries && (this.head(reference) & GrantFlags.typeMask) !== GrantFlags.invalid;
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

  /** Flags in bits 0 to 15, domain id in bits 16 to 31. */
  head(reference: GrantReference): number {
    return Atomics.load(this.words[reference >>> 9], headWord(reference));
  }

  /** Compare-and-swap of flags and domain id together; false when they were not `from` any more. */
  swapHead(reference: GrantReference, from: number, to: number): boolean {
    return Atomics.compareExchange(this.words[reference >>> 9], headWord(reference), from, to) === from;
  }

  frame(reference: GrantReference): number {
    return Atomics.load(this.words[reference >>> 9], frameWord(reference)) >>> 0;
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

  /** Sets the bits that say how an entry is used. */
  setUse(reference: GrantReference, bits: number): void {
    for (;;) {
      const head = this.head(reference);
      if (this.swapHead(reference, head, (head & ~IN_USE) | (bits & IN_USE))) return;
    }
  }

  /** `grantee` is gone without having ended its uses: nobody else uses entries that are for it. */
  endUses(grantee: DomainId): void {
    for (const { reference, to, inUse } of this.describe()) if (to === grantee && inUse) this.setUse(reference, 0);
  }

  protected addPage(bytes: Uint8Array): void {
    this.words.push(new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_SIZE / 4));
  }

  /** The frame is in place before the flags make the entry valid. */
  protected setEntry(reference: GrantReference, head: number, frame: number): void {
    Atomics.store(this.words[reference >>> 9], frameWord(reference), frame);
    Atomics.store(this.words[reference >>> 9], headWord(reference), head);
  }
}

function headWord(reference: GrantReference): number {
  return (reference & (ENTRIES_PER_FRAME - 1)) * 2;
}

function frameWord(reference: GrantReference): number {
  return headWord(reference) + 1;
}

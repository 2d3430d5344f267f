// Knows a domain's own grant table: entries in pages that it gets as it grows, given out and taken back by the domain
// itself. Knows nothing of who maps what: the reading and writing bits are the hypervisor's.

import { fail, ProtocolError } from "@pvscsi/wire";
import { GNTTAB_RESERVED_ENTRIES, GrantFlags } from "./abi/grant-table.js";
import type { DomainId, GrantAccess, GrantReference, Page } from "./domain.js";
import { ENTRIES_PER_FRAME, GrantEntries, IN_USE, type TableMemory } from "./grant-entries.js";

/** Pages a table may grow to, as Xen has it by default: 32768 entries. */
export const DEFAULT_GRANT_FRAMES = 64;

/** A table that grows page by page. */
export class GrantTable extends GrantEntries {
  /** The table's pages. */
  readonly frames: Page[] = [];
  /** By reference: which of all grants of the table its last one was. */
  readonly #generations: number[] = [];
  #generation = 0;
  #entries = 0;
  #granted = 0;
  readonly #memory: TableMemory;
  readonly #maxFrames: number;
  readonly #free: GrantReference[] = [];

  constructor(memory: TableMemory, maxFrames: number) {
    super();
    this.#memory = memory;
    this.#maxFrames = maxFrames;
    this.#grow();
  }

  get entries(): number {
    return this.#entries;
  }

  get granted(): number {
    return this.#granted;
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
    this.setEntry(reference, 0, this.frame(reference));
    this.#granted -= 1;
  }

  /** Which grant an entry is, or was last: no other of this table has had the number. */
  generation(reference: GrantReference): number {
    return this.#generations[reference] ?? 0;
  }

  #enter(reference: GrantReference, to: DomainId, frame: number, access: GrantAccess, generation: number): void {
    const flags = access === "read-only" ? GrantFlags.permitAccess | GrantFlags.readonly : GrantFlags.permitAccess;
    this.#generations[reference] = generation;
    this.setEntry(reference, (to << 16) | flags, frame);
    this.#granted += 1;
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
    this.#granted -= 1;
    this.#free.push(reference);
    return true;
  }

  #grow(): boolean {
    if (this.frames.length === this.#maxFrames) return false;
    const page = this.#memory.takeZeroed();
    this.frames.push(page);
    this.addPage(page.bytes);
    const first = Math.max(this.#entries, GNTTAB_RESERVED_ENTRIES);
    this.#entries += ENTRIES_PER_FRAME;
    for (let reference = this.#entries - 1; reference >= first; reference--) this.#free.push(reference);
    return true;
  }
}

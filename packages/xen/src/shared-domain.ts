// Knows the view of a domain that another thread runs: its grant table and its pages are the very same, in shared memory.

import { type Arena, ArenaPages } from "./arena.js";
import type { DomainId, GrantReference } from "./domain.js";
import type { PortRaised } from "./event-channels.js";
import { ENTRIES_PER_FRAME, GrantEntries } from "./grant-entries.js";
import { type Host, HostedDomain } from "./hosted-domain.js";

/** The entries of a domain that runs elsewhere, which gives them out there. */
export class SharedGrantEntries extends GrantEntries {
  readonly #arena: Arena;
  #left = false;

  constructor(arena: Arena) {
    super();
    this.#arena = arena;
  }

  /** Pages that the table has got meanwhile are found with it. */
  get entries(): number {
    const { entries } = this.#arena;
    while (this.words.length * ENTRIES_PER_FRAME < entries) this.addPage(this.#arena.tablePage(this.words.length));
    return entries;
  }

  get granted(): number {
    return this.describe().length;
  }

  override swapHead(reference: GrantReference, from: number, to: number): boolean {
    return this.#left || super.swapHead(reference, from, to);
  }

  leave(): void {
    this.#left = true;
  }
}

export class SharedDomain extends HostedDomain<SharedGrantEntries> {
  constructor(host: Host, id: DomainId, arena: Arena, raised: PortRaised) {
    const table = new SharedGrantEntries(arena);
    super(host, id, { memory: new ArenaPages(arena), table, maptrackEntries: 0, raised, arena });
  }

  /** It is gone, or we are: its table is touched no more, it may be others' by now. */
  override end(): boolean {
    this.table.leave();
    return super.end();
  }
}

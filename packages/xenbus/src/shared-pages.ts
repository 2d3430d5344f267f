// Knows which pages of this process have copies in others, by their bytes and by their grants. Knows no connection.

import type { DomainId, GrantingDomain, GrantReference, HostedDomain, MemoryPage } from "@pvscsi/xen";

/** A grant with its page here. Kept for reuse under its reference. */
export class SharedEntry {
  readonly owner: HostedDomain;
  readonly reference: GrantReference;
  generation = 0;
  to: DomainId = 0;
  writable = false;
  page: MemoryPage | null = null;
  /** The grant has not ended. */
  live = false;
  /** The next grant of the same page. */
  next: SharedEntry | null = null;
  /** The use (reading and writing bits) that the other process was told of. */
  toldUse = 0;
  /** The page is pinned for the use that the other process has told of. */
  pinned = false;
  /** Stands in line to be told. */
  queued = false;

  constructor(owner: HostedDomain, reference: GrantReference) {
    this.owner = owner;
    this.reference = reference;
  }

  /** Whether it is this grant that a message means. */
  is(generation: number): boolean {
    return this.live && this.generation === generation;
  }
}

/** Where the grants of a page begin. It stays with the page: a page that is granted again and again makes nothing new. */
class PageGrants {
  first: SharedEntry | null = null;
}

export class SharedPages {
  readonly #byBytes = new WeakMap<Uint8Array, PageGrants>();
  readonly #byOwner = new Map<HostedDomain, (SharedEntry | undefined)[]>();

  /** Adds a grant as it stands in its owner's table. */
  add(owner: GrantingDomain, reference: GrantReference, page: MemoryPage): SharedEntry {
    const entries = this.#entriesOf(owner);
    entries[reference] ??= new SharedEntry(owner, reference);
    const entry = entries[reference];
    const { table } = owner;
    entry.generation = table.generation(reference);
    entry.to = table.grantee(reference);
    entry.writable = table.access(reference) === "read-write";
    entry.page = page;
    entry.live = true;
    entry.toldUse = 0;
    entry.pinned = false;
    const grants = this.#grantsOf(page.bytes);
    const { first } = grants;
    entry.next = first?.next ?? null;
    if (first === null) grants.first = entry;
    else first.next = entry;
    return entry;
  }

  /** Takes a grant out; undefined when it was not in. */
  remove(owner: HostedDomain, reference: GrantReference): SharedEntry | undefined {
    const entry = this.#byOwner.get(owner)?.[reference];
    if (entry === undefined || !entry.live) return undefined;
    entry.live = false;
    this.#unlink(entry, (entry.page as MemoryPage).bytes);
    entry.page = null;
    entry.next = null;
    return entry;
  }

  /** Takes out all grants of a domain. */
  removeAll(owner: HostedDomain): void {
    for (const entry of this.#byOwner.get(owner) ?? []) if (entry?.live) this.remove(owner, entry.reference);
    this.#byOwner.delete(owner);
  }

  /** The first grant of a page; the others follow by `next`. */
  at(bytes: Uint8Array): SharedEntry | undefined {
    return this.#byBytes.get(bytes)?.first ?? undefined;
  }

  /** The grant under a reference, or the last one there was. */
  find(owner: HostedDomain, reference: GrantReference): SharedEntry | undefined {
    return this.#byOwner.get(owner)?.[reference];
  }

  #entriesOf(owner: HostedDomain): (SharedEntry | undefined)[] {
    const known = this.#byOwner.get(owner);
    if (known !== undefined) return known;
    const entries: (SharedEntry | undefined)[] = [];
    this.#byOwner.set(owner, entries);
    return entries;
  }

  #grantsOf(bytes: Uint8Array): PageGrants {
    const known = this.#byBytes.get(bytes);
    if (known !== undefined) return known;
    const grants = new PageGrants();
    this.#byBytes.set(bytes, grants);
    return grants;
  }

  #unlink(entry: SharedEntry, bytes: Uint8Array): void {
    const grants = this.#byBytes.get(bytes) as PageGrants;
    if (grants.first === entry) {
      grants.first = entry.next;
      return;
    }
    let before = grants.first as SharedEntry;
    while (before.next !== entry) before = before.next as SharedEntry;
    before.next = entry.next;
  }
}

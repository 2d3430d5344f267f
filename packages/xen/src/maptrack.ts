// Knows the handles by which a domain names its mappings of other domains' pages. Knows nothing of what a grant is.

import type { DomainId, GrantAccess, GrantReference, MappedPage } from "./domain.js";
import type { GrantPins, PinnedEntry } from "./grant-pins.js";

/** Mappings a domain may have, as Xen has it by default: 1024 frames of 256. */
export const DEFAULT_MAPTRACK_ENTRIES = 262144;

/** One mapping; kept for reuse under its handle. */
export class Mapping {
  readonly handle: number;
  /** The granter's entries in use; null while the handle is free. It outlives the granter. */
  granter: GrantPins | null = null;
  entry: PinnedEntry | null = null;
  from: DomainId = 0;
  reference: GrantReference = 0;
  access: GrantAccess = "read-only";
  /** What the mapper was given, if it mapped by itself; a borrowed page has none. */
  page: MappedPage | null = null;

  constructor(handle: number) {
    this.handle = handle;
  }
}

/** A domain's mappings by handle. */
export class Maptrack {
  readonly limit: number;
  /** Handles in use. */
  count = 0;
  readonly #mappings: Mapping[] = [];
  readonly #free: Mapping[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  /** A free handle's record, or null when there is none. It is in use once its `granter` is set. */
  take(): Mapping | null {
    const free = this.#free.pop();
    if (free === undefined && this.#mappings.length >= this.limit) return null;
    this.count += 1;
    return free ?? this.#make();
  }

  #make(): Mapping {
    const mapping = new Mapping(this.#mappings.length);
    this.#mappings.push(mapping);
    return mapping;
  }

  release(mapping: Mapping): void {
    mapping.granter = null;
    mapping.entry = null;
    mapping.page = null;
    this.count -= 1;
    this.#free.push(mapping);
  }

  /** The mapping in use under a handle, or undefined. */
  find(handle: number): Mapping | undefined {
    const mapping = this.#mappings[handle];
    return mapping === undefined || mapping.granter === null ? undefined : mapping;
  }

  /** All mappings in use, by handle. */
  inUse(): Mapping[] {
    return this.#mappings.filter((mapping) => mapping.granter !== null);
  }
}

// Knows how a command's data becomes granted segments in a request, direct or indirect. Knows no SCSI.

import type { Command } from "@pvscsi/scsi";
import type { Places, RecordOf } from "@pvscsi/wire";
import {
  type Domain,
  type DomainId,
  type GrantAccess,
  type Page,
  ScsiifSegment,
  VSCSIIF_SG_GRANT,
  VSCSIIF_SG_TABLESIZE,
  type VscsiifRequest,
} from "@pvscsi/xen";
import type { Shadow } from "./shadow.js";

type Request = RecordOf<typeof VscsiifRequest>;
type Segment = RecordOf<typeof ScsiifSegment>;

/** Grants the pieces of commands to one backend, from pages of this domain only. */
export class SegmentGranter {
  readonly #domain: Domain;
  readonly #backend: DomainId;
  readonly #pages = new Map<Uint8Array, Page>();
  /** Those that no request has. */
  readonly #lists: DescriptorList[] = [];

  constructor(domain: Domain, backend: DomainId) {
    this.#domain = domain;
    this.#backend = backend;
  }

  allocate(count: number): Uint8Array[] {
    const pages = this.#domain.allocatePages(count, this.#backend);
    for (const page of pages) this.#pages.set(page.bytes, page);
    return pages.map((page) => page.bytes);
  }

  free(bytes: readonly Uint8Array[]): void {
    const pages = bytes.map((page) => this.#pageOf(page));
    for (const page of bytes) this.#pages.delete(page);
    this.#domain.freePages(pages);
  }

  /**
   * Makes sure that a command of many pieces gets its list of descriptors when no other has one; false when there is no page
   * for it.
   */
  reserveList(): boolean {
    const list = this.#takeList();
    if (list !== null) this.#lists.push(list);
    return list !== null;
  }

  /** Frees the lists of descriptors that no request has. */
  freeLists(): void {
    this.#domain.freePages(this.#lists.splice(0).map(({ page }) => page));
  }

  /**
   * Fills in the segments of `request` and grants what they point to, read-only where the backend only has to read.
   * What it has to see for that is added to `ranges`. False when the grant table is full, or there is no page for a list:
   * then nothing is granted.
   */
  grant({ data, direction }: Command, request: Request, shadow: Shadow, ranges: Places): boolean {
    const access = direction === "to-device" ? "read-only" : "read-write";
    shadow.grantCount = 0;
    const direct = data.count <= VSCSIIF_SG_TABLESIZE;
    const granted = direct
      ? this.#grantDirect(data, access, request, shadow)
      : this.#grantIndirect(data, access, request, shadow, ranges);
    if (!granted) {
      this.revoke(shadow);
      return false;
    }
    if (direction === "to-device" || direction === "bidirectional") {
      for (let i = 0; i < data.count; i++) ranges.add(data.page(i), data.offset(i), data.size(i));
    }
    return true;
  }

  /** Ends the grants of a request. False when the backend has kept one mapped: its page is not ours to reuse then. */
  revoke(shadow: Shadow): boolean {
    let kept = 0;
    for (let i = 0; i < shadow.grantCount; i++) {
      if (!this.#domain.grants.revoke(shadow.grants[i])) shadow.grants[kept++] = shadow.grants[i];
    }
    shadow.grantCount = kept;
    if (kept > 0) return false;
    if (shadow.list !== null) this.#lists.push(shadow.list);
    shadow.list = null;
    return true;
  }

  #grantDirect(places: Places, access: GrantAccess, request: Request, shadow: Shadow): boolean {
    for (let i = 0; i < places.count; i++) {
      if (!this.#grantPiece(places, i, access, request.segments.at(i), shadow)) return false;
    }
    request.segmentCount = places.count;
    return true;
  }

  #grantIndirect(places: Places, access: GrantAccess, request: Request, shadow: Shadow, ranges: Places): boolean {
    const list = this.#takeList();
    if (list === null) return false;
    shadow.list = list;
    for (let i = 0; i < places.count; i++) {
      if (!this.#grantPiece(places, i, access, list.segment.at(i * ScsiifSegment.size), shadow)) return false;
    }
    const length = places.count * ScsiifSegment.size;
    const reference = this.#give(list.page, "read-only", shadow);
    if (reference < 0) return false;
    ranges.add(list.page.bytes, 0, length);
    fill(request.segments.at(0), reference, 0, length);
    request.segmentCount = VSCSIIF_SG_GRANT | 1;
    return true;
  }

  #grantPiece(places: Places, index: number, access: GrantAccess, segment: Segment, shadow: Shadow): boolean {
    const reference = this.#give(this.#pageOf(places.page(index)), access, shadow);
    if (reference < 0) return false;
    fill(segment, reference, places.offset(index), places.size(index));
    return true;
  }

  #give(page: Page, access: GrantAccess, shadow: Shadow): number {
    const reference = this.#domain.grants.grant(this.#backend, page, access);
    if (reference >= 0) shadow.grants[shadow.grantCount++] = reference;
    return reference;
  }

  #pageOf(bytes: Uint8Array): Page {
    const page = this.#pages.get(bytes);
    if (page === undefined) throw new Error("a command points to memory that this adapter did not allocate");
    return page;
  }

  #takeList(): DescriptorList | null {
    const list = this.#lists.pop();
    if (list !== undefined) return list;
    const page = allocatePage(this.#domain, this.#backend);
    return page && new DescriptorList(page);
  }
}

/** A page to share with `peer`, or null when there is none. */
export function allocatePage(domain: Domain, peer: DomainId): Page | null {
  try {
    return domain.allocatePages(1, peer)[0];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return null;
  }
}

/** A page of descriptors, which a request of many pieces points to. */
export class DescriptorList {
  readonly page: Page;
  readonly segment: Segment;

  constructor(page: Page) {
    this.page = page;
    this.segment = new ScsiifSegment(page.bytes);
  }
}

function fill(segment: Segment, reference: number, offset: number, length: number): void {
  segment.gref = reference;
  segment.offset = offset;
  segment.length = length;
}

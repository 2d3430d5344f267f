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
  /** One page of descriptors for each shadow, made when first needed. */
  readonly #lists: (DescriptorPage | undefined)[] = [];

  constructor(domain: Domain, backend: DomainId) {
    this.#domain = domain;
    this.#backend = backend;
  }

  allocate(count: number): Uint8Array[] {
    const pages = this.#domain.allocatePages(count);
    for (const page of pages) this.#pages.set(page.bytes, page);
    return pages.map((page) => page.bytes);
  }

  free(bytes: readonly Uint8Array[]): void {
    const pages = bytes.map((page) => this.#pageOf(page));
    for (const page of bytes) this.#pages.delete(page);
    this.#domain.freePages(pages);
  }

  /** Frees all pages of descriptors; no request may be under way. */
  close(): void {
    for (const list of this.#lists) if (list !== undefined) this.#domain.freePages([list.page]);
    this.#lists.length = 0;
  }

  /**
   * Fills in the segments of `request` and grants what they point to, read-only where the backend only has to read.
   * What it has to see for that is added to `ranges`. False when the grant table is full: then nothing is granted.
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
    return kept === 0;
  }

  #grantDirect(places: Places, access: GrantAccess, request: Request, shadow: Shadow): boolean {
    for (let i = 0; i < places.count; i++) {
      if (!this.#grantPiece(places, i, access, request.segments.at(i), shadow)) return false;
    }
    request.segmentCount = places.count;
    return true;
  }

  #grantIndirect(places: Places, access: GrantAccess, request: Request, shadow: Shadow, ranges: Places): boolean {
    const list = this.#listOf(shadow);
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

  #listOf(shadow: Shadow): DescriptorPage {
    this.#lists[shadow.rqid] ??= new DescriptorPage(this.#domain.allocatePages(1)[0]);
    return this.#lists[shadow.rqid] as DescriptorPage;
  }
}

class DescriptorPage {
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

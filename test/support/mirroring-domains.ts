// Knows how to keep two domains' memories apart: the back end sees copies of granted pages, which hold only what was
// published while the grant lasted, and the front end sees only what the back end published or gave back. This is what
// a wire does, without its delays: a driver that forgets to publish something reads zeros here.

import { Places } from "@pvscsi/wire";
import type { Domain, DomainId, GrantAccess, InProcessDomain, Loan, MappedPage, Page, Port } from "@pvscsi/xen";

/** A granted page and what the grantee has of it. */
interface Mirror {
  readonly bytes: Uint8Array;
  readonly mirror: Uint8Array;
  grants: number;
}

export class MirroringDomains {
  readonly front: Domain;
  readonly back: Domain;
  readonly #mirrors = new Map<Uint8Array, Mirror>();
  readonly #originals = new Map<Uint8Array, Mirror>();
  readonly #granted = new Map<number, Mirror>();
  readonly #mapped = new Map<MappedPage, MappedPage>();
  readonly #scratch = new Places();

  constructor(front: InProcessDomain, back: InProcessDomain) {
    this.front = this.#wrap(front, {
      grants: {
        grant: (to, page, access) => this.#grant(front, to, page, access),
        revoke: (reference) => this.#revoke(front, reference),
        map: (from, reference, access) => front.map(from, reference, access),
        unmap: (page) => front.unmap(page),
      },
      publish: (port, ranges, wanted) => {
        this.#copy(ranges, (page, offset, length) => {
          this.#mirrors.get(page)?.mirror.set(page.subarray(offset, offset + length), offset);
        });
        front.publish(port, ranges, wanted);
      },
    });
    this.back = this.#wrap(back, {
      grants: {
        grant: (to, page, access) => back.grant(to, page, access),
        revoke: (reference) => back.revoke(reference),
        map: (from, reference, access) => this.#map(back, from, reference, access),
        unmap: (page) => back.unmap(this.#mapped.get(page) ?? page),
      },
      borrow: (loan) => this.#borrow(back, loan),
      giveBack: (loan, written) => this.#giveBack(back, loan, written),
      publish: (port, ranges, wanted) => {
        this.#copy(ranges, (page, offset, length) => {
          this.#originals.get(page)?.bytes.set(page.subarray(offset, offset + length), offset);
        });
        back.publish(port, ranges, wanted);
      },
    });
  }

  #wrap(domain: InProcessDomain, changes: Partial<Domain>): Domain {
    return {
      id: domain.id,
      grants: domain,
      events: domain.events,
      store: domain.store,
      allocatePages: (count) => domain.allocatePages(count),
      freePages: (pages) => domain.freePages(pages),
      borrow: (loan) => domain.borrow(loan),
      giveBack: (loan, written) => domain.giveBack(loan, written),
      publish: (port: Port, ranges: Places, wanted: boolean) => domain.publish(port, ranges, wanted),
      close: () => domain.close(),
      ...changes,
    };
  }

  #grant(front: InProcessDomain, to: DomainId, page: Page, access: GrantAccess): number {
    const reference = front.grant(to, page, access);
    if (reference < 0) return reference;
    const known = this.#mirrors.get(page.bytes);
    const mirror = known ?? { bytes: page.bytes, mirror: new Uint8Array(4096), grants: 0 };
    mirror.grants += 1;
    this.#mirrors.set(page.bytes, mirror);
    this.#originals.set(mirror.mirror, mirror);
    this.#granted.set(reference, mirror);
    return reference;
  }

  #revoke(front: InProcessDomain, reference: number): boolean {
    if (!front.revoke(reference)) return false;
    const mirror = this.#granted.get(reference);
    this.#granted.delete(reference);
    if (mirror !== undefined && --mirror.grants === 0) {
      this.#mirrors.delete(mirror.bytes);
      this.#originals.delete(mirror.mirror);
    }
    return true;
  }

  #map(back: InProcessDomain, from: DomainId, reference: number, access: GrantAccess): MappedPage | number {
    const page = back.map(from, reference, access);
    if (typeof page === "number") return page;
    const bytes = this.#mirrors.get(page.bytes)?.mirror ?? page.bytes;
    const mirrored = { from, reference, access, handle: page.handle, bytes };
    this.#mapped.set(mirrored, page);
    return mirrored;
  }

  #borrow(back: InProcessDomain, loan: Loan): void {
    back.borrow(loan);
    const { places } = loan;
    const pieces = Array.from(
      { length: places.count },
      (_, i) => [places.page(i), places.offset(i), places.size(i)] as const,
    );
    places.clear();
    for (const [page, offset, size] of pieces) places.add(this.#mirrors.get(page)?.mirror ?? page, offset, size);
  }

  #giveBack(back: InProcessDomain, loan: Loan, written: number): void {
    this.#scratch.select(loan.places, 0, Math.min(written, loan.places.length));
    this.#copy(this.#scratch, (page, offset, length) => {
      this.#originals.get(page)?.bytes.set(page.subarray(offset, offset + length), offset);
    });
    back.giveBack(loan, written);
  }

  #copy(ranges: Places, copy: (page: Uint8Array, offset: number, length: number) => void): void {
    for (let i = 0; i < ranges.count; i++) copy(ranges.page(i), ranges.offset(i), ranges.size(i));
  }
}

// Tests a front end's domain on a Xen host where it is not like any other: pages that are granted once and for all, the
// kernel's bound, and what is given back when. The rest is the contract of `Domain`.

import type { InProcessDomain, MappedPage } from "@pvscsi/xen";
import { type HostDomain, HostFrontEnd, NoXenHost, OutOfPages } from "@pvscsi/xenbus";
import { expect } from "chai";
import { openPlayedHost, type XenKernel } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";

const PAGES = 8;
const [BACK, OTHER] = [0, 2];
const ALLOCATE = 0x184705;

describe("A front end's domain on a Xen host", () => {
  let world: XenWorld;
  let back: InProcessDomain;
  let front: InProcessDomain;
  let host: HostDomain;
  let kernel: XenKernel;
  let domain: HostFrontEnd;

  beforeEach(async () => {
    world = new XenWorld();
    back = await world.createDomain(BACK);
    front = await world.createDomain(1, { memoryPages: PAGES });
    ({ host, kernel } = await openPlayedHost(world, front));
    domain = new HostFrontEnd(host, kernel);
  });

  afterEach(async () => {
    for (const one of [domain, front, back]) await one.close();
    await world.settle();
    expect(world.hypervisor.leaks()).to.deep.equal([]);
  });

  const mapped = (reference: number): MappedPage => {
    const page = back.grants.map(1, reference, "read-write");
    return typeof page === "number" ? expect.fail(`map: ${page}`) : page;
  };

  it("grants a page by the same reference each time, and to nobody else", () => {
    const [page, another] = domain.allocatePages(2, BACK);
    const reference = domain.grants.grant(BACK, page, "read-only");
    expect(domain.grants.grant(BACK, page, "read-write")).to.equal(reference);
    expect(domain.grants.grant(BACK, another, "read-only")).not.to.equal(reference);
    expect(domain.grants.grant(OTHER, page, "read-only")).to.equal(-1);
  });

  it("keeps what is freed for what is allocated next: the other end may have it still", () => {
    const [page] = domain.allocatePages(1, BACK);
    const reference = domain.grants.grant(BACK, page, "read-write");
    const mapping = mapped(reference);
    expect(domain.grants.revoke(reference)).to.equal(true);
    domain.freePages([page]);
    expect(domain.allocated).to.equal(0);
    mapping.bytes[0] = 7;
    const [again] = domain.allocatePages(1, BACK);
    expect([again, again.bytes[0], kernel.requests.get(ALLOCATE)]).to.deep.equal([page, 0, 1]);
    back.grants.unmap(mapping);
  });

  it("says which bound of the kernel it has reached, and has lost nothing by it", () => {
    const first = domain.allocatePages(2, BACK);
    expect(() => domain.allocatePages(PAGES, BACK)).to.throw(
      OutOfPages,
      /^no page to grant besides 8: .*parameters\/limit/,
    );
    domain.freePages(first);
    expect(domain.allocatePages(PAGES, BACK)).to.have.length(PAGES);
  });

  it("takes what is free of one domain's pages for another, when the kernel has no more", () => {
    const kept = domain.allocatePages(2, BACK);
    domain.freePages(domain.allocatePages(PAGES - 2, BACK));
    expect(() => domain.allocatePages(PAGES - 1, OTHER)).to.throw(OutOfPages);
    const pages = domain.allocatePages(PAGES - 2, OTHER);
    const references = pages.map((page) => domain.grants.grant(OTHER, page, "read-write"));
    expect(references.every((reference) => reference > 0)).to.equal(true);
    expect(domain.grants.grant(BACK, pages[0], "read-write")).to.equal(-1);
    for (const reference of references) domain.grants.revoke(reference);
    domain.freePages(pages);
    expect([domain.allocatePages(PAGES - 2, BACK).length, domain.allocated]).to.deep.equal([PAGES - 2, PAGES]);
    expect(kept.every((page) => domain.grants.grant(BACK, page, "read-only") > 0)).to.equal(true);
  });

  it("frees no page that is granted, or is not allocated, and revokes nothing twice", () => {
    const [page] = domain.allocatePages(1, BACK);
    const reference = domain.grants.grant(BACK, page, "read-only");
    expect(() => domain.freePages([page])).to.throw(/is granted/);
    domain.grants.revoke(reference);
    expect(() => domain.grants.revoke(reference)).to.throw(/is not granted/);
    domain.freePages([page]);
    expect(() => domain.freePages([page])).to.throw(/is not allocated/);
    expect(() => domain.grants.grant(BACK, page, "read-only")).to.throw(/is not allocated/);
  });

  it("gives all back at its end, but what the other end has mapped: that the kernel keeps", async () => {
    const [page, held] = domain.allocatePages(2, BACK);
    domain.grants.grant(BACK, page, "read-only");
    held.bytes[9] = 5;
    const mapping = mapped(domain.grants.grant(BACK, held, "read-write"));
    await domain.close();
    expect(kernel.openFiles).to.equal(0);
    expect(front.allocatePages(PAGES - 1)).to.have.length(PAGES - 1);
    expect(() => front.allocatePages(1)).to.throw();
    expect(mapping.bytes[9]).to.equal(5);
    back.grants.unmap(mapping);
  });

  it("leaves the host's part to its owner where there is no gntalloc", () => {
    const { openFiles } = kernel;
    kernel.missing.add("/dev/xen/gntalloc");
    expect(() => new HostFrontEnd(host, kernel)).to.throw(NoXenHost, "/dev/xen/gntalloc: no such device");
    expect(kernel.openFiles).to.equal(openFiles);
  });
});

// Tests what becomes of pages that are given up on one side while the other takes them into use.

import { type MappedPage, PAGE_SIZE } from "@pvscsi/xen";
import { expect } from "chai";
import { Stand } from "./stand.js";

const PAGES = 8;
const [FRONT, BACK] = [1, 2];

describe("xenbus: pages that are given up", () => {
  it("a page that was freed while it was granted, and mapped later, is in its memory once", async () => {
    const stand = new Stand(1);
    const front = await stand.join(FRONT, PAGES);
    const back = await stand.join(BACK, PAGES);
    const [page] = front.allocatePages(1);
    const reference = front.grants.grant(BACK, page, "read-write");
    await stand.settle();
    front.freePages([page]);
    const mapped = back.grants.map(FRONT, reference, "read-write") as MappedPage;
    await stand.settle();
    back.grants.unmap(mapped);
    await stand.settle();
    expect(front.describe()).to.include({ pages: 0, retainedPages: 0 });
    const pages = front.allocatePages(PAGES);
    expect(new Set(pages.map(({ frame }) => frame)).size).to.equal(PAGES);
  });

  it("a page that is granted again while it was mapped is kept, and not counted as the domain's", async () => {
    const stand = new Stand(2);
    const local = stand.world.createLocal(BACK, PAGES);
    const { domain: front, connection } = await stand.connect(FRONT, PAGES);
    const pages = front.allocatePages(PAGES);
    const held: MappedPage[] = [];
    for (let round = 0; round < 2; round++) {
      const references = pages.map((page) => front.grants.grant(BACK, page, "read-only"));
      await stand.settle();
      // The hub has not heard of it, nor the domain of the mappings.
      for (const reference of references) front.grants.revoke(reference);
      for (const reference of references) held.push(local.grants.map(FRONT, reference, "read-only") as MappedPage);
      await stand.settle();
    }
    for (const page of pages) front.grants.grant(BACK, page, "read-only");
    await stand.settle();
    expect(front.closed).to.equal(false);
    expect(stand.world.hub.connectionOf(FRONT)).not.to.equal(null);
    for (const { bytes } of held) expect(bytes).to.have.length(PAGE_SIZE);
    for (const page of held) local.grants.unmap(page);
    expect(stand.world.hub.hypervisor.find(FRONT)?.describe().retainedPages).to.equal(0);
    connection.cut("the test ends");
  });
});

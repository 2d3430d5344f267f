// Tests a domain's memory: frames, limits, and pages that outlive their freeing.

import { Memory, PAGE_SIZE } from "@pvscsi/xen";
import { expect } from "chai";

describe("memory", () => {
  it("finds a page by its frame only while it is allocated", () => {
    const memory = new Memory(10);
    const page = memory.allocate();
    expect(page.bytes).to.have.length(PAGE_SIZE);
    expect(memory.find(page.frame)).to.equal(page);
    memory.free(page);
    for (const frame of [page.frame, 255, 256, -1, 0.5, Number.NaN]) expect(memory.find(frame)).to.equal(undefined);
  });

  it("ends at its limit; freed pages can be had again, and pages still pinned count on", () => {
    const memory = new Memory(2);
    const [one] = [memory.allocate(), memory.allocate()];
    expect(() => memory.allocate()).to.throw("2 pages are used up");
    memory.pin(one);
    memory.free(one);
    expect(() => memory.allocate()).to.throw("2 pages are used up");
    memory.unpin(one);
    expect(memory.allocate()).to.equal(one);
  });

  it("refuses a page that is freed twice, or another domain's", () => {
    const memory = new Memory(2);
    const page = memory.allocate();
    memory.free(page);
    expect(() => memory.free(page)).to.throw("is not allocated");
    expect(() => memory.free(new Memory(2).allocate())).to.throw("is not allocated");
  });

  it("gives thousands of pages, each its own bytes", () => {
    const memory = new Memory(3000);
    const pages = Array.from({ length: 3000 }, () => memory.allocate());
    for (const [i, page] of pages.entries()) new DataView(page.bytes.buffer, page.bytes.byteOffset).setUint32(0, i);
    for (const [i, page] of pages.entries()) {
      expect(new DataView(page.bytes.buffer, page.bytes.byteOffset).getUint32(0)).to.equal(i);
    }
  });
});

// Judges the memory of a driver in one piece: addresses, pages, and what lies outside.

import { Arena, PAGE_SIZE } from "@pvscsi/virtio";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";

describe("a driver's memory", () => {
  const arena = (pages: number) => new Arena(new ArrayBuffer(pages * PAGE_SIZE), 0x8000);

  it("finds by its address what it handed out", () => {
    const memory = arena(4);
    const [, page] = memory.pages(2);
    page.fill(7);
    const places = new Places();
    expect(memory.places(memory.addressOf(page, 10), 20, places)).to.equal(true);
    const bytes = new Uint8Array(20);
    places.read(bytes);
    expect(bytes).to.deep.equal(new Uint8Array(20).fill(7));
  });

  it("lends a page that is asked for whole as an object of its own, the same each time", () => {
    const memory = arena(4);
    const [first, second] = memory.pages(2);
    const places = new Places();
    for (const page of [second, second, first]) memory.places(memory.addressOf(page), PAGE_SIZE, places);
    expect([0, 1, 2].map((i) => [places.offset(i), places.page(i).byteOffset, places.page(i).length])).to.deep.equal([
      [0, second.byteOffset, PAGE_SIZE],
      [0, second.byteOffset, PAGE_SIZE],
      [0, first.byteOffset, PAGE_SIZE],
    ]);
    expect(places.page(0)).to.equal(places.page(1));
    memory.places(memory.addressOf(first, 1), PAGE_SIZE, places);
    expect([places.offset(3), places.size(3)]).to.deep.equal([first.byteOffset + 1, PAGE_SIZE]);
  });

  for (const [what, address, length] of [
    ["before it", 0x7fff, 2],
    ["across its end", 0x8000 + 4 * PAGE_SIZE - 1, 2],
    ["far behind it", 2 ** 52, 1],
    ["nowhere", Number.POSITIVE_INFINITY, 1],
  ] as const) {
    it(`has nothing ${what}`, () => {
      const places = new Places();
      expect(arena(4).places(address, length, places)).to.equal(false);
      expect(places.count).to.equal(0);
    });
  }

  it("hands out again what came back, and no more than there is", () => {
    const memory = arena(2);
    const pages = memory.pages(2);
    expect(() => memory.pages(1)).to.throw(RangeError, "1 pages of a memory with 0 left");
    memory.free(pages);
    expect(memory.pages(2)).to.have.members(pages);
    expect(() => memory.range(1)).to.throw(RangeError);
  });

  it("knows bytes that are not its own", () => {
    expect(() => arena(1).addressOf(new Uint8Array(1))).to.throw("another memory");
  });
});

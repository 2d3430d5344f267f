// Lists of pieces of pages, against a model that is one flat run of bytes.

import { copyBytes, Places } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

const PAGE = 200;

/** Pieces of pages of their own, so that two pieces never share bytes; some are whole pages, some are empty. */
const pieces = fc.array(
  fc.oneof(
    fc.constant({ offset: 0, length: PAGE }),
    fc.tuple(fc.nat(PAGE), fc.nat(PAGE)).map(([a, b]) => ({ offset: Math.min(a, b), length: Math.abs(a - b) })),
  ),
  { maxLength: 6 },
);

interface Made {
  readonly places: Places;
  readonly pages: Uint8Array[];
}

/** Places over fresh pages whose bytes all differ from their neighbours'. */
function make(list: { offset: number; length: number }[]): Made {
  const places = new Places();
  const pages = list.map(({ offset, length }, k) => {
    const page = Uint8Array.from({ length: PAGE }, (_, i) => (i * 7 + k * 31 + 1) & 0xff);
    places.add(page, offset, length);
    return page;
  });
  return { places, pages };
}

/** A byte to begin at: any, and often enough one where a piece begins. */
const start = fc.oneof(
  fc.nat(),
  fc.nat(6).map((piece) => ({ piece })),
);

function startIn(places: Places, chosen: number | { piece: number }): number {
  if (typeof chosen === "number") return chosen % (places.length + 1);
  let at = 0;
  for (let i = 0; i < Math.min(chosen.piece, places.count); i++) at += places.size(i);
  return at;
}

/** The bytes of all pieces, one after the other, by the plainest way. */
function flat(places: Places): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < places.count; i++) {
    for (let k = 0; k < places.size(i); k++) bytes.push(places.page(i)[places.offset(i) + k]);
  }
  return bytes;
}

describe("Places", () => {
  it("counts pieces and bytes, and forgets them when cleared", () => {
    const { places, pages } = make([
      { offset: 0, length: PAGE },
      { offset: 10, length: 5 },
    ]);
    expect([places.count, places.length]).to.deep.equal([2, PAGE + 5]);
    expect(places.view(0)).to.equal(pages[0]);
    expect([...places.view(1)]).to.deep.equal([...pages[1].subarray(10, 15)]);
    expect(places.view(1).buffer).to.equal(pages[1].buffer);
    places.clear();
    expect([places.count, places.length, flat(places).length]).to.deep.equal([0, 0, 0]);
  });

  for (const [offset, length] of [
    [-1, 1],
    [0, PAGE + 1],
    [PAGE, 1],
    [5, -1],
    [Number.NaN, 1],
    [0, Number.NaN],
  ]) {
    it(`refuses a piece ${offset}+${length} of a page of ${PAGE}`, () => {
      const places = new Places();
      expect(() => places.add(new Uint8Array(PAGE), offset, length)).to.throw(
        `${offset}+${length} of a page of ${PAGE}`,
      );
      expect(places.count).to.equal(0);
    });
  }

  it("reads what the pieces hold, from any byte on", () => {
    fc.assert(
      fc.property(pieces, fc.nat(PAGE * 7), fc.nat(PAGE * 7), (list, at, length) => {
        const { places } = make(list);
        const expected = flat(places).slice(at, at + length);
        const target = new Uint8Array(length);
        const done = places.read(target, at);
        expect(done).to.equal(expected.length);
        expect([...target.subarray(0, done)]).to.deep.equal(expected);
        expect(target.subarray(done).every((byte) => byte === 0)).to.equal(true);
      }),
    );
  });

  it("writes into the pieces, from any byte on, and nothing beside them", () => {
    fc.assert(
      fc.property(pieces, fc.nat(PAGE * 7), fc.uint8Array({ maxLength: PAGE * 3 }), (list, at, source) => {
        const { places, pages } = make(list);
        const fitting = [...source].slice(0, Math.max(0, places.length - at));
        const expected = flat(places);
        expected.splice(at, fitting.length, ...fitting);
        const outside = () =>
          pages.map((page, k) =>
            [...page].filter((_, i) => i < list[k].offset || i >= list[k].offset + list[k].length),
          );
        const before = outside();
        expect(places.write(source, at)).to.equal(fitting.length);
        expect(flat(places)).to.deep.equal(expected);
        expect(outside()).to.deep.equal(before);
      }),
    );
  });

  it("selects any run of another list's bytes, or of its own, as the same memory", () => {
    fc.assert(
      fc.property(pieces, start, fc.nat(), fc.boolean(), (list, a, b, own) => {
        const { places } = make(list);
        const from = startIn(places, a);
        const length = b % (places.length - from + 1);
        const expected = flat(places).slice(from, from + length);
        const chosen = own ? places : new Places();
        chosen.select(places, from, length);
        expect(flat(chosen)).to.deep.equal(expected);
        expect(chosen.length).to.equal(length);
        for (let i = 0; i < chosen.count; i++) expect(chosen.size(i)).to.be.above(0);
      }),
    );
  });

  it("refuses to select what another list does not have", () => {
    const { places } = make([{ offset: 0, length: 10 }]);
    for (const [from, length] of [
      [0, 11],
      [11, 0],
      [-1, 1],
      [5, -1],
    ]) {
      expect(() => new Places().select(places, from, length)).to.throw(`a choice of ${from}+${length} of 10 bytes`);
    }
  });

  it("fills its pieces and nothing beside them", () => {
    const { places, pages } = make([{ offset: 1, length: 3 }]);
    places.fill(0xaa);
    expect([...pages[0].subarray(0, 5)]).to.deep.equal([1, 0xaa, 0xaa, 0xaa, 29]);
  });
});

describe("copyBytes", () => {
  it("copies short and long runs, whole sources and parts, and nothing beside them", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.nat(),
        fc.nat(),
        fc.nat(20),
        (source, a, b, to) => {
          const from = a % source.length;
          const length = b % (source.length - from + 1);
          const target = new Uint8Array(400);
          copyBytes(source, from, target, to, length);
          const expected = new Array<number>(400).fill(0);
          expected.splice(to, length, ...source.subarray(from, from + length));
          expect([...target]).to.deep.equal(expected);
        },
      ),
    );
  });
});

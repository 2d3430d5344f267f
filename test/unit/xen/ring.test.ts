// Tests ring.h's rules by example: the letters are the property list that was derived from them.

import { Places, ProtocolError } from "@pvscsi/wire";
import { BackRing, FrontRing, PAGE_SIZE, SharedRing, VSCSIIF_ENTRY_SIZE } from "@pvscsi/xen";
import { expect } from "chai";

const TOP = 0xffff_fff8;

interface Ends {
  readonly page: Uint8Array;
  readonly header: InstanceType<typeof SharedRing>;
  readonly front: FrontRing;
  readonly back: BackRing;
  readonly ranges: Places;
}

/** Both ends of one ring whose indices begin at `index`. */
function ends(index = 0): Ends {
  const page = new Uint8Array(PAGE_SIZE);
  const header = new SharedRing(page);
  const front = new FrontRing(page, VSCSIIF_ENTRY_SIZE);
  const back = new BackRing(page, VSCSIIF_ENTRY_SIZE);
  front.initialise();
  if (index !== 0) {
    header.reqProd = header.rspProd = index;
    header.reqEvent = header.rspEvent = (index + 1) >>> 0;
    front.attach(index);
    back.attach(index);
  }
  return { page, header, front, back, ranges: new Places() };
}

/** Pushes `count` requests whose first byte counts from `first`; returns whether the back end is to be notified. */
function request({ page, front, ranges }: Ends, count: number, first = 0): boolean {
  for (let i = 0; i < count; i++) page[front.slot()] = first + i;
  return front.push(ranges);
}

function answer({ page, back, ranges }: Ends, names: readonly number[]): boolean {
  for (const name of names) page[back.slot()] = name;
  return back.push(ranges);
}

/** The first byte of every request there is. */
function takeRequests({ back }: Ends): number[] {
  const entry = new Uint8Array(VSCSIIF_ENTRY_SIZE);
  const names: number[] = [];
  while (back.take(entry)) names.push(entry[0]);
  return names;
}

function takeResponses({ page, front }: Ends): number[] {
  const names: number[] = [];
  for (let offset = front.take(); offset >= 0; offset = front.take()) names.push(page[offset]);
  return names;
}

function listed({ ranges }: Ends): [number, number][] {
  return Array.from({ length: ranges.count }, (_, i) => [ranges.offset(i), ranges.size(i)]);
}

const COUNT = Array.from({ length: 16 }, (_, i) => i);

describe("ring", () => {
  it("begins with producers 0, events 1 and zeroed entries, whatever the page held", () => {
    const page = new Uint8Array(PAGE_SIZE).fill(0xee);
    new FrontRing(page, VSCSIIF_ENTRY_SIZE).initialise();
    const expected = new Uint8Array(PAGE_SIZE);
    expected[SharedRing.offsets.reqEvent] = expected[SharedRing.offsets.rspEvent] = 1;
    expect(page).to.deep.equal(expected);
  });

  it("has 16 entries of 252 bytes, entry i at 64 + 252 * (i mod 16), for every index up to 2^32", () => {
    const ring = ends(TOP);
    expect(ring.front.entries).to.equal(16);
    for (let i = 0; i < 16; i++) expect(ring.front.slot()).to.equal(64 + 252 * ((TOP + i) % 16));
  });

  it("(a) indices cross 2^32 and go on at 0", () => {
    const ring = ends(TOP);
    request(ring, 12);
    expect(ring.header.reqProd).to.equal(4);
    expect(takeRequests(ring)).to.deep.equal(COUNT.slice(0, 12));
    answer(ring, COUNT.slice(0, 12));
    expect(ring.header.rspProd).to.equal(4);
    expect(takeResponses(ring)).to.deep.equal(COUNT.slice(0, 12));
    expect(ring.front.free).to.equal(16);
  });

  for (const [name, index] of [
    ["0", 0],
    ["2^32 - 8", TOP],
    ["2^32 - 1", 0xffff_ffff],
  ] as const) {
    for (const count of [1, 2, 16]) {
      it(`(b) ${count} pushed at ${name}: notifies when the event index lies in (old, new], and only then`, () => {
        for (const [event, wanted] of [
          [index, false],
          [index + 1, true],
          [index + count, true],
          [index + count + 1, false],
          [index - 1, false],
        ] as const) {
          const requests = ends(index);
          requests.header.reqEvent = event >>> 0;
          expect(request(requests, count), `req_event ${event}`).to.equal(wanted);
          const responses = ends(index);
          request(responses, count);
          takeRequests(responses);
          responses.header.rspEvent = event >>> 0;
          expect(answer(responses, COUNT.slice(0, count)), `rsp_event ${event}`).to.equal(wanted);
        }
      });
    }
  }

  it("a push of nothing notifies nobody and lists the index alone", () => {
    const ring = ends();
    expect(ring.front.push(ring.ranges)).to.equal(false);
    expect(listed(ring)).to.deep.equal([[SharedRing.offsets.reqProd, 4]]);
  });

  it("(c) 16 requests are in flight and the 17th finds no slot", () => {
    const ring = ends();
    request(ring, 16);
    expect(ring.front.free).to.equal(0);
    expect(ring.front.slot()).to.equal(-1);
    expect(takeRequests(ring)).to.deep.equal(COUNT);
    answer(ring, COUNT);
    expect(takeResponses(ring)).to.deep.equal(COUNT);
  });

  it("(d) a request that arrives during the back end's final check is seen", () => {
    const ring = ends();
    const moving = new MovingPlaces(() => request(ring, 1));
    expect(ring.back.finalCheck(moving)).to.equal(true);
  });

  it("(d) a response that arrives during the front end's final check is seen", () => {
    const ring = ends();
    request(ring, 1);
    takeRequests(ring);
    const moving = new MovingPlaces(() => answer(ring, [0]));
    expect(ring.front.finalCheck(moving)).to.equal(true);
  });

  it("the final check asks for the next event only when there is nothing to do, and lists the index it wrote", () => {
    const ring = ends();
    request(ring, 1);
    ring.ranges.clear();
    expect(ring.back.finalCheck(ring.ranges)).to.equal(true);
    expect(listed(ring)).to.deep.equal([]);
    takeRequests(ring);
    expect(ring.back.finalCheck(ring.ranges)).to.equal(false);
    expect(ring.front.finalCheck(ring.ranges)).to.equal(false);
    expect(listed(ring)).to.deep.equal([
      [SharedRing.offsets.reqEvent, 4],
      [SharedRing.offsets.rspEvent, 4],
    ]);
    expect([ring.header.reqEvent, ring.header.rspEvent]).to.deep.equal([2, 1]);
  });

  for (const index of [0, TOP]) {
    it(`(e) XSA-155: req_prod jumps by 17 at ${index}: the back end takes nothing`, () => {
      const ring = ends(index);
      ring.header.reqProd = (index + 17) >>> 0;
      expect(() => takeRequests(ring)).to.throw(
        ProtocolError,
        /^req_prod \d+ at rsp_prod \d+: the ring has 16 entries$/,
      );
    });

    it(`(e) XSA-376: rsp_prod jumps by 17 at ${index}: the front end takes nothing`, () => {
      const ring = ends(index);
      request(ring, 16);
      ring.header.rspProd = (index + 17) >>> 0;
      expect(() => ring.front.take()).to.throw(ProtocolError, /only 16 requests await a response$/);
    });

    it(`XSA-376: a response without a request at ${index} is refused`, () => {
      const ring = ends(index);
      request(ring, 1);
      ring.header.rspProd = (index + 2) >>> 0;
      expect(() => ring.front.take()).to.throw(ProtocolError, /only 1 requests await/);
    });
  }

  it("(e) indices that go back are as bad as those that jump", () => {
    const ring = ends();
    request(ring, 2);
    expect(takeRequests(ring)).to.have.length(2);
    ring.header.reqProd = 0xffff_ffff;
    expect(() => takeRequests(ring)).to.throw(ProtocolError);
    ring.header.rspProd = 0xffff_ffff;
    expect(() => ring.front.take()).to.throw(ProtocolError);
  });

  it("(f) responses in another order arrive in that order, where the next response slot is", () => {
    const ring = ends();
    request(ring, 5);
    takeRequests(ring);
    answer(ring, [3, 1, 4, 0, 2]);
    expect(ring.page[64]).to.equal(3);
    expect(takeResponses(ring)).to.deep.equal([3, 1, 4, 0, 2]);
  });

  it("(g) answered slots are free only once the front end has consumed the responses", () => {
    const ring = ends();
    request(ring, 16);
    takeRequests(ring);
    answer(ring, COUNT);
    expect(ring.front.slot()).to.equal(-1);
    ring.front.take();
    expect(ring.front.free).to.equal(1);
  });

  it("(g) the back end takes no request while every slot awaits its response", () => {
    const ring = ends();
    request(ring, 16);
    expect(takeRequests(ring)).to.have.length(16);
    ring.header.reqProd = 16;
    expect(ring.back.unconsumed).to.equal(0);
    expect(ring.back.take(new Uint8Array(252))).to.equal(false);
    answer(ring, [0]);
    ring.header.reqProd = 17;
    expect(ring.back.unconsumed).to.equal(1);
  });

  it("a response beyond the requests taken is our own bug", () => {
    const ring = ends();
    request(ring, 1);
    expect(() => ring.back.slot()).to.throw("a response without a request");
  });

  it("XSA-155: the request is copied once; what the front end writes later is not seen", () => {
    const ring = ends();
    request(ring, 1, 7);
    const entry = new Uint8Array(252);
    ring.back.take(entry);
    ring.page.fill(0xff, 64);
    expect(entry[0]).to.equal(7);
    expect(entry.subarray(1).every((byte) => byte === 0)).to.equal(true);
  });

  it("XSA-216: a response slot shows nothing of the request it lay over", () => {
    const ring = ends();
    ring.page.fill(0xaa, 64);
    ring.front.slot();
    ring.front.push(ring.ranges);
    takeRequests(ring);
    const offset = ring.back.slot();
    expect(ring.page.subarray(offset, offset + 252).every((byte) => byte === 0)).to.equal(true);
  });

  it("lists the entries pushed, at the wrap as two ranges, and the producer's index last", () => {
    const ring = ends(14);
    request(ring, 4);
    expect(listed(ring)).to.deep.equal([
      [64 + 14 * 252, 504],
      [64, 504],
      [SharedRing.offsets.reqProd, 4],
    ]);
    takeRequests(ring);
    ring.ranges.clear();
    answer(ring, [0, 1]);
    expect(listed(ring)).to.deep.equal([
      [64 + 14 * 252, 504],
      [SharedRing.offsets.rspProd, 4],
    ]);
  });

  it("a page too small for one entry is no ring", () => {
    expect(() => new FrontRing(new Uint8Array(256), 252)).to.throw("no entry of 252 bytes");
  });
});

/** Moves the other end at the moment a range is listed: after the event index was written, before the second look. */
class MovingPlaces extends Places {
  readonly #move: () => void;

  constructor(move: () => void) {
    super();
    this.#move = move;
  }

  override add(page: Uint8Array, offset: number, length: number): void {
    super.add(page, offset, length);
    this.#move();
  }
}

// Tests rings under random interleavings against the one promise they make: everything asked is answered, and nobody
// sleeps through it. The same histories run over one page, and over two that share nothing but the ranges listed.

import { copyBytes, Places } from "@pvscsi/wire";
import { BackRing, FrontRing, PAGE_SIZE, SharedRing } from "@pvscsi/xen";
import { expect } from "chai";
import fc from "fast-check";

const ENTRY = 252;
const REQUESTS = 60;

/** How what one end writes reaches the other. */
type Wire = "one page" | "two pages";

/** A front end that sends numbered requests and a back end that answers them in any order; a choice moves one of them. */
class World {
  readonly answered: number[] = [];
  pushes = 0;
  notifications = 0;
  #frontAwake = true;
  #backAwake = true;
  #sent = 0;
  #unpushedRequests = 0;
  #unpushedResponses = 0;
  readonly #front: FrontRing;
  readonly #back: BackRing;
  readonly #wire: Wire;
  readonly #ranges = new Places();
  readonly #entry = new Uint8Array(ENTRY);
  readonly #open: number[] = [];

  constructor(wire: Wire, index: number) {
    this.#wire = wire;
    const page = new Uint8Array(PAGE_SIZE);
    this.#front = new FrontRing(page, ENTRY);
    this.#front.initialise();
    const header = new SharedRing(page);
    header.reqProd = header.rspProd = index;
    header.reqEvent = header.rspEvent = (index + 1) >>> 0;
    this.#back = new BackRing(wire === "one page" ? page : page.slice(), ENTRY);
    this.#front.attach(index);
    this.#back.attach(index);
  }

  get asleep(): boolean {
    return !this.#frontAwake && !this.#backAwake;
  }

  step(choice: number): void {
    const front = this.#frontAwake && (!this.#backAwake || (choice & 1) === 0);
    if (front) this.#stepFront(choice >>> 1);
    else if (this.#backAwake) this.#stepBack(choice >>> 1);
  }

  #stepFront(choice: number): void {
    if (choice % 3 === 0 && this.#send()) return;
    if (this.#unpushedRequests > 0 && choice % 3 !== 1) {
      this.#unpushedRequests = 0;
      this.#publish(this.#front.push(this.#ranges), "front");
      return;
    }
    const offset = this.#front.take();
    if (offset >= 0) this.answered.push(new DataView(this.#front.page.buffer).getUint32(offset, true));
    else if (this.#unpushedRequests === 0 && !this.#send()) {
      this.#frontAwake = this.#front.finalCheck(this.#ranges);
      this.#mirror("front");
    }
  }

  #send(): boolean {
    if (this.#sent === REQUESTS) return false;
    const offset = this.#front.slot();
    if (offset < 0) return false;
    new DataView(this.#front.page.buffer).setUint32(offset, this.#sent++, true);
    this.#unpushedRequests += 1;
    return true;
  }

  #stepBack(choice: number): void {
    if (choice % 3 === 0 && this.#open.length > 0) this.#answer(choice);
    else if (choice % 3 === 1 && this.#unpushedResponses > 0) this.#pushResponses();
    else if (this.#back.take(this.#entry)) this.#open.push(new DataView(this.#entry.buffer).getUint32(0, true));
    else if (this.#open.length > 0) this.#answer(choice);
    else if (this.#unpushedResponses > 0) this.#pushResponses();
    else {
      this.#backAwake = this.#back.finalCheck(this.#ranges);
      this.#mirror("back");
    }
  }

  #answer(choice: number): void {
    const [name] = this.#open.splice(choice % this.#open.length, 1);
    new DataView(this.#back.page.buffer).setUint32(this.#back.slot(), name, true);
    this.#unpushedResponses += 1;
  }

  #pushResponses(): void {
    this.#unpushedResponses = 0;
    this.#publish(this.#back.push(this.#ranges), "back");
  }

  /** Over two pages the wish is not known to be current, so the other end always looks, as after `Domain.publish`. */
  #publish(wanted: boolean, by: "front" | "back"): void {
    this.#mirror(by);
    this.pushes += 1;
    if (wanted) this.notifications += 1;
    if (!wanted && this.#wire === "one page") return;
    if (by === "front") this.#backAwake = true;
    else this.#frontAwake = true;
  }

  #mirror(by: "front" | "back"): void {
    const from = by === "front" ? this.#front.page : this.#back.page;
    const to = by === "front" ? this.#back.page : this.#front.page;
    for (let i = 0; i < this.#ranges.count; i++) {
      const at = this.#ranges.offset(i);
      expect(this.#ranges.page(i)).to.equal(from);
      if (this.#wire === "two pages") copyBytes(from, at, to, at, this.#ranges.size(i));
    }
    this.#ranges.clear();
  }
}

/** Runs a world by its choices, then on by a fixed cycle of them, until both ends sleep. */
function run(world: World, choices: readonly number[]): void {
  for (const choice of choices) world.step(choice);
  for (let i = 0; i < 20_000 && !world.asleep; i++) world.step(i * 7);
}

const ALL = Array.from({ length: REQUESTS }, (_, i) => i);

describe("ring under random interleavings", () => {
  for (const wire of ["one page", "two pages"] as const) {
    it(`(h) over ${wire}: every request is answered once, no wake-up is lost, no push notifies twice`, () => {
      const index = fc.oneof(fc.constantFrom(0, 0xffff_ffe0, 0xffff_ffff, 0x7fff_fff8), fc.nat(0xffff_ffff));
      const choices = fc.array(fc.nat(0xffff), { minLength: 50, maxLength: 600 });
      fc.assert(
        fc.property(index, choices, (start, history) => {
          const world = new World(wire, start);
          run(world, history);
          expect(world.asleep).to.equal(true);
          expect([...world.answered].sort((a, b) => a - b)).to.deep.equal(ALL);
          expect(world.notifications).to.be.at.most(world.pushes);
        }),
        { numRuns: 400 },
      );
    });
  }

  it("(h) a busy peer is not notified: fewer notifications than pushes", () => {
    const world = new World("one page", 0);
    run(
      world,
      Array.from({ length: 4000 }, (_, i) => (i * 2654435761) >>> 5),
    );
    expect(world.answered).to.have.length(REQUESTS);
    expect(world.notifications).to.be.below(world.pushes);
  });
});

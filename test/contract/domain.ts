// What every implementation of `Domain` must do, written against the seam alone: `domainContract(name, make)`.

import { Places, type Runnable } from "@pvscsi/wire";
import {
  BackRing,
  type Domain,
  FrontRing,
  type GrantAccess,
  type GrantReference,
  GrantStatus,
  Loan,
  type MappedPage,
  PAGE_SIZE,
  type Page,
  type Port,
  VSCSIIF_ENTRY_SIZE,
} from "@pvscsi/xen";
import { expect } from "chai";

/**
 * Three domains of one hypervisor: `back` is privileged in xenstored, `front` and `stranger` own their
 * /local/domain/<id>. `front` may allocate `frontPages` pages.
 */
export interface DomainWorld {
  readonly front: Domain;
  readonly back: Domain;
  readonly stranger: Domain;
  readonly frontPages: number;
  /** `back` is under a kernel: its loans are copies, and an event that comes while one waits there is another one. */
  readonly underKernel?: true;
  /**
   * `front` is under a kernel: its pages are granted to `back`, to be read and written, for as long as the domain is there;
   * what is mapped, and who is at the other end of a port, it is not told.
   */
  readonly granterUnderKernel?: true;
  /** Ends when everything under way (events, grants, published bytes, the store's messages) has arrived. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** A domain id that no world has. */
const NOBODY = 0x7ee0;
/** A reference beyond the largest table. */
const FAR = 0x00ff_ffff;

/** Counts its runs. */
class Listener implements Runnable {
  runs = 0;
  run(): void {
    this.runs += 1;
  }
}

export function domainContract(name: string, make: () => Promise<DomainWorld>): void {
  describe(`Domain: ${name}`, () => {
    let world: DomainWorld;
    beforeEach(async () => {
      world = await make();
    });
    afterEach(() => world.close());
    describe("pages", () => pagesContract(() => world));
    describe("grants", () => grantsContract(() => world));
    describe("loans", () => loansContract(() => world));
    describe("event channels", () => eventsContract(() => world));
    describe("store", () => storeContract(() => world));
    describe("publish", () => publishContract(() => world));
    describe("close", () => closeContract(() => world));
  });
}

function pagesContract(world: () => DomainWorld): void {
  it("are 4096 zeroed bytes with a frame number each", () => {
    const pages = allocate(world(), 3);
    expect(new Set(pages.map((page) => page.frame)).size).to.equal(3);
    for (const { bytes } of pages) {
      expect(bytes).to.have.length(PAGE_SIZE);
      expect(bytes.every((byte) => byte === 0)).to.equal(true);
    }
  });

  it("are zeroed again when they are allocated again", () => {
    const pages = allocate(world(), 4);
    for (const { bytes } of pages) bytes.fill(0x5a);
    world().front.freePages(pages);
    for (const { bytes } of allocate(world(), 4)) expect(bytes.every((byte) => byte === 0)).to.equal(true);
  });

  it("end: more than the domain's memory throws, and what is freed is to be had again", () => {
    const { front, frontPages } = world();
    const pages = allocate(world(), frontPages);
    expect(() => allocate(world(), 1)).to.throw(RangeError);
    front.freePages(pages.slice(0, 2));
    expect(() => allocate(world(), 3)).to.throw(RangeError);
    expect(allocate(world(), 2)).to.have.length(2);
  });
}

/** Pages of `front` for `back`. */
function allocate({ front, back }: DomainWorld, count: number): Page[] {
  return front.allocatePages(count, back.id);
}

/** Grants a new page of `front` to `back`, filled with `value` and published. */
async function granted(world: DomainWorld, access: GrantAccess, value = 0): Promise<[Page, GrantReference]> {
  const [page] = allocate(world, 1);
  const reference = world.front.grants.grant(world.back.id, page, access);
  page.bytes.fill(value);
  const ranges = new Places();
  ranges.add(page.bytes, 0, PAGE_SIZE);
  world.front.publish(0, ranges, false);
  await world.settle();
  return [page, reference];
}

function mapped(world: DomainWorld, reference: GrantReference, access: GrantAccess): MappedPage {
  const page = world.back.grants.map(world.front.id, reference, access);
  if (typeof page === "number") throw new Error(`map: ${page}`);
  return page;
}

function grantsContract(world: () => DomainWorld): void {
  it("give references from 8 on: the first 8 are reserved", async () => {
    const [, reference] = await granted(world(), "read-only");
    expect(reference).to.be.at.least(8);
  });

  it("show the mapper what was published", async () => {
    const [, reference] = await granted(world(), "read-only", 0x42);
    const page = mapped(world(), reference, "read-only");
    expect(page.bytes).to.have.length(PAGE_SIZE);
    expect(page.bytes.every((byte) => byte === 0x42)).to.equal(true);
    expect([page.from, page.reference, page.access]).to.deep.equal([world().front.id, reference, "read-only"]);
    expect(world().back.grants.unmap(page)).to.equal(GrantStatus.okay);
  });

  it("show the granter what the mapper wrote and published", async () => {
    const [page, reference] = await granted(world(), "read-write");
    const mapping = mapped(world(), reference, "read-write");
    mapping.bytes[100] = 7;
    const ranges = new Places();
    ranges.add(mapping.bytes, 100, 1);
    world().back.publish(0, ranges, false);
    await world().settle();
    expect(page.bytes[100]).to.equal(7);
    world().back.grants.unmap(mapping);
  });

  it("refuse a map with Xen's status", async () => {
    const { front, back, stranger } = world();
    const [, readOnly] = await granted(world(), "read-only");
    const [, revoked] = await granted(world(), "read-write");
    front.grants.revoke(revoked);
    await world().settle();
    const { grants } = back;
    expect(grants.map(NOBODY, readOnly, "read-only"), "unknown domain").to.equal(GrantStatus.badDomain);
    expect(grants.map(front.id, FAR, "read-only"), "beyond the table").to.equal(GrantStatus.badReference);
    expect(grants.map(front.id, 1, "read-only"), "never granted").to.equal(GrantStatus.generalError);
    if (!world().granterUnderKernel) {
      expect(grants.map(front.id, revoked, "read-only"), "revoked").to.equal(GrantStatus.generalError);
      expect(grants.map(front.id, readOnly, "read-write"), "read-only grant").to.equal(GrantStatus.generalError);
    }
    expect(stranger.grants.map(front.id, readOnly, "read-only"), "others").to.equal(GrantStatus.generalError);
  });

  it("XSA-396: may be mapped several times; revoking waits for the last unmap", async () => {
    const { front, back } = world();
    const [, reference] = await granted(world(), "read-write");
    const pages = [mapped(world(), reference, "read-only"), mapped(world(), reference, "read-write")];
    await world().settle();
    for (const page of pages) {
      if (!world().granterUnderKernel) expect(front.grants.revoke(reference)).to.equal(false);
      expect(back.grants.unmap(page)).to.equal(GrantStatus.okay);
      await world().settle();
    }
    expect(front.grants.revoke(reference)).to.equal(true);
  });

  it("XSA-394: refuse to end a mapping twice, also after its handle is in use again", async () => {
    const { back } = world();
    const [, reference] = await granted(world(), "read-only");
    const first = mapped(world(), reference, "read-only");
    back.grants.unmap(first);
    expect(back.grants.unmap(first)).to.equal(GrantStatus.badHandle);
    const second = mapped(world(), reference, "read-only");
    expect(back.grants.unmap(first)).to.equal(GrantStatus.badHandle);
    expect(back.grants.unmap(second)).to.equal(GrantStatus.okay);
  });

  it("come back: ten thousand grants and revocations need no larger table", async () => {
    const { front, back } = world();
    const [page] = allocate(world(), 1);
    let highest = 0;
    for (let i = 0; i < 10_000; i++) {
      const reference = front.grants.grant(back.id, page, "read-only");
      highest = Math.max(highest, reference);
      expect(front.grants.revoke(reference)).to.equal(true);
      if (i % 1000 === 0) await world().settle();
    }
    expect(highest).to.be.below(512);
  });
}

function loansContract(world: () => DomainWorld): void {
  it("lend the pieces in order", async () => {
    const { front, back } = world();
    const [, one] = await granted(world(), "read-only", 1);
    const [, two] = await granted(world(), "read-only", 2);
    const loan = new Loan().open(front.id, "read-only");
    loan.add(two, 4000, 96);
    loan.add(one, 0, 4096);
    loan.add(two, 10, 0);
    loan.add(two, 0, 1);
    back.borrow(loan);
    expect(loan.status).to.equal(GrantStatus.okay);
    const bytes = new Uint8Array(96 + 4096 + 1);
    expect(loan.places.length).to.equal(bytes.length);
    loan.places.read(bytes);
    expect(bytes).to.deep.equal(new Uint8Array(bytes.length).fill(2, 0, 96).fill(1, 96, 4192).fill(2, 4192));
    back.giveBack(loan, 0);
    await world().settle();
    expect([front.grants.revoke(one), front.grants.revoke(two)]).to.deep.equal([true, true]);
  });

  it("bring what was written to the lender", async () => {
    const { front, back } = world();
    const [page, reference] = await granted(world(), "read-write", 9);
    const loan = new Loan().open(front.id, "read-write");
    loan.add(reference, 512, 1024);
    back.borrow(loan);
    loan.places.write(new Uint8Array(1024).fill(3));
    back.giveBack(loan, 1024);
    back.publish(0, new Places(), false);
    await world().settle();
    expect(page.bytes).to.deep.equal(new Uint8Array(PAGE_SIZE).fill(9).fill(3, 512, 1536));
  });

  it("XSA-361: hold nothing when one piece fails, whichever it is", async () => {
    const { front, back } = world();
    const references: GrantReference[] = [];
    for (let i = 0; i < 4; i++) references.push((await granted(world(), "read-write"))[1]);
    for (let bad = 0; bad < references.length; bad++) {
      const loan = new Loan().open(front.id, "read-write");
      for (const [i, reference] of references.entries()) loan.add(i === bad ? FAR : reference, 0, PAGE_SIZE);
      back.borrow(loan);
      expect(loan.status).to.equal(GrantStatus.badReference);
      expect(loan.places.count).to.equal(0);
      back.giveBack(loan, 0);
    }
    await world().settle();
    expect(references.map((reference) => front.grants.revoke(reference))).to.deep.equal([true, true, true, true]);
  });

  it("fail as a whole when one of very many pieces does, and the next is whole again", async () => {
    const { front, back } = world();
    // A grant is mapped 128 times at most.
    const references: GrantReference[] = [];
    for (let i = 0; i < 3; i++) references.push((await granted(world(), "read-write", 5))[1]);
    for (const bad of [0, 127, 128, 299, -1]) {
      const loan = new Loan().open(front.id, "read-only");
      for (let i = 0; i < 300; i++) loan.add(i === bad ? FAR : references[i % 3], i, 1);
      back.borrow(loan);
      expect(loan.status, `piece ${bad}`).to.equal(bad === -1 ? GrantStatus.okay : GrantStatus.badReference);
      expect(loan.places.length).to.equal(bad === -1 ? 300 : 0);
      const bytes = new Uint8Array(loan.places.length);
      loan.places.read(bytes);
      expect(bytes.every((byte) => byte === 5)).to.equal(true);
      back.giveBack(loan, 0);
    }
    await world().settle();
    expect(references.map((reference) => front.grants.revoke(reference))).to.deep.equal([true, true, true]);
  });

  it("fail with the status of a map", async () => {
    const { front, back } = world();
    const [, readOnly] = await granted(world(), "read-only");
    const borrow = (from: number, reference: number, access: GrantAccess, offset = 0) => {
      const loan = new Loan().open(from, access);
      loan.add(reference, offset, 100);
      back.borrow(loan);
      // Where loans are copies, that they may not be written is found out when they are.
      back.giveBack(loan, access === "read-only" ? 0 : 100);
      return loan.status;
    };
    expect(borrow(NOBODY, readOnly, "read-only")).to.equal(GrantStatus.badDomain);
    expect(borrow(front.id, FAR, "read-only")).to.equal(GrantStatus.badReference);
    const refusal = world().granterUnderKernel ? GrantStatus.okay : GrantStatus.generalError;
    expect(borrow(front.id, readOnly, "read-write")).to.equal(refusal);
    expect(borrow(front.id, readOnly, "read-only", 4000), "over the page's end").to.equal(GrantStatus.badCopyArgument);
  });

  it("keep the grant from being revoked until they are given back", async () => {
    const { front, back } = world();
    const [, reference] = await granted(world(), "read-write");
    const loan = new Loan().open(front.id, "read-write");
    loan.add(reference, 0, PAGE_SIZE);
    back.borrow(loan);
    await world().settle();
    expect(front.grants.revoke(reference)).to.equal(world().underKernel ?? false);
    back.giveBack(loan, PAGE_SIZE);
    const ended = world().underKernel && !world().granterUnderKernel;
    expect(loan.status).to.equal(ended ? GrantStatus.generalError : GrantStatus.okay);
    await world().settle();
    if (!world().underKernel) expect(front.grants.revoke(reference)).to.equal(true);
  });

  it("that are only written change what was written, and nothing else", async () => {
    const { front, back } = world();
    const [page, reference] = await granted(world(), "read-write", 9);
    const loan = new Loan().open(front.id, "write-only");
    for (const offset of [0, 1024, 2048]) loan.add(reference, offset, 512);
    back.borrow(loan);
    expect([loan.status, loan.places.length]).to.deep.equal([GrantStatus.okay, 1536]);
    loan.places.write(new Uint8Array(700).fill(3));
    back.giveBack(loan, 700);
    await world().settle();
    expect(page.bytes).to.deep.equal(new Uint8Array(PAGE_SIZE).fill(9).fill(3, 0, 512).fill(3, 1024, 1212));
  });

  it("of nothing are fine", () => {
    const loan = new Loan().open(world().front.id, "read-only");
    world().back.borrow(loan);
    expect([loan.status, loan.places.count]).to.deep.equal([GrantStatus.okay, 0]);
    world().back.giveBack(loan, 0);
  });
}

function portOf(result: Port | string): Port {
  if (typeof result === "string") throw new Error(result);
  return result;
}

/** Ports of `front` and `back` bound to each other, with listeners; the event of the binding has been delivered. */
async function bound(
  world: DomainWorld,
): Promise<{ front: Port; back: Port; heard: { front: Listener; back: Listener } }> {
  const front = portOf(world.front.events.allocateUnbound(world.back.id));
  await world.settle();
  const back = portOf(world.back.events.bindInterdomain(world.front.id, front));
  const heard = { front: new Listener(), back: new Listener() };
  world.front.events.listen(front, heard.front);
  world.back.events.listen(back, heard.back);
  await world.settle();
  heard.front.runs = heard.back.runs = 0;
  return { front, back, heard };
}

function eventsContract(world: () => DomainWorld): void {
  it("are unbound, then interdomain on both sides, and the binder's port is pending at once", async () => {
    const { front, back } = world();
    const frontPort = portOf(front.events.allocateUnbound(back.id));
    expect(front.events.state(frontPort)).to.equal("unbound");
    await world().settle();
    const backPort = portOf(back.events.bindInterdomain(front.id, frontPort));
    const [frontHeard, backHeard] = [new Listener(), new Listener()];
    front.events.listen(frontPort, frontHeard);
    back.events.listen(backPort, backHeard);
    await world().settle();
    const seen = world().granterUnderKernel ? "unbound" : "interdomain";
    expect([front.events.state(frontPort), back.events.state(backPort)]).to.deep.equal([seen, "interdomain"]);
    expect(frontHeard.runs).to.equal(0);
    // A second one may say that the other end's hypervisor has heard of it.
    expect(backHeard.runs).to.be.within(1, 2);
  });

  it("deliver to the other end, from the scheduler and not on the sender's stack", async () => {
    const { front, back, heard } = await bound(world());
    expect(world().front.events.notify(front)).to.equal(null);
    expect(heard.back.runs).to.equal(0);
    await world().settle();
    expect([heard.front.runs, heard.back.runs]).to.deep.equal([0, 1]);
    world().back.events.notify(back);
    await world().settle();
    expect([heard.front.runs, heard.back.runs]).to.deep.equal([1, 1]);
  });

  it("may be one for many", async () => {
    const { front, heard } = await bound(world());
    for (let i = 0; i < 100; i++) world().front.events.notify(front);
    await world().settle();
    expect(heard.back.runs).to.be.within(1, 100);
  });

  it("latch one event while masked and deliver it at unmask", async () => {
    const { front, back, heard } = await bound(world());
    world().back.events.mask(back);
    for (let i = 0; i < 3; i++) {
      world().front.events.notify(front);
      await world().settle();
    }
    expect(heard.back.runs).to.equal(0);
    world().back.events.unmask(back);
    expect(heard.back.runs).to.equal(0);
    await world().settle();
    expect(heard.back.runs).to.be.within(1, world().underKernel ? 2 : 1);
  });

  it("masked after the send, before the delivery: stay latched", async () => {
    const { front, back, heard } = await bound(world());
    world().front.events.notify(front);
    world().back.events.mask(back);
    await world().settle();
    expect(heard.back.runs).to.equal(0);
    world().back.events.unmask(back);
    await world().settle();
    expect(heard.back.runs).to.equal(1);
  });

  it("latch one event while nobody listens", async () => {
    const { front, back, heard } = await bound(world());
    world().back.events.listen(back, null);
    world().front.events.notify(front);
    await world().settle();
    expect(heard.back.runs).to.equal(0);
    world().back.events.listen(back, heard.back);
    await world().settle();
    expect(heard.back.runs).to.equal(1);
  });

  it("are dropped on an unbound port, and EINVAL on a closed one and on port 0", async () => {
    const { front } = world();
    const port = portOf(front.events.allocateUnbound(world().back.id));
    expect(front.events.notify(port)).to.equal(null);
    front.events.close(port);
    expect(front.events.state(port)).to.equal("closed");
    expect(front.events.notify(port)).to.equal("EINVAL");
    expect(front.events.notify(0)).to.equal("EINVAL");
    expect(front.events.notify(4096)).to.equal("EINVAL");
  });

  it("let only the named domain bind, once", async () => {
    const { front, back, stranger } = world();
    const port = portOf(front.events.allocateUnbound(back.id));
    await world().settle();
    expect(stranger.events.bindInterdomain(front.id, port)).to.equal("EINVAL");
    expect(back.events.bindInterdomain(front.id, 0)).to.equal("EINVAL");
    expect(back.events.bindInterdomain(front.id, 4095)).to.equal("EINVAL");
    expect(back.events.bindInterdomain(NOBODY, port)).to.equal("ESRCH");
    expect(back.events.bindInterdomain(front.id, port)).to.be.a("number");
    expect(back.events.bindInterdomain(front.id, port)).to.equal("EINVAL");
  });

  it("turn unbound when the other end closes, and may be bound again by the same domain", async () => {
    const { front, back } = await bound(world());
    world().back.events.close(back);
    await world().settle();
    expect(world().front.events.state(front)).to.equal("unbound");
    expect(world().front.events.notify(front)).to.equal(null);
    expect(world().back.events.bindInterdomain(world().front.id, front)).to.be.a("number");
  });

  it("XSA-441: closed while an event is under way: nothing is delivered, nothing breaks", async () => {
    const { front, back, heard } = await bound(world());
    world().front.events.notify(front);
    world().back.events.close(back);
    await world().settle();
    expect(heard.back.runs).to.equal(0);
  });

  it("may be closed by their own handler", async () => {
    const { front, back, heard } = await bound(world());
    world().back.events.listen(back, { run: () => world().back.events.close(back) });
    world().front.events.notify(front);
    await world().settle();
    expect(world().back.events.state(back)).to.equal("closed");
    expect(heard.front.runs).to.equal(0);
  });

  it("take calls on closed ports and on no ports for nothing", () => {
    const { events } = world().front;
    for (const port of [0, 17, -1, 1e9]) {
      events.mask(port);
      events.unmask(port);
      events.listen(port, new Listener());
      events.close(port);
      expect(events.state(port)).to.equal("closed");
    }
  });
}

function storeContract(world: () => DomainWorld): void {
  it("takes relative paths to be the domain's own", async () => {
    const { front } = world();
    const done = front.store.write("data/mark", "1");
    await world().settle();
    await done;
    const read = front.store.read(`/local/domain/${front.id}/data/mark`);
    await world().settle();
    expect(await read).to.equal("1");
  });

  it("forgets the watches of a domain that closed", async () => {
    const { front, back } = world();
    const fired: string[] = [];
    const watching = front.store.watch("data", (path) => fired.push(path));
    await world().settle();
    await watching;
    await front.close();
    await world().settle();
    fired.length = 0;
    const done = back.store.write(`/local/domain/${front.id}/data/late`, "1");
    await world().settle();
    await done;
    expect(fired).to.deep.equal([]);
  });
}

function publishContract(world: () => DomainWorld): void {
  it("shows the bytes before the other end hears of it", async () => {
    const { front } = await bound(world());
    const [page, reference] = await granted(world(), "read-only");
    const mapping = mapped(world(), reference, "read-only");
    let seen = -1;
    const { back } = world();
    const port = portOf(world().front.events.allocateUnbound(back.id));
    await world().settle();
    const backPort = portOf(back.events.bindInterdomain(world().front.id, port));
    await world().settle();
    back.events.listen(backPort, { run: () => (seen = mapping.bytes[5]) });
    await world().settle();
    page.bytes[5] = 77;
    const ranges = new Places();
    ranges.add(page.bytes, 5, 1);
    world().front.publish(port, ranges, true);
    await world().settle();
    expect(seen).to.equal(77);
    back.grants.unmap(mapping);
    world().front.events.close(front);
  });

  it("carries a ring: 200 requests there and back, nothing but listed ranges published", async () => {
    const { front, back } = world();
    const [page, reference] = await granted(world(), "read-write");
    const client = new RingClient(front, page.bytes);
    await world().settle();
    const mapping = mapped(world(), reference, "read-write");
    const server = new RingServer(back, mapping.bytes);
    const frontPort = portOf(front.events.allocateUnbound(back.id));
    await world().settle();
    const backPort = portOf(back.events.bindInterdomain(front.id, frontPort));
    front.events.listen(frontPort, client);
    back.events.listen(backPort, server);
    client.port = frontPort;
    server.port = backPort;
    client.run();
    await world().settle();
    expect(client.answered).to.deep.equal(Array.from({ length: RING_REQUESTS }, (_, i) => i));
    back.grants.unmap(mapping);
  });
}

const RING_REQUESTS = 200;

/** Sends numbered requests as long as there are slots, and notes the answers. */
class RingClient implements Runnable {
  port: Port = 0;
  readonly answered: number[] = [];
  readonly #domain: Domain;
  readonly #ring: FrontRing;
  readonly #ranges = new Places();
  #sent = 0;

  constructor(domain: Domain, page: Uint8Array) {
    this.#domain = domain;
    this.#ring = new FrontRing(page, VSCSIIF_ENTRY_SIZE);
    this.#ring.initialise();
    this.#ranges.add(page, 0, PAGE_SIZE);
    domain.publish(0, this.#ranges, false);
  }

  run(): void {
    this.#ranges.clear();
    do {
      for (let at = this.#ring.take(); at >= 0; at = this.#ring.take()) this.answered.push(this.#ring.page[at]);
    } while (this.#ring.finalCheck(this.#ranges));
    const before = this.#sent;
    for (let at = 0; this.#sent < RING_REQUESTS; this.#sent++) {
      at = this.#ring.slot();
      if (at < 0) break;
      this.#ring.page[at] = this.#sent;
    }
    const wanted = this.#ring.push(this.#ranges);
    this.#domain.publish(this.#sent > before ? this.port : 0, this.#ranges, wanted);
  }
}

/** Answers every request with its own first byte. */
class RingServer implements Runnable {
  port: Port = 0;
  readonly #domain: Domain;
  readonly #ring: BackRing;
  readonly #ranges = new Places();
  readonly #entry = new Uint8Array(VSCSIIF_ENTRY_SIZE);

  constructor(domain: Domain, page: Uint8Array) {
    this.#domain = domain;
    this.#ring = new BackRing(page, VSCSIIF_ENTRY_SIZE);
  }

  run(): void {
    this.#ranges.clear();
    let taken = 0;
    do {
      for (; this.#ring.take(this.#entry); taken++) this.#ring.page[this.#ring.slot()] = this.#entry[0];
    } while (this.#ring.finalCheck(this.#ranges));
    const wanted = this.#ring.push(this.#ranges);
    this.#domain.publish(taken > 0 ? this.port : 0, this.#ranges, wanted);
  }
}

function closeContract(world: () => DomainWorld): void {
  it("closes the ports: the other ends turn unbound", async () => {
    const { front } = await bound(world());
    await world().back.close();
    await world().settle();
    expect(world().front.events.state(front)).to.equal("unbound");
  });

  it("ends mappings and loans, so that the granter may revoke; a late giveBack does nothing", async () => {
    const { front, back } = world();
    const [, one] = await granted(world(), "read-write");
    const [, two] = await granted(world(), "read-write");
    mapped(world(), one, "read-write");
    const loan = new Loan().open(front.id, "read-write");
    loan.add(two, 0, PAGE_SIZE);
    back.borrow(loan);
    await back.close();
    back.giveBack(loan, PAGE_SIZE);
    await world().settle();
    expect([front.grants.revoke(one), front.grants.revoke(two)]).to.deep.equal([true, true]);
  });

  it("makes the domain unknown to the others, while what they have mapped stays readable", async () => {
    const { front, back } = world();
    const [, reference] = await granted(world(), "read-only", 8);
    const page = mapped(world(), reference, "read-only");
    await front.close();
    await world().settle();
    expect(page.bytes[0]).to.equal(8);
    expect(back.grants.map(front.id, reference, "read-only")).to.equal(GrantStatus.badDomain);
    expect(back.events.bindInterdomain(front.id, 1)).to.equal("ESRCH");
    expect(back.grants.unmap(page)).to.equal(GrantStatus.okay);
  });

  it("may be called twice", async () => {
    await world().front.close();
    await world().front.close();
  });
}

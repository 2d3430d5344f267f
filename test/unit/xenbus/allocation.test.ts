// Tests how little what runs once per command on a connection allocates: ranges, grants, uses and events, on
// both sides, over a transport that carries frames at once.

import { nullProbes, Places, Queue, type Runnable, Simulation, seededRandom } from "@pvscsi/wire";
import {
  BackRing,
  connectInProcess,
  type Domain,
  FrontRing,
  type InProcessDomain,
  Loan,
  PAGE_SIZE,
  type Page,
  type Port,
  VSCSIIF_ENTRY_SIZE,
  Xenstored,
} from "@pvscsi/xen";
import { type FrameTransport, Hub, SECRET_SIZE, XenbusClient } from "@pvscsi/xenbus";
import { expect } from "chai";
import { allocatedPerRecord } from "../../support/allocation.js";

const SECRET = new Uint8Array(SECRET_SIZE);
const FRONT = 1;
/** Commands that go together, as with that many under way. */
const DEPTH = 15;

/** Bytes of a view: what arrives of a page is copied out of its frame through one. */
const VIEW = 112;

/** Runs what it is given until nothing is left. */
class Drained {
  readonly #queue = new Queue<Runnable>();

  soon(runnable: Runnable): void {
    this.#queue.push(runnable);
  }

  run(): void {
    while (this.#queue.length > 0) this.#queue.shift().run();
  }
}

/** Delivers at once. */
class AtOnce implements FrameTransport {
  deliver: (frame: Uint8Array) => void = () => {};

  send(frame: Uint8Array, sent: () => void): void {
    this.deliver(frame);
    sent();
  }

  end(): void {}
}

/** A back end beside the hub, and a front end behind a connection. */
async function connected(scheduler: Drained): Promise<{ readonly back: InProcessDomain; readonly front: Domain }> {
  const xenstored = new Xenstored({ scheduler, clock: new Simulation(seededRandom(1)), probes: nullProbes });
  const hub = new Hub({ scheduler, probes: nullProbes, xenstored });
  const store = connectInProcess(xenstored, { domain: 0, privileged: true }, scheduler);
  const back = hub.hypervisor.createDomain({ id: 0, store });
  hub.admit({ id: FRONT, secret: SECRET, memoryPages: 64 });
  const up = new AtOnce();
  const down = new AtOnce();
  const arrival = hub.accept(down);
  up.deliver = (frame) => arrival.receive(frame);
  const client = new XenbusClient({ domain: FRONT, secret: SECRET, transport: up, scheduler, probes: nullProbes });
  down.deliver = (frame) => client.receive(frame);
  scheduler.run();
  return { back, front: await client.joined };
}

/** The back end's half of a command: it writes to the whole page that the request's reference stands for. */
class Answerer implements Runnable {
  readonly #domain: Domain;
  readonly #ring: BackRing;
  readonly #port: Port;
  readonly #request = new Uint8Array(VSCSIIF_ENTRY_SIZE);
  readonly #loan = new Loan();
  readonly #ranges = new Places();

  constructor(domain: Domain, ring: Uint8Array, port: Port) {
    this.#domain = domain;
    this.#ring = new BackRing(ring, VSCSIIF_ENTRY_SIZE);
    this.#port = port;
    domain.events.listen(port, this);
  }

  run(): void {
    const ranges = this.#ranges;
    ranges.clear();
    do {
      while (this.#ring.take(this.#request)) {
        this.#loan.open(FRONT, "read-write").add(this.#request[0], 0, PAGE_SIZE);
        this.#domain.borrow(this.#loan);
        this.#loan.places.fill(this.#request[0]);
        this.#domain.giveBack(this.#loan, PAGE_SIZE);
        this.#ring.slot();
      }
    } while (this.#ring.finalCheck(ranges));
    this.#domain.publish(this.#port, ranges, this.#ring.push(ranges));
  }
}

/** The front end's half: each command grants a page of its own, and revokes it when it is answered. */
class Asker implements Runnable {
  answered = 0;
  readonly #domain: Domain;
  readonly #ring: FrontRing;
  readonly #port: Port;
  readonly #page: Page;
  readonly #data: readonly Page[];
  readonly #references = new Int32Array(DEPTH);
  readonly #ranges = new Places();

  constructor(domain: Domain, page: Page, port: Port) {
    this.#domain = domain;
    this.#ring = new FrontRing(page.bytes, VSCSIIF_ENTRY_SIZE);
    this.#port = port;
    this.#page = page;
    this.#data = domain.allocatePages(DEPTH, 0);
    this.#ring.initialise();
    this.#ranges.add(page.bytes, 0, page.bytes.length);
    domain.publish(0, this.#ranges, false);
    domain.events.listen(port, this);
  }

  ask(): void {
    for (let i = 0; i < DEPTH; i++) {
      this.#references[i] = this.#domain.grants.grant(0, this.#data[i], "read-write");
      this.#page.bytes[this.#ring.slot()] = this.#references[i];
    }
    this.#ranges.clear();
    this.#domain.publish(this.#port, this.#ranges, this.#ring.push(this.#ranges));
  }

  run(): void {
    this.#ranges.clear();
    do {
      while (this.#ring.take() >= 0) this.#take(this.#answeredOfTurn());
    } while (this.#ring.finalCheck(this.#ranges));
    this.#domain.publish(0, this.#ranges, false);
  }

  #answeredOfTurn(): number {
    return this.answered++ % DEPTH;
  }

  #take(index: number): void {
    const reference = this.#references[index];
    if (this.#data[index].bytes[PAGE_SIZE - 1] !== reference) throw new Error("the data has not come");
    if (!this.#domain.grants.revoke(reference)) throw new Error("the page is still in use");
  }
}

describe("the path of one command over a connection", () => {
  it("allocates the view that its data is copied through, and next to nothing beside", async function () {
    this.timeout(60_000);
    const scheduler = new Drained();
    const { back, front } = await connected(scheduler);
    const [page] = front.allocatePages(1, back.id);
    const reference = front.grants.grant(back.id, page, "read-write");
    const port = front.events.allocateUnbound(back.id) as Port;
    const asker = new Asker(front, page, port);
    scheduler.run();
    const ring = back.map(FRONT, reference, "read-write");
    if (typeof ring === "number") throw new Error(`the ring is not there: ${ring}`);
    new Answerer(back, ring.bytes, back.events.bindInterdomain(FRONT, port) as Port);
    scheduler.run();
    const bytes = allocatedPerRecord((records) => {
      for (let left = records; left > 0; left -= DEPTH) {
        asker.ask();
        scheduler.run();
      }
    });
    expect(asker.answered).to.be.above(1_000_000);
    expect(bytes).to.be.below(VIEW * 2);
  });
});

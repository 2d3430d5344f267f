// Knows two domains that move data over a ring: one asks, the other answers, and whoever answers reads and fills a page
// besides. Knows nothing of what is between them.

import { Places, type Runnable, type Scheduler } from "@pvscsi/wire";
import {
  BackRing,
  type Domain,
  FrontRing,
  type GrantReference,
  type MappedPage,
  PAGE_SIZE,
  type Port,
} from "@pvscsi/xen";

const ENTRY = 64;
/** Bytes of the data page that belong to one request: its own, and its answer's. */
const PIECE = 64;
/** Requests that are answered at a time: a back end's answers come in several pushes. */
const TURN = 2;

/** How an end makes its bytes visible: `Domain.publish`, or something that is wrong. */
export type Publish = (domain: Domain, port: Port, ranges: Places, wanted: boolean) => void;

const asDomain: Publish = (domain, port, ranges, wanted) => domain.publish(port, ranges, wanted);

/** Asks as often as it is told to, as many at a time as the ring has slots. */
class Client implements Runnable {
  port: Port = 0;
  answered = 0;
  asked = 0;
  limit = 0;
  readonly ring: FrontRing;
  readonly #ranges = new Places();

  constructor(
    readonly domain: Domain,
    readonly page: Uint8Array,
    readonly data: Uint8Array,
    readonly publish: Publish,
  ) {
    this.ring = new FrontRing(page, ENTRY);
    this.ring.initialise();
    this.#ranges.add(page, 0, PAGE_SIZE);
    domain.publish(0, this.#ranges, false);
  }

  run(): void {
    this.#ranges.clear();
    do {
      for (let at = this.ring.take(); at >= 0; at = this.ring.take()) this.#check(this.page[at]);
    } while (this.ring.finalCheck(this.#ranges));
    const before = this.asked;
    for (; this.asked < this.limit && this.asked - this.answered < this.ring.entries; this.asked++) {
      const at = this.ring.slot();
      if (at < 0) break;
      const index = this.asked % this.ring.entries;
      this.page[at] = index;
      this.page[at + 1] = this.asked;
      this.data.fill(this.asked, index * PIECE, index * PIECE + PIECE / 2);
      this.#ranges.add(this.data, index * PIECE, PIECE / 2);
    }
    const wanted = this.ring.push(this.#ranges);
    this.publish(this.domain, this.asked > before ? this.port : 0, this.#ranges, wanted);
  }

  /** The answer has put the complement of the request beside it. */
  #check(index: number): void {
    const at = index * PIECE;
    const [asked, answer] = [this.data[at], this.data[at + PIECE - 1]];
    if (answer !== 255 - asked || index !== this.answered % this.ring.entries) {
      throw new Error(`answer ${this.answered} is number ${index}, with ${answer} to ${asked}`);
    }
    this.answered += 1;
  }
}

class Server implements Runnable {
  port: Port = 0;
  taken = 0;
  readonly #ring: BackRing;
  readonly #ranges = new Places();
  readonly #entry = new Uint8Array(ENTRY);

  constructor(
    readonly domain: Domain,
    readonly page: Uint8Array,
    readonly data: Uint8Array,
    readonly publish: Publish,
    readonly scheduler: Scheduler,
  ) {
    this.#ring = new BackRing(page, ENTRY);
  }

  run(): void {
    this.#ranges.clear();
    const before = this.taken;
    let more = true;
    while (more && this.taken - before < TURN) {
      if (this.#ring.take(this.#entry)) this.#answer(this.#entry[0], this.#entry[1]);
      else more = this.#ring.finalCheck(this.#ranges);
    }
    const wanted = this.#ring.push(this.#ranges);
    this.publish(this.domain, this.taken > before ? this.port : 0, this.#ranges, wanted);
    if (more) this.scheduler.soon(this);
  }

  #answer(index: number, asked: number): void {
    const at = index * PIECE;
    if (this.data[at] !== asked) throw new Error(`request ${asked} comes with ${this.data[at]}`);
    this.taken += 1;
    this.data.fill(255 - asked, at + PIECE / 2, at + PIECE);
    this.#ranges.add(this.data, at + PIECE / 2, PIECE / 2);
    this.page[this.#ring.slot()] = index;
  }
}

/** Both ends, connected. */
export class RingTraffic {
  readonly #client: Client;
  readonly #server: Server;
  readonly #mapped: MappedPage[];
  readonly #references: GrantReference[];

  private constructor(client: Client, server: Server, mapped: MappedPage[], references: GrantReference[]) {
    this.#client = client;
    this.#server = server;
    this.#mapped = mapped;
    this.#references = references;
  }

  /** Connects two domains; `settle` ends when what was said has arrived. */
  static async between(
    front: Domain,
    back: Domain,
    { scheduler, settle }: { readonly scheduler: Scheduler; settle(): Promise<void> },
    publish: Publish = asDomain,
  ): Promise<RingTraffic> {
    const pages = front.allocatePages(2, back.id);
    const references = pages.map((page) => front.grants.grant(back.id, page, "read-write"));
    const client = new Client(front, pages[0].bytes, pages[1].bytes, publish);
    const port = front.events.allocateUnbound(back.id) as Port;
    await settle();
    const mapped = references.map((reference) => back.grants.map(front.id, reference, "read-write") as MappedPage);
    const server = new Server(back, mapped[0].bytes, mapped[1].bytes, publish, scheduler);
    client.port = port;
    server.port = back.events.bindInterdomain(front.id, port) as Port;
    front.events.listen(client.port, client);
    back.events.listen(server.port, server);
    await settle();
    return new RingTraffic(client, server, mapped, references);
  }

  get answered(): number {
    return this.#client.answered;
  }

  get asked(): number {
    return this.#client.asked;
  }

  get taken(): number {
    return this.#server.taken;
  }

  /** Asks so many times more. */
  ask(count: number): void {
    this.#client.limit += count;
    this.#client.run();
  }

  /** Ends it: nothing stays mapped, granted or bound. */
  async close(settle: () => Promise<void>): Promise<boolean> {
    for (const page of this.#mapped) this.#server.domain.grants.unmap(page);
    this.#server.domain.events.close(this.#server.port);
    await settle();
    this.#client.domain.events.close(this.#client.port);
    const revoked = this.#references.map((reference) => this.#client.domain.grants.revoke(reference));
    await settle();
    return revoked.every((done) => done);
  }
}

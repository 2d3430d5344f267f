// Knows the judge of the xenbus: domains that do at random what drivers do, one of them in the hub's process and the
// others behind connections that a seed delays, and after each step what they see is compared with one shared memory.

import { Places, type Random, type Runnable, Simulation, seededRandom } from "@pvscsi/wire";
import { type GrantAccess, type InProcessDomain, Loan, type MappedPage, type Port } from "@pvscsi/xen";
import { type SimulatedConnection, type Tamper, XenbusWorld } from "../../support/xenbus-world.js";
import { CELL, CELLS, type Copy, type Grant, MIXED, Model, PARTIES, Sheet, Tenant, write } from "./judge-model.js";

const MEMORY_PAGES = 24;
/** Pages a domain has at most: the others are for what is retained. */
const SHEETS = 8;
const MOST_VIEWS = 12;
/** Steps between two quiet moments, on average. */
const STEPS_TO_QUIET = 250;
/** Cells that are compared after a step. */
const GLANCE = 12;
/** GTF_reading and GTF_writing. */
const [READING, WRITING] = [8, 16];
const LOCAL = 0;

/** What a bug that is planted may replace. */
export interface Plants {
  /** Publishes for a domain. */
  readonly publish?: (domain: InProcessDomain, port: Port, ranges: Places, wanted: boolean, world: Simulation) => void;
  /** Is shown the bytes of every page that is mapped. */
  readonly mapped?: (bytes: Uint8Array) => void;
  readonly tamper?: (judge: Judge) => Tamper;
}

export interface JudgeResult {
  readonly seed: number;
  readonly steps: number;
  readonly publications: number;
  readonly compared: number;
  readonly quiets: number;
  /** How often each thing was done. */
  readonly done: Readonly<Record<string, number>>;
  /** Messages that named grants which had ended. */
  readonly late: number;
}

/** A page in use by one that it was granted to. */
interface View {
  readonly copy: Copy;
  readonly access: GrantAccess;
  readonly mapped: MappedPage | null;
}

/** Pages that are borrowed together. */
interface Borrowed {
  readonly loan: Loan;
  readonly pieces: { readonly view: View; readonly cell: number; readonly count: number }[];
}

/** One after the other, the domains of one id. */
class Party {
  tenant: Tenant | null = null;
  connection: SimulatedConnection | null = null;
  joining = false;
  readonly sheets: Sheet[] = [];
  readonly views: View[] = [];
  readonly loans: Borrowed[] = [];
  /** By party: the port that leads there. */
  readonly channels: (Channel | null)[] = new Array(PARTIES).fill(null);

  constructor(readonly id: number) {}
}

/** One end of an event channel between two domains. */
class Channel implements Runnable {
  /** What had been published at each event that has been sent here, and may be the cause of the next run. */
  readonly causes: number[] = [];
  missed = false;

  constructor(
    readonly reader: Tenant,
    readonly writer: number,
    readonly port: Port,
  ) {}

  run(): void {
    this.missed = false;
    const cause = this.causes.shift();
    if (cause !== undefined) this.reader.seen[this.writer] = Math.max(this.reader.seen[this.writer], cause);
  }
}

/** Runs a history; rejects with what was wrong, and where. */
export async function runJudge(seed: number, steps: number, plants: Plants = {}): Promise<JudgeResult> {
  const judge = new Judge(seed, plants);
  try {
    await judge.begin();
    for (judge.step = 0; judge.step < steps; judge.step++) await judge.once();
    await judge.finish();
  } catch (error) {
    const where = `seed ${seed}, step ${judge.step}`;
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  }
  return judge.result(seed, steps);
}

export class Judge {
  step = 0;
  readonly world: XenbusWorld;
  readonly #model = new Model();
  readonly #simulation: Simulation;
  readonly #random: Random;
  readonly #plants: Plants;
  readonly #parties = Array.from({ length: PARTIES }, (_, id) => new Party(id));
  /** Sheets that may still be seen. */
  readonly #sheets = new Set<Sheet>();
  readonly #ranges = new Places();
  readonly #done: Record<string, number> = {};
  #quiets = 0;
  #lateAtClients = 0;

  constructor(seed: number, plants: Plants) {
    this.#plants = plants;
    this.#random = seededRandom(seed, "judge");
    const order = seededRandom(seed, "order");
    this.#simulation = new Simulation(order);
    this.world = new XenbusWorld(this.#simulation, order, plants.tamper?.(this) ?? null);
  }

  async begin(): Promise<void> {
    for (const party of this.#parties) this.#join(party);
    await this.#settle();
    this.#openChannels();
  }

  /** One step: something is done or delivered, then some cells are compared. */
  async once(): Promise<void> {
    const random = this.#random;
    if (this.#parties.some(({ joining }) => joining)) await null;
    if (random.below(STEPS_TO_QUIET) === 0) await this.#quiet();
    else if (random.chance(0.4)) this.#simulation.step();
    else this.#act(this.#parties[random.below(PARTIES)]);
    this.#glance();
  }

  /** Ends all that is in use: nothing may be left. */
  async finish(): Promise<void> {
    await this.#quiet();
    for (const party of this.#parties) {
      while (party.loans.length > 0) this.#giveBack(party, party.loans[0], 0);
      for (const view of [...party.views]) this.#unmap(party, view);
    }
    await this.#quiet();
    for (const party of this.#parties) {
      for (const sheet of party.sheets) {
        for (const grant of [...sheet.grants]) this.#revoke(party, grant);
      }
    }
    await this.#quiet();
    for (const description of this.world.hub.hypervisor.describe()) {
      const { id, uses, grants, mappings, retainedPages } = description;
      if (uses + grants + mappings.length + retainedPages > 0) {
        throw new Error(`domain ${id} is left with ${JSON.stringify({ uses, grants, mappings, retainedPages })}`);
      }
    }
    for (const party of this.#parties) void party.tenant?.domain.close();
    await this.#settle();
    const left = this.world.hub.hypervisor.domains().length;
    if (left > 0) throw new Error(`${left} domains are left`);
  }

  result(seed: number, steps: number): JudgeResult {
    const { published, compared } = this.#model;
    const late = this.world.hub.late + this.#lateAtClients;
    return { seed, steps, publications: published, compared, quiets: this.#quiets, done: this.#done, late };
  }

  #count(name: string): void {
    this.#done[name] = (this.#done[name] ?? 0) + 1;
  }

  #act(party: Party): void {
    const { tenant } = party;
    if (tenant === null) {
      if (!party.joining && this.#random.chance(0.05)) this.#join(party);
      return;
    }
    const choice = this.#random.below(1000);
    if (choice < 60) this.#allocate(party, tenant);
    else if (choice < 160) this.#grant(party, tenant);
    else if (choice < 180) this.#revokeOne(party);
    else if (choice < 220) this.#turnOver(party, tenant);
    else if (choice < 340) this.#map(party, tenant);
    else if (choice < 400) this.#unmapOne(party);
    else if (choice < 450) this.#borrow(party, tenant);
    else if (choice < 500) this.#giveBackOne(party);
    else if (choice < 680) this.#write(party);
    else if (choice < 900) this.#publish(party, tenant);
    else if (choice < 998) this.#notify(party, tenant);
    else if (this.#random.chance(0.5)) this.#leave(party, tenant, this.#random.chance(0.5));
  }

  #join(party: Party): void {
    const { hub } = this.world;
    if (hub.admitted(party.id) !== undefined || hub.hypervisor.find(party.id) !== undefined) return;
    this.#count("join");
    if (party.id === LOCAL) return this.#moveIn(party, this.world.createLocal(LOCAL, MEMORY_PAGES));
    party.joining = true;
    const connection = this.world.connect(party.id, MEMORY_PAGES);
    party.connection = connection;
    void connection.client.ended.then((reason) => this.#ended(party, connection, reason));
    const moveIn = (domain: InProcessDomain) => this.#moveIn(party, domain);
    connection.client.joined.then(moveIn, () => {});
  }

  #moveIn(party: Party, domain: InProcessDomain): void {
    party.joining = false;
    this.#model.published += 1;
    party.tenant = new Tenant(party.id, domain, this.#model.stamps, this.#model.published);
  }

  /** A connection has ended: that is wrong unless its domain has left. */
  #ended(party: Party, connection: SimulatedConnection, reason: string): void {
    this.#lateAtClients += connection.client.late;
    if (party.connection === connection) this.#broken ??= `domain ${party.id} was cut off: ${reason}`;
  }

  #broken: string | null = null;

  /** A domain closes, or its process is killed. */
  #leave(party: Party, tenant: Tenant, killed: boolean): void {
    const { connection } = party;
    this.#count(killed && connection !== null ? "kill" : "close");
    party.connection = null;
    party.tenant = null;
    tenant.open = false;
    for (const sheet of party.sheets) sheet.goneIn = this.#model.epoch;
    party.sheets.length = 0;
    for (const view of [...party.views]) this.#count2(view, -1);
    party.views.length = 0;
    party.loans.length = 0;
    party.channels.fill(null);
    for (const { channels } of this.#parties) {
      const channel = channels[party.id];
      if (killed && channel) channel.missed = false;
    }
    // What it said is not heard by all, when it is killed; nor is all it said of others' pages, when it closes.
    for (const sheet of this.#sheets) this.#model.doubt(sheet, party.id);
    if (killed && connection !== null) connection.cut("killed");
    else void tenant.domain.close();
  }

  #allocate(party: Party, tenant: Tenant): void {
    const idle = party.sheets.filter(({ grants }) => grants.length === 0);
    if (party.sheets.length < SHEETS && this.#random.chance(0.6)) {
      const [page] = this.#room(tenant) ? tenant.domain.allocatePages(1) : [];
      if (page === undefined) return;
      const layout = this.#random.chance(0.6) ? MIXED : this.#random.below(PARTIES);
      const sheet = new Sheet(tenant, page, layout);
      party.sheets.push(sheet);
      this.#sheets.add(sheet);
      this.#model.adopt(sheet.own);
      this.#count("allocate");
    } else if (idle.length > 0) {
      const sheet = this.#pick(idle);
      party.sheets.splice(party.sheets.indexOf(sheet), 1);
      sheet.goneIn = this.#model.epoch;
      tenant.domain.freePages([sheet.page]);
      this.#count("free");
    }
  }

  #room({ domain }: Tenant): boolean {
    const { allocated, retained, limit } = domain.memory;
    return allocated + retained < limit;
  }

  #grant(party: Party, tenant: Tenant, to = this.#random.below(PARTIES)): void {
    if (party.sheets.length === 0) return;
    const sheet = this.#pick(party.sheets);
    // A page that is granted twice is granted to two.
    if (to === party.id || sheet.grants.some((grant) => grant.to === to)) return;
    if (this.#parties[to].views.some(({ copy }) => copy.sheet === sheet)) return;
    const writable = this.#random.chance(0.7);
    const reference = tenant.domain.grants.grant(to, sheet.page, writable ? "read-write" : "read-only");
    this.#model.grant(sheet, to, reference, writable);
    this.#count(sheet.grants.length > 1 ? "grant again" : "grant");
  }

  #revokeOne(party: Party): void {
    const granted = party.sheets.filter(({ grants }) => grants.length > 0);
    if (granted.length > 0) this.#revoke(party, this.#pick(this.#pick(granted).grants));
  }

  /** A reference that is given up, and at once given to the same domain for another page. */
  #turnOver(party: Party, tenant: Tenant): void {
    const grants = party.sheets.flatMap((sheet) => sheet.grants).filter(({ quietUses }) => quietUses <= 0);
    if (grants.length === 0) return;
    const { to } = this.#revoke(party, this.#pick(grants));
    this.#grant(party, tenant, to);
  }

  #revoke(party: Party, grant: Grant): Grant {
    const tenant = party.tenant as Tenant;
    const revoked = tenant.domain.grants.revoke(grant.reference);
    if (revoked && grant.quietUses > 0) throw new Error(`reference ${grant.reference} is revoked while it is mapped`);
    if (!revoked && grant.quietUses === 0) throw new Error(`reference ${grant.reference} is in use by nobody`);
    if (revoked) this.#model.revoke(grant);
    this.#count(revoked ? "revoke" : "revoke in use");
    return grant;
  }

  /** A grant for a party, and its copy there, if it may be taken into use. */
  #usable(party: Party, tenant: Tenant): Copy | null {
    const owner = this.#pick(this.#parties);
    if (owner === party || owner.tenant === null || party.views.length >= MOST_VIEWS) return null;
    // Also one that has ended, of which the user has perhaps not heard.
    const late = this.#random.chance(0.2);
    const grants = owner.tenant.grants.filter(
      ({ to, live, endedIn }) => to === party.id && (late ? endedIn === this.#model.epoch : live),
    );
    if (grants.length === 0) return null;
    const grant = this.#pick(grants);
    if (!this.#model.knows(tenant, grant)) return null;
    if (party.views.some(({ copy }) => copy.sheet === grant.sheet && copy.grant !== grant)) return null;
    return this.#model.copy(grant, tenant);
  }

  #map(party: Party, tenant: Tenant): void {
    const copy = this.#usable(party, tenant);
    if (copy === null) return;
    const grant = copy.grant as Grant;
    const access = grant.writable && this.#random.chance(0.7) ? "read-write" : "read-only";
    const mapped = tenant.domain.grants.map(copy.sheet.owner.party, grant.reference, access);
    if (typeof mapped === "number") return this.#refused(grant);
    this.#plants.mapped?.(mapped.bytes);
    this.#began(party, { copy, access, mapped }, mapped.bytes);
    this.#count(grant.live ? "map" : "map ended");
  }

  /** Only what has ended may be refused. */
  #refused({ live, reference }: Grant): void {
    if (live) throw new Error(`reference ${reference}, of which it was told, is refused`);
    this.#count("refused");
  }

  #began(party: Party, view: View, bytes: Uint8Array): void {
    const { copy } = view;
    copy.bytes = bytes;
    if (copy.uses === 0) this.#model.adopt(copy);
    party.views.push(view);
    this.#count2(view, 1);
  }

  #count2({ copy, access }: View, change: number): void {
    if (access === "read-write") copy.writers += change;
    else copy.readers += change;
    const grant = copy.grant as Grant;
    if ((copy.uses === 0) !== (grant.quietUses === 0)) grant.quietUses = -1;
  }

  #unmapOne(party: Party): void {
    const mapped = party.views.filter((view) => view.mapped !== null);
    if (mapped.length > 0) this.#unmap(party, this.#pick(mapped));
  }

  #unmap(party: Party, view: View): void {
    const status = party.tenant?.domain.grants.unmap(view.mapped as MappedPage);
    if (status !== 0) throw new Error(`unmap: ${status}`);
    this.#ends(party, view);
    this.#count("unmap");
  }

  #ends(party: Party, view: View): void {
    party.views.splice(party.views.indexOf(view), 1);
    this.#count2(view, -1);
  }

  #borrow(party: Party, tenant: Tenant): void {
    const first = this.#usable(party, tenant);
    const grant = first?.grant;
    if (first === null || !grant) return;
    const { sheet } = first;
    const access = grant.writable && this.#random.chance(0.8) ? "read-write" : "read-only";
    const borrowed: Borrowed = { loan: new Loan().open(sheet.owner.party, access), pieces: [] };
    for (let i = this.#random.below(3); i >= 0; i--) {
      const [cell, count] = this.#stretch(first) ?? [0, 0];
      borrowed.loan.add(grant.reference, cell * CELL, count * CELL);
      borrowed.pieces.push({ view: { copy: first, access, mapped: null }, cell, count });
    }
    tenant.domain.borrow(borrowed.loan);
    if (borrowed.loan.status !== 0) return this.#refused(grant);
    this.#plants.mapped?.(borrowed.loan.places.page(0));
    for (const { view } of borrowed.pieces) this.#began(party, view, borrowed.loan.places.page(0));
    party.loans.push(borrowed);
    this.#count("borrow");
    if (this.#random.chance(0.5)) this.#giveBack(party, borrowed, borrowed.pieces.length);
  }

  #giveBackOne(party: Party): void {
    if (party.loans.length > 0) this.#giveBack(party, this.#pick(party.loans), this.#random.below(4));
  }

  /** Fills the first `filled` pieces, and gives all back. */
  #giveBack(party: Party, borrowed: Borrowed, filled: number): void {
    const { loan, pieces } = borrowed;
    let bytes = 0;
    if (loan.access === "read-write") {
      const written = pieces.slice(0, filled);
      for (const { view, cell, count } of written) this.#stamp(view.copy, cell, count);
      for (const { view, cell, count } of written) this.#model.publish(view.copy, cell, count);
      bytes = written.reduce((sum, { count }) => sum + count * CELL, 0);
    }
    party.tenant?.domain.giveBack(loan, bytes);
    party.loans.splice(party.loans.indexOf(borrowed), 1);
    for (const { view } of pieces) this.#ends(party, view);
    this.#count("give back");
  }

  /** A copy that a party may write to: its own page, or one mapped for that. */
  #writable(party: Party): Copy | null {
    const own = this.#random.chance(0.5);
    if (own) return party.sheets.length === 0 ? null : this.#pick(party.sheets).own;
    const views = party.views.filter(({ access }) => access === "read-write");
    if (views.length === 0) return null;
    const { copy } = this.#pick(views);
    const { grant, sheet } = copy;
    // Through another grant than the one that is ended it would be heard.
    return grant?.live || !sheet.grants.some(({ to }) => to === party.id) ? copy : null;
  }

  /** Some neighbouring cells of a writer's own: from the first on, how many; null where there are none. */
  #stretch({ sheet, reader }: Copy): [number, number] | null {
    const cell = this.#random.chance(0.2) ? CELLS - 1 - this.#random.below(8) : this.#random.below(48);
    const whole = this.#random.chance(0.02);
    const most = whole ? CELLS : 1 + this.#random.below(this.#random.chance(0.1) ? 300 : 4);
    let first = whole ? 0 : cell;
    for (let i = 0; i < 8 && first < CELLS - 1 && sheet.writer(first) !== reader.party; i++) first += 1;
    let count = 0;
    while (count < most && first + count < CELLS && sheet.writer(first + count) === reader.party) count += 1;
    return count === 0 ? null : [first, count];
  }

  #write(party: Party): void {
    const copy = this.#writable(party);
    const stretch = copy === null ? null : this.#stretch(copy);
    if (copy === null || stretch === null) return;
    this.#stamp(copy, ...stretch);
    this.#count("write");
  }

  #stamp(copy: Copy, first: number, count: number): void {
    for (let cell = first; cell < first + count; cell++) {
      const stamp = this.#model.stamp(copy.sheet, cell);
      write(copy.bytes, cell, stamp);
      copy.written[cell] = stamp;
    }
  }

  /** Some ranges, just written or long ago, and perhaps an event with them. */
  #publish(party: Party, tenant: Tenant): void {
    this.#ranges.clear();
    const chosen: [Copy, number, number][] = [];
    for (let i = this.#random.below(4); i >= 0; i--) {
      const copy = this.#writable(party);
      const stretch = copy === null ? null : this.#stretch(copy);
      if (copy === null || stretch === null) continue;
      const [cell, count] = stretch;
      if (this.#random.chance(0.6)) this.#stamp(copy, cell, count);
      if (publishable(copy, cell, count)) chosen.push([copy, cell, count]);
    }
    // All is written by now: a range shows what a later one of the same cells does.
    for (const [copy, cell, count] of chosen) {
      this.#model.publish(copy, cell, count);
      this.#ranges.add(copy.bytes, cell * CELL, count * CELL);
    }
    const other = this.#random.below(PARTIES);
    const port = this.#random.chance(0.5) ? this.#event(party, other) : 0;
    this.#show(tenant, port);
    this.#count("publish");
  }

  #show({ domain }: Tenant, port: Port): void {
    const { publish } = this.#plants;
    if (publish === undefined) domain.publish(port, this.#ranges, true);
    else publish(domain, port, this.#ranges, true, this.#simulation);
  }

  #notify(party: Party, tenant: Tenant): void {
    const port = this.#event(party, this.#random.below(PARTIES));
    if (port !== 0) tenant.domain.events.notify(port);
    this.#count("notify");
  }

  /** The port by which a party is about to be told that it should look; 0 when there is none. */
  #event(party: Party, to: number): Port {
    const here = party.channels[to];
    const there = this.#parties[to].channels[party.id];
    if (!here || !there) return 0;
    there.causes.push(this.#model.published);
    there.missed = true;
    return here.port;
  }

  /** Between all that are there, where there is none. */
  #openChannels(): void {
    for (const one of this.#parties) {
      for (const other of this.#parties) {
        if (one.id < other.id && !(one.channels[other.id] && other.channels[one.id])) this.#openChannel(one, other);
      }
    }
  }

  #openChannel(one: Party, other: Party): void {
    for (const [end, far] of [
      [one, other],
      [other, one],
    ]) {
      const old = end.channels[far.id];
      if (old) end.tenant?.domain.events.close(old.port);
      end.channels[far.id] = null;
    }
    if (one.tenant === null || other.tenant === null) return;
    const offered = one.tenant.domain.events.allocateUnbound(other.id) as Port;
    while (this.#simulation.step());
    const bound = other.tenant.domain.events.bindInterdomain(one.id, offered);
    if (typeof bound === "string") throw new Error(`bind: ${bound}`);
    one.channels[other.id] = new Channel(one.tenant, other.id, offered);
    other.channels[one.id] = new Channel(other.tenant, one.id, bound);
    one.tenant.domain.events.listen(offered, one.channels[other.id]);
    other.tenant.domain.events.listen(bound, other.channels[one.id]);
    while (this.#simulation.step());
  }

  /** Some cells of some copy. */
  #glance(): void {
    if (this.#broken !== null) throw new Error(this.#broken);
    const copy = this.#anyCopy();
    if (copy === null) return;
    const first = this.#random.below(48);
    for (let i = 0; i < GLANCE; i++) this.#model.check(copy, first + i);
    this.#model.check(copy, CELLS - 1 - this.#random.below(8));
  }

  #anyCopy(): Copy | null {
    const party = this.#pick(this.#parties);
    if (party.views.length > 0 && this.#random.chance(0.7)) return this.#pick(party.views).copy;
    return party.sheets.length > 0 ? this.#pick(party.sheets).own : null;
  }

  /** All is delivered: everybody sees the same. */
  async #quiet(): Promise<void> {
    await this.#settle();
    if (this.#broken !== null) throw new Error(this.#broken);
    this.#quiets += 1;
    this.#model.quiet(this.#sheets);
    for (const party of this.#parties) {
      for (const copy of copiesOf(party)) this.#model.checkQuiet(copy);
      for (const sheet of party.sheets) for (const grant of sheet.grants) this.#checkUse(party, grant);
      for (const channel of party.channels) {
        if (channel?.missed) throw new Error(`domain ${party.id} missed an event of ${channel.writer}`);
        if (channel) channel.causes.length = 0;
      }
    }
    this.#checkLeaks();
    for (const sheet of this.#sheets) if (sheet.goneIn < this.#model.epoch) this.#sheets.delete(sheet);
    this.#openChannels();
  }

  /** Owner and hub know how a grant is used. */
  #checkUse(party: Party, grant: Grant): void {
    const user = this.#parties[grant.to].tenant;
    const copy = user === null ? undefined : grant.copies.get(user);
    const bits = copy === undefined || copy.uses === 0 ? 0 : copy.writers > 0 ? READING | WRITING : READING;
    grant.quietUses = copy?.uses ?? 0;
    const tables = [party.tenant?.domain.table, this.world.hub.hypervisor.find(party.id)?.table];
    for (const table of tables) {
      const use = table?.use(grant.reference);
      if (use !== bits) throw new Error(`reference ${grant.reference} of ${party.id}: use ${use}, and it is ${bits}`);
    }
  }

  /** Only the domain in the hub's process may hold what is gone, while it has it mapped. */
  #checkLeaks(): void {
    const { hypervisor } = this.world.hub;
    const leaks = hypervisor.leaks().length;
    const held = this.#parties[LOCAL].views.filter(({ copy }) => !copy.sheet.owner.open).length;
    if (leaks !== held) throw new Error(`${leaks} mappings of domains that are gone, ${held} of them known`);
    for (const party of this.#parties) {
      const described = hypervisor.find(party.id)?.describe();
      const uses = party.sheets.flatMap(({ grants }) => grants).reduce((sum, { quietUses }) => sum + quietUses, 0);
      const detached = this.#parties[LOCAL].views.filter(
        ({ copy }) => copy.sheet.owner === party.tenant && !copy.grant?.live,
      );
      const least = party.id === LOCAL ? uses : Math.min(1, uses);
      if (described === undefined || described.uses < least) continue;
      if (uses + detached.length === 0 && described.uses > 0)
        throw new Error(`${described.uses} uses of domain ${party.id} are left`);
    }
  }

  /** Runs all there is, and what promises add. */
  async #settle(): Promise<void> {
    do {
      while (this.#simulation.step());
      for (let turn = 0; turn < 8 && !this.#simulation.busy; turn++) await null;
    } while (this.#simulation.busy);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)];
  }
}

/** A range is published only forward: no cell of it that was never written here, or is older than what was shown. */
function publishable({ sheet, written }: Copy, cell: number, count: number): boolean {
  for (let at = cell; at < cell + count; at++) if (written[at] === 0 || written[at] < sheet.last[at]) return false;
  return true;
}

function copiesOf({ sheets, views }: Party): Set<Copy> {
  return new Set([...sheets.map(({ own }) => own), ...views.map(({ copy }) => copy)]);
}

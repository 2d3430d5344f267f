// Knows what a reader may see: one memory, shared by domains, in which a write becomes visible with its publication and
// in the order of publications. Knows neither connections nor who does what when.

import { type InProcessDomain, PAGE_SIZE, type Page } from "@pvscsi/xen";

/** Bytes of a cell: what is written and published whole. An odd number, so that ranges have any alignment. */
export const CELL = 3;
export const CELLS = Math.floor(PAGE_SIZE / CELL);
/** Domains of a world; the first is in the hub's process. */
export const PARTIES = 4;
/** Whose cells all of a page's are: nobody's alone. */
export const MIXED = -1;
/** Neighbouring cells of one writer in a mixed page. */
const RUN = 2;

/** A domain from its beginning to its end; a party has one after the other. */
export class Tenant {
  open = true;
  /** By writer: the publication up to which this domain is known to have seen everything. */
  readonly seen: number[] = new Array(PARTIES).fill(0);
  /** By reference: the last grant. */
  readonly grants: Grant[] = [];

  constructor(
    readonly party: number,
    readonly domain: InProcessDomain,
    /** The last stamp, and the last publication, before it came. */
    readonly bornStamp: number,
    readonly bornAt: number,
  ) {}
}

/** A page from its allocation to its end, with what was published in it. */
export class Sheet {
  /** By cell: the last stamp that was published, and by which publication. */
  readonly last = new Int32Array(CELLS);
  readonly lastAt = new Int32Array(CELLS);
  /** By cell: whether the last publication may have come too late. */
  readonly doubt = new Uint8Array(CELLS);
  readonly grants: Grant[] = [];
  /** The publication after which it was granted first, since it was not granted at all. */
  grantedAt = 0;
  grantedEpoch = 0;
  grantedFor = Number.POSITIVE_INFINITY;
  /** When its owner went: the epoch; never yet. */
  goneIn = Number.POSITIVE_INFINITY;
  readonly own: Copy;

  constructor(
    readonly owner: Tenant,
    readonly page: Page,
    /** The party whose cells all are, or MIXED. */
    readonly layout: number,
  ) {
    this.own = new Copy(this, owner, null);
    this.own.bytes = page.bytes;
  }

  writer(cell: number): number {
    return this.layout === MIXED ? Math.floor(cell / RUN) % PARTIES : this.layout;
  }
}

/** A grant of a sheet, from its making to its revocation. */
export class Grant {
  live = true;
  endedIn = Number.POSITIVE_INFINITY;
  endedAt = Number.POSITIVE_INFINITY;
  readonly copies = new Map<Tenant, Copy>();
  /** Uses at the last quiet moment, and whether they were none, or some, ever since. */
  quietUses = -1;

  constructor(
    readonly sheet: Sheet,
    readonly to: number,
    readonly reference: number,
    readonly writable: boolean,
    /** The publication before it, and the one before its epoch. */
    readonly madeAt: number,
    readonly madeEpoch: number,
  ) {
    this.pageAt = sheet.grantedAt;
    this.pageEpoch = sheet.grantedEpoch;
  }
  /** When its page was first granted, since it was not granted at all: the hub's copy is as old. */
  readonly pageAt: number;
  readonly pageEpoch: number;
  /** The publication from which on everybody knew of the grant. */
  knownFrom = Number.POSITIVE_INFINITY;
}

/** What one domain has of a sheet: its own page, or a granted one. */
export class Copy {
  bytes: Uint8Array = NOTHING;
  /** By cell: the last stamp seen here. */
  readonly seen = new Int32Array(CELLS);
  /** By cell of the reader's own: what it wrote. */
  readonly written = new Int32Array(CELLS);
  readers = 0;
  writers = 0;
  /** Has been in use. */
  adopted = false;
  /** Stamps up to here may show without their publication: the hub's own, told to one who came late. */
  peek = 0;
  /** Publications up to here do not show: of the owner, and of others. */
  ownerFloor = 0;
  othersFloor = 0;
  /** Publications after these do show. */
  ownerMust = 0;
  othersMust = 0;

  constructor(
    readonly sheet: Sheet,
    readonly reader: Tenant,
    readonly grant: Grant | null,
  ) {}

  /** Whether what is published still arrives. */
  get attached(): boolean {
    return (this.grant === null || this.grant.live) && this.sheet.goneIn === Number.POSITIVE_INFINITY;
  }

  get uses(): number {
    return this.readers + this.writers;
  }
}

const NOTHING = new Uint8Array(0);
const LOCAL = 0;

export class Model {
  /** Publications so far, and before this epoch: a quiet moment ends an epoch. */
  published = 0;
  epochFrom = 0;
  epoch = 0;
  stamps = 0;
  /** Cells that were compared. */
  compared = 0;
  readonly #sheets: (Sheet | null)[] = [null];
  readonly #cells: number[] = [0];
  /** By stamp: the first and the last publication of it; 0 for none. */
  readonly #first: number[] = [0];
  readonly #latest: number[] = [0];

  /** A new value for a cell, which says where it belongs. */
  stamp(sheet: Sheet, cell: number): number {
    this.#sheets.push(sheet);
    this.#cells.push(cell);
    this.#first.push(0);
    this.#latest.push(0);
    this.stamps += 1;
    return this.stamps;
  }

  /** `count` cells of a copy from `cell` on are published, in one range. */
  publish(copy: Copy, cell: number, count: number): void {
    const { sheet, grant } = copy;
    const ended = Math.min(grant?.endedIn ?? Number.POSITIVE_INFINITY, sheet.goneIn);
    this.published += 1;
    if (ended < this.epoch) return;
    for (let at = cell; at < cell + count; at++) {
      const stamp = copy.written[at];
      this.#first[stamp] ||= this.published;
      this.#latest[stamp] = this.published;
      sheet.last[at] = stamp;
      sheet.lastAt[at] = this.published;
      sheet.doubt[at] = ended === Number.POSITIVE_INFINITY ? 0 : 1;
    }
  }

  /** What a party published in this epoch may not have arrived everywhere. */
  doubt(sheet: Sheet, party: number): void {
    for (let cell = 0; cell < CELLS; cell++) {
      if (sheet.lastAt[cell] > this.epochFrom && sheet.writer(cell) === party) sheet.doubt[cell] = 1;
    }
  }

  grant(sheet: Sheet, to: number, reference: number, writable: boolean): Grant {
    if (sheet.grants.length === 0) {
      sheet.grantedAt = this.published;
      sheet.grantedEpoch = this.epochFrom;
      sheet.grantedFor = Number.POSITIVE_INFINITY;
    }
    const grant = new Grant(sheet, to, reference, writable, this.published, this.epochFrom);
    sheet.owner.grants[reference] = grant;
    // Whoever sees anything later knows of the grant.
    this.published += 1;
    sheet.grants.push(grant);
    return grant;
  }

  revoke(grant: Grant): void {
    grant.live = false;
    grant.endedIn = this.epoch;
    grant.endedAt = this.published;
    grant.sheet.grants.splice(grant.sheet.grants.indexOf(grant), 1);
    this.doubt(grant.sheet, grant.to);
  }

  /** Whether a domain was told of a grant, as drivers tell each other: after it was made. */
  knows(reader: Tenant, { sheet, madeAt, knownFrom }: Grant): boolean {
    return knownFrom !== Number.POSITIVE_INFINITY || reader.seen[sheet.owner.party] > madeAt;
  }

  /** What a domain has of a grant; made at its first use there. */
  copy(grant: Grant, reader: Tenant): Copy {
    const known = grant.copies.get(reader);
    if (known !== undefined) return known;
    const { sheet } = grant;
    const copy = new Copy(sheet, reader, grant);
    grant.copies.set(reader, copy);
    if (reader.party === LOCAL) {
      copy.ownerFloor = copy.ownerMust = grant.pageAt;
      copy.othersFloor = grant.pageEpoch;
      copy.othersMust = sheet.grantedFor;
    } else if (grant.madeAt >= reader.bornAt) {
      copy.ownerFloor = copy.ownerMust = grant.madeAt;
      copy.othersFloor = grant.madeEpoch;
      copy.othersMust = grant.knownFrom;
    } else {
      // It was told of the grant, and what the hub had of the page, at its log-in.
      copy.ownerFloor = copy.othersFloor = sheet.owner.party === LOCAL ? 0 : grant.pageEpoch;
      copy.ownerMust = copy.othersMust = Math.max(grant.knownFrom, reader.bornAt);
      copy.peek = reader.bornStamp;
    }
    return copy;
  }

  /** A copy's own cells hold this now that it is taken into use; in the hub's process, anew each time. */
  adopt(copy: Copy): void {
    if (copy.adopted && copy.reader.party !== LOCAL) return;
    copy.adopted = true;
    const fresh = copy.reader.party !== LOCAL && copy.peek === 0;
    for (let cell = 0; cell < CELLS; cell++) {
      if (copy.sheet.writer(cell) !== copy.reader.party) continue;
      const stamp = read(copy.bytes, cell);
      if (stamp !== 0 && fresh) this.#wrong(copy, cell, stamp, "a mirror does not begin as zeros");
      if (stamp !== 0) this.#belongs(copy, cell, stamp);
      copy.written[cell] = stamp;
    }
  }

  /** Throws unless a cell holds what the model allows its reader to see at this moment. */
  check(copy: Copy, cell: number): void {
    const { sheet, reader, bytes } = copy;
    const stamp = read(bytes, cell);
    const writer = sheet.writer(cell);
    this.compared += 1;
    if (writer === reader.party) {
      if (stamp !== copy.written[cell]) this.#wrong(copy, cell, stamp, `its writer wrote ${copy.written[cell]}`);
      return;
    }
    if (stamp !== copy.seen[cell]) this.#changed(copy, cell, stamp, writer);
    if (!copy.attached || sheet.doubt[cell] === 1 || stamp >= sheet.last[cell]) return;
    const at = sheet.lastAt[cell];
    if (at > this.#must(copy, writer) && at <= reader.seen[writer]) {
      this.#wrong(copy, cell, stamp, `publication ${reader.seen[writer]} was seen before ${at} of ${sheet.last[cell]}`);
    }
  }

  /** Throws unless a copy shows all that was published: nothing is under way. */
  checkQuiet(copy: Copy): void {
    const { sheet, bytes, reader } = copy;
    for (let cell = 0; cell < CELLS; cell++) {
      this.check(copy, cell);
      const writer = sheet.writer(cell);
      if (!copy.attached || writer === reader.party || sheet.doubt[cell] === 1) continue;
      const stamp = read(bytes, cell);
      if (sheet.lastAt[cell] > this.#must(copy, writer) && stamp < sheet.last[cell]) {
        this.#wrong(copy, cell, stamp, `${sheet.last[cell]} was published`);
      }
    }
    for (let at = CELLS * CELL; at < PAGE_SIZE; at++) {
      if (bytes[at] !== 0) throw new Error(`byte ${at} is nobody's, and ${bytes[at]}`);
    }
  }

  /** All that was said has arrived. */
  quiet(sheets: Iterable<Sheet>): void {
    for (const sheet of sheets) {
      if (sheet.grants.length > 0) sheet.grantedFor = Math.min(sheet.grantedFor, this.published);
      for (const grant of sheet.grants) {
        grant.knownFrom = Math.min(grant.knownFrom, this.published);
        for (const copy of grant.copies.values()) {
          copy.ownerMust = Math.min(copy.ownerMust, this.published);
          copy.othersMust = Math.min(copy.othersMust, this.published);
        }
      }
    }
    this.epochFrom = this.published;
    this.epoch += 1;
  }

  /** A cell that is another's shows another stamp than before. */
  #changed(copy: Copy, cell: number, stamp: number, writer: number): void {
    const { sheet, reader, grant } = copy;
    if (stamp < copy.seen[cell]) this.#wrong(copy, cell, stamp, `it went back from ${copy.seen[cell]}`);
    this.#belongs(copy, cell, stamp);
    copy.seen[cell] = stamp;
    if (writer === LOCAL && stamp <= copy.peek) return;
    const first = this.#first[stamp];
    if (first === 0) this.#wrong(copy, cell, stamp, "it was not published");
    const isOwner = writer === sheet.owner.party;
    if (this.#latest[stamp] <= (isOwner ? copy.ownerFloor : copy.othersFloor)) {
      this.#wrong(copy, cell, stamp, "it was published before the grant");
    }
    if (isOwner && reader.party !== LOCAL && grant !== null && first > grant.endedAt) {
      this.#wrong(copy, cell, stamp, "it was published after the grant's end");
    }
    if (copy.attached) reader.seen[writer] = Math.max(reader.seen[writer], first);
  }

  #must(copy: Copy, writer: number): number {
    return writer === copy.sheet.owner.party ? copy.ownerMust : copy.othersMust;
  }

  #belongs(copy: Copy, cell: number, stamp: number): void {
    if (this.#sheets[stamp] !== copy.sheet || this.#cells[stamp] !== cell) {
      this.#wrong(copy, cell, stamp, "it belongs elsewhere");
    }
  }

  #wrong({ sheet, reader, grant }: Copy, cell: number, stamp: number, why: string): never {
    const page = `frame ${sheet.page.frame} of ${sheet.owner.party}, reference ${grant?.reference ?? "-"}`;
    throw new Error(`domain ${reader.party} sees ${stamp} in cell ${cell} of ${page}: ${why}`);
  }
}

/** The stamp that a cell holds. */
export function read(bytes: Uint8Array, cell: number): number {
  const at = cell * CELL;
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
}

export function write(bytes: Uint8Array, cell: number, stamp: number): void {
  const at = cell * CELL;
  bytes[at] = stamp;
  bytes[at + 1] = stamp >>> 8;
  bytes[at + 2] = stamp >>> 16;
}

// Knows reservations as SPC-4's tables have them, as plainly as can be: a list of rows that each rule is read off from. It shares
// nothing with the code that it judges.

export interface Who {
  readonly name: string;
  readonly port: number;
}

/** A PERSISTENT RESERVE OUT: its CDB and parameter list in words. */
export interface Ask {
  readonly action: number;
  readonly scope: number;
  readonly type: number;
  readonly key: number;
  readonly serviceKey: number;
  readonly aptpl: boolean;
  readonly allTgPt: boolean;
  /** Names of SPEC_I_PT. */
  readonly others: readonly string[] | null;
  readonly to: Who;
  readonly unreg: boolean;
}

/** GOOD, RESERVATION CONFLICT, or the additional sense code of an ILLEGAL REQUEST. */
export type Answer = "good" | "conflict" | "1a 00" | "24 00" | "26 00" | "26 04";

const PORTS = [1, 2];
const TYPES = [1, 3, 5, 6, 7, 8];
const isAll = (type: number): boolean => type >= 7;
const isShared = (type: number): boolean => type >= 5;
const PARAMETER = "26 00";

export class ReservationModel {
  rows: (Who & { key: number })[] = [];
  /** `who` means nothing where all who are registered hold it. */
  held: { type: number; who: Who } | null = null;
  reserver: Who | null = null;
  generation = 0;
  aptpl = false;
  /** Unit attentions of the last step: `name port asc ascq`. */
  told: string[] = [];

  row({ name, port }: Who) {
    return this.rows.find((row) => row.name === name && row.port === port);
  }

  holds(who: Who): boolean {
    if (this.held === null) return false;
    if (isAll(this.held.type)) return this.row(who) !== undefined;
    return this.held.who.name === who.name && this.held.who.port === who.port;
  }

  /** SPC-4 table 65 and SBC-3 table 13, for a command that reads and one that writes. */
  conflicts(who: Who, writes: boolean): boolean {
    if (this.reserver !== null) return !same(this.reserver, who);
    if (this.held === null || this.holds(who)) return false;
    if (isShared(this.held.type) && this.row(who) !== undefined) return false;
    return writes || [3, 6, 8].includes(this.held.type);
  }

  /** RESERVE and RELEASE (SPC-2 5.5.1, SPC-4 5.13.3). */
  legacy(who: Who, reserves: boolean): Answer {
    if (this.rows.length > 0) {
      const lets = this.held !== null && (this.holds(who) || (isShared(this.held.type) && this.row(who) !== undefined));
      return lets ? "good" : "conflict";
    }
    const other = this.reserver !== null && !same(this.reserver, who);
    if (reserves && other) return "conflict";
    if (!other) this.reserver = reserves ? who : null;
    return "good";
  }

  out(who: Who, ask: Ask): Answer {
    if (this.reserver !== null) return "conflict";
    if (ask.others !== null && ask.action !== 0 && ask.action !== 7) return PARAMETER;
    switch (ask.action) {
      case 0:
      case 6:
        return this.#register(who, ask);
      case 7:
        return this.#move(who, ask);
      case 8:
        return this.row(who) === undefined ? "conflict" : "26 04";
    }
    if (this.row(who)?.key !== ask.key) return "conflict";
    switch (ask.action) {
      case 1:
        return this.#reserve(who, ask);
      case 2:
        return this.#release(who, ask);
      case 3:
        this.#tell(this.rows, "2a 03", who);
        this.rows = [];
        this.held = null;
        this.generation += 1;
        return "good";
      default:
        return this.#preempt(who, ask);
    }
  }

  #register(who: Who, { action, key, serviceKey, aptpl, allTgPt, others }: Ask): Answer {
    const own = this.row(who);
    if (action === 0 && key !== (own === undefined ? 0 : own.key)) return "conflict";
    if (own !== undefined && others !== null) return PARAMETER;
    if (own === undefined && serviceKey === 0) return "good";
    const ports = allTgPt ? PORTS : [who.port];
    const mine = ports.map((port) => ({ name: who.name, port }));
    if (action === 0 && mine.some((nexus) => (this.row(nexus)?.key ?? key) !== key)) return "conflict";
    if (serviceKey === 0) this.#unregister(mine, who);
    else {
      const theirs = (others ?? []).flatMap((name) => ports.map((port) => ({ name, port })));
      if (theirs.some((nexus) => this.row(nexus) !== undefined)) return PARAMETER;
      for (const nexus of [...mine, ...theirs]) this.#put(nexus, serviceKey);
    }
    this.aptpl = aptpl;
    this.generation += 1;
    return "good";
  }

  #put(who: Who, key: number): void {
    const row = this.row(who);
    if (row === undefined) this.rows.push({ name: who.name, port: who.port, key });
    else row.key = key;
  }

  #remove(nexuses: readonly Who[]): void {
    this.rows = this.rows.filter((row) => !nexuses.some((nexus) => same(nexus, row)));
  }

  #unregister(nexuses: readonly Who[], who: Who): void {
    const held = this.held;
    const holder = held !== null && !isAll(held.type) && nexuses.some((nexus) => same(nexus, held.who));
    this.#remove(nexuses);
    if (held === null) return;
    if (holder && isShared(held.type)) this.#tell(this.rows, "2a 04", who);
    if (holder || this.rows.length === 0) this.held = null;
  }

  #reserve(who: Who, { scope, type }: Ask): Answer {
    if (scope !== 0 || !TYPES.includes(type)) return "24 00";
    if (this.held !== null) return this.holds(who) && this.held.type === type ? "good" : "conflict";
    this.held = { type, who };
    return "good";
  }

  #release(who: Who, { scope, type }: Ask): Answer {
    if (this.held === null || !this.holds(who)) return "good";
    if (scope !== 0 || type !== this.held.type) return "26 04";
    if (isShared(type)) this.#tell(this.rows, "2a 04", who);
    this.held = null;
    return "good";
  }

  /** Figure 9. */
  #preempt(who: Who, { scope, type, serviceKey }: Ask): Answer {
    const { held } = this;
    const all = held !== null && isAll(held.type);
    const holderKey = held === null || all ? null : this.row(held.who)?.key;
    const takes = held !== null && (all ? serviceKey === 0 : serviceKey === holderKey);
    if (!takes && serviceKey === 0 && held !== null) return PARAMETER;
    const victims = this.rows.filter((row) => (takes && all) || row.key === serviceKey);
    if (!takes && victims.length === 0) return "conflict";
    if (takes && (scope !== 0 || !TYPES.includes(type))) return "24 00";
    this.#tell(victims, "2a 05", who);
    this.#remove(takes ? victims.filter((victim) => !same(victim, who)) : victims);
    if (takes) {
      if (held.type !== type) this.#tell(this.rows, "2a 04", who);
      this.held = { type, who };
    } else if (this.rows.length === 0) this.held = null;
    this.generation += 1;
    return "good";
  }

  #move(who: Who, { key, serviceKey, aptpl, unreg, to }: Ask): Answer {
    if (!PORTS.includes(to.port)) return PARAMETER;
    if (this.row(who)?.key !== key) return "conflict";
    if (this.held === null) return "24 00";
    if (isAll(this.held.type) || !this.holds(who)) return "conflict";
    if (serviceKey === 0 || to.name === who.name) return PARAMETER;
    this.#put(to, serviceKey);
    if (unreg) this.#remove([who]);
    this.held = { type: this.held.type, who: to };
    this.aptpl = aptpl;
    this.generation += 1;
    return "good";
  }

  /** To all of them but the one who brought it about. */
  #tell(nexuses: readonly Who[], sense: string, by: Who): void {
    for (const nexus of nexuses) if (!same(nexus, by)) this.told.push(`${nexus.name} ${nexus.port} ${sense}`);
  }

  /** The loss of a nexus. */
  lost(who: Who): void {
    if (this.reserver !== null && same(this.reserver, who)) this.reserver = null;
  }

  /** What is left when the power comes back. */
  powerLoss(): void {
    this.reserver = null;
    this.generation = 0;
    if (this.aptpl) return;
    this.rows = [];
    this.held = null;
  }

  /** READ FULL STATUS, a line for each nexus. */
  status(): string[] {
    return this.rows.map((row) => {
      const role = this.held !== null && this.holds(row) ? `holder ${this.held.type}` : "registered";
      return `${row.key} port ${row.port} ${role} ${row.name}`;
    });
  }
}

function same(a: Who, b: Who): boolean {
  return a.name === b.name && a.port === b.port;
}

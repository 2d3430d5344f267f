// Knows how much domains may write while transactions are open, which those writes may make fail: a credit each, and a
// reserve of what they all have left over. Knows no nodes, and not who is excepted.

import type { Clock } from "@pvscsi/wire";
import type { Quotas } from "./quotas.js";

/** Credit is counted in thousandths of a write, and time in whole milliseconds, as in 4.17. */
const WRITE = 1000;

interface Account {
  credit: number;
  /** Milliseconds up to which its credit was counted. */
  counted: number;
}

export class WriteCredits {
  readonly #clock: Clock;
  readonly #quotas: Quotas;
  readonly #accounts = new Map<number, Account>();
  readonly #reserve = { credit: 0 };
  /** When all were last counted. */
  #counted = 0;

  constructor(clock: Clock, quotas: Quotas) {
    this.#clock = clock;
    this.#quotas = quotas;
  }

  /** A domain begins with a full burst, as long as the reserve lends it. One that is there stays as it is. */
  join(domain: number): void {
    if (this.#accounts.has(domain)) return;
    const account = { credit: 0, counted: this.#now };
    this.#accounts.set(domain, account);
    const debts = this.#quotas["write-newcomers"] * this.#burst;
    transfer(this.#reserve, -debts, account, this.#burst);
  }

  /** A domain that is gone leaves its credit to the others. */
  leave(domain: number): void {
    const account = this.#accounts.get(domain);
    if (account === undefined) return;
    this.#accounts.delete(domain);
    transfer(account, 0, this.#reserve, this.#burst);
  }

  /** Takes one write from a domain that has joined. */
  debit(domain: number): void {
    this.#account(domain).credit -= WRITE;
  }

  /** Milliseconds until `domain`, which has joined, is without debts again; 0 when it is now. */
  wait(domain: number): number {
    const known = this.#accounts.get(domain);
    if (known === undefined || known.credit >= 0) return 0;
    const { credit } = this.#account(domain);
    return credit >= 0 ? 0 : Math.ceil((-credit * this.#accounts.size) / this.#quotas["write-rate"]);
  }

  get #burst(): number {
    return this.#quotas["write-burst"] * WRITE;
  }

  get #now(): number {
    return Math.floor(this.#clock.now());
  }

  /** A domain's account up to now; what others have left over by now is in the reserve. */
  #account(domain: number): Account {
    const now = this.#now;
    if (now !== this.#counted) {
      for (const account of this.#accounts.values()) this.#count(account, now);
      this.#counted = now;
    }
    const account = this.#accounts.get(domain);
    if (account === undefined) throw new Error(`domain ${domain} has no write credit`);
    this.#count(account, now);
    return account;
  }

  /** Debts are paid by the reserve; what is above the burst goes into it, and is lost when that is full. */
  #count(account: Account, now: number): void {
    const rate = this.#quotas["write-rate"] / this.#accounts.size;
    account.credit += Math.floor((now - account.counted) * rate);
    account.counted = now;
    transfer(this.#reserve, 0, account, 0);
    transfer(account, this.#burst, this.#reserve, this.#quotas["write-reserve"] * WRITE);
    account.credit = Math.min(account.credit, this.#burst);
  }
}

/** Moves as much as leaves `from` its `floor` and keeps `to` below its `ceiling`. */
function transfer(from: { credit: number }, floor: number, to: { credit: number }, ceiling: number): void {
  const amount = Math.min(from.credit - floor, ceiling - to.credit);
  if (amount <= 0) return;
  from.credit -= amount;
  to.credit += amount;
}

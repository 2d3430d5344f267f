// Knows what xenstored keeps for one connection: who it is, its open transactions. Knows no bytes.

import type { Domains } from "./domains.js";
import type { Cause, Outstanding } from "./outstanding.js";
import type { Transaction } from "./transactions.js";
import type { Watcher } from "./watches.js";

/** Whom a connection serves. */
export interface PeerIdentity {
  readonly domain: number;
  /** May do everything, as domain 0's tools may. */
  readonly privileged: boolean;
  /** A guest's limit holds for what waits for it, privileged or not: a process of its own may stop reading. */
  readonly bounded?: true;
}

/** The way to a peer. */
export interface PeerLink {
  /** Its requests that are outstanding. */
  readonly outstanding: Outstanding;
  /** Bytes that wait to be sent to it. */
  readonly waiting: number;
  event(path: string, token: string, cause: Cause | null): void;
  /** Ends the connection from this side. */
  end(reason: string): void;
}

/** One connection, as the requests see it. */
export class Peer implements Watcher {
  readonly domain: number;
  readonly privileged: boolean;
  readonly transactions = new Map<number, Transaction>();
  #nextTransaction = 1;
  readonly #domains: Domains;
  readonly #link: PeerLink;

  constructor(
    readonly number: number,
    { domain, privileged }: PeerIdentity,
    domains: Domains,
    link: PeerLink,
  ) {
    this.domain = domain;
    this.privileged = privileged;
    this.#domains = domains;
    this.#link = link;
  }

  get outstanding(): Outstanding {
    return this.#link.outstanding;
  }

  get waiting(): number {
    return this.#link.waiting;
  }

  get target(): number | null {
    return this.#domains.targetOf(this.domain);
  }

  event(path: string, token: string, cause: Cause | null): void {
    this.#link.event(path, token, cause);
  }

  end(reason: string): void {
    this.#link.end(reason);
  }

  /** Keeps a new transaction; ids are this connection's own and count up from 1. */
  open(transaction: Transaction): number {
    let id = 0;
    while (id === 0 || this.transactions.has(id)) {
      id = this.#nextTransaction;
      this.#nextTransaction = (id + 1) >>> 0;
    }
    this.transactions.set(id, transaction);
    return id;
  }
}

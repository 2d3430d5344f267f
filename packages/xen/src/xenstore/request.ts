// Knows one request while it is answered, and how payloads give up their arguments.

import { firstBeyond, firstBeyondIn, type Writes } from "./memory.js";
import { NodeAccess } from "./nodes.js";
import type { Cause } from "./outstanding.js";
import { PaidTree } from "./paid-tree.js";
import { absolutePath, isValidPath } from "./paths.js";
import type { Peer } from "./peer.js";
import { type Refusal, refuse } from "./refusal.js";
import { announce, hasOpenTransaction, type Store } from "./store.js";
import type { Announce, Transaction } from "./transactions.js";
import type { Watch } from "./watches.js";

/** The payload of replies that say no more than that all went well. */
export const DONE = "OK\0";

export class Request {
  /** The nodes as this request may use them. */
  readonly nodes: NodeAccess;
  /** A watch that this request made: its first event follows the reply. */
  started: Watch | null = null;
  /** What the events of this request wait for; null for one of the tools, which others do not hold up. */
  readonly cause: Cause | null;

  constructor(
    readonly store: Store,
    readonly peer: Peer,
    cause: Cause,
    readonly payload: string,
    readonly transactionId: number,
    readonly transaction: Transaction | null,
  ) {
    const { tree, quotas } = store;
    this.cause = peer.privileged ? null : cause;
    if (transaction === null) {
      const view = peer.privileged ? tree : new PaidTree(tree, () => this.pay());
      const tell: Announce = (...change) => announce(store, this.cause, ...change);
      this.nodes = new NodeAccess(view, peer, quotas, tell, (writes) => firstBeyond(store, writes));
    } else {
      const tell: Announce = (path, exact) => transaction.announce(path, exact);
      const first = (writes: Writes): number => firstBeyondIn(store, peer.domain, transaction, writes);
      this.nodes = new NodeAccess(transaction, peer, quotas, tell, first);
    }
  }

  /** A guest pays for a change that may make a transaction fail, whoever's. */
  pay(): void {
    const { store, peer } = this;
    if (!peer.privileged && hasOpenTransaction(store)) store.credits.debit(peer.domain);
  }

  /** A payload that is one string; null when it is none or more. */
  get argument(): string | null {
    const end = this.payload.indexOf("\0");
    return end >= 0 && end === this.payload.length - 1 ? this.payload.slice(0, end) : null;
  }

  /** A path argument, made absolute. */
  path(argument: string): string | Refusal {
    const path = absolutePath(argument, this.peer.domain);
    return isValidPath(path, this.store.quotas["path-max"]) ? path : refuse("EINVAL");
  }

  /** A payload that is one path. A malformed payload is answered ENOENT: 4.17 gives a stale errno, mostly this. */
  get onlyPath(): string | Refusal {
    return this.argument === null ? refuse("ENOENT") : this.path(this.argument);
  }
}

/** C's atoi: leading digits, whatever follows; 0 without any. */
export function leadingNumber(text: string): number {
  const match = /^\s*[+-]?\d+/.exec(text);
  return match === null ? 0 : Number(match[0]);
}

// Knows how many bytes of xenstored are a domain's: the nodes that it owns, and its connections' watches, transactions and messages
// that wait. Knows no requests.

import { recordSize } from "./quotas.js";
import type { Store } from "./store.js";
import type { Transaction } from "./transactions.js";
import type { NodeContent } from "./tree.js";

/** Nodes that are to be written, by path. */
export type Writes = readonly (readonly [path: string, content: NodeContent])[];

/** What a domain has in all. */
export function memoryOf({ tree, peers, watches }: Store, domain: number): number {
  let bytes = tree.bytes(domain);
  for (const peer of peers) {
    if (peer.domain !== domain) continue;
    bytes += watches.bytes(peer) + peer.waiting;
    for (const transaction of peer.transactions.values()) bytes += transaction.bytes;
  }
  return bytes;
}

/** Whether a domain may have `more` bytes than it has. Domain 0 always may. */
export function mayHave(store: Store, domain: number, more: number): boolean {
  return domain === 0 || memoryOf(store, domain) + more < store.quotas.memory;
}

/** The first of `writes` into the tree for which an owner has no memory, whoever writes; -1 when there is enough for all. */
export function firstBeyond(store: Store, writes: Writes): number {
  const totals = new Map<number, number>();
  const grow = (path: string, content: NodeContent, sign: number): number => {
    const owner = content.permissions[0].domain;
    const total = (totals.get(owner) ?? memoryOf(store, owner)) + sign * recordSize(path, content);
    totals.set(owner, total);
    return owner === 0 ? 0 : total;
  };
  return writes.findIndex(([path, content]) => {
    const before = store.tree.read(path);
    if (before !== null) grow(path, before, -1);
    return grow(path, content, 1) >= store.quotas.memory;
  });
}

/** The same in a transaction of `domain`, whose all that it holds is. */
export function firstBeyondIn(store: Store, domain: number, transaction: Transaction, writes: Writes): number {
  let total = memoryOf(store, domain);
  return writes.findIndex(([path, content]) => {
    total += transaction.growth(path, content);
    return domain !== 0 && total >= store.quotas.memory;
  });
}

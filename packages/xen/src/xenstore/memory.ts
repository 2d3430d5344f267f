// Knows how many bytes of xenstored are a domain's: the nodes that it owns, and its connections' watches, transactions and messages
// that wait. Knows no requests.

import { recordSize } from "./quotas.js";
import type { Store } from "./store.js";
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

/** The same for those who will own what is to be written into the tree, whoever writes it. */
export function mayWrite(store: Store, writes: Writes): boolean {
  const growth = new Map<number, number>();
  const grow = (path: string, content: NodeContent | null, sign: number): void => {
    if (content === null) return;
    const owner = content.permissions[0].domain;
    growth.set(owner, (growth.get(owner) ?? 0) + sign * recordSize(path, content));
  };
  for (const [path, content] of writes) {
    grow(path, store.tree.read(path), -1);
    grow(path, content, 1);
  }
  return writes.every(([, { permissions }]) => {
    const owner = permissions[0].domain;
    return mayHave(store, owner, growth.get(owner) ?? 0);
  });
}

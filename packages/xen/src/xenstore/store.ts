// Knows what belongs together in one xenstored, and what must happen in all of it at once: telling of a change,
// and forgetting a domain. Knows no messages.

import { type Domains, RELEASED } from "./domains.js";
import { mayKnow, NodeAccess } from "./nodes.js";
import type { Cause } from "./outstanding.js";
import { parentOf } from "./paths.js";
import type { Peer } from "./peer.js";
import { type Asker, mayRead, without } from "./permissions.js";
import type { Quotas } from "./quotas.js";
import type { Change } from "./transactions.js";
import type { Tree } from "./tree.js";
import type { WatchTable } from "./watches.js";
import type { WriteCredits } from "./write-credits.js";

/** All that one xenstored holds. */
export interface Store {
  readonly tree: Tree;
  readonly watches: WatchTable;
  readonly domains: Domains;
  readonly quotas: Quotas;
  readonly credits: WriteCredits;
  readonly peers: Set<Peer>;
}

/** xenstored itself, where it asks for something. */
const ITSELF: Asker = { domain: 0, privileged: true, target: null };

/** Tells those who watch a path of a change in the tree, if they may know. */
export function announce(store: Store, cause: Cause | null, ...[path, exact, before]: Change): void {
  store.watches.fire(path, exact, cause, (watcher) => mayKnow(store.tree, path, before, watcher));
}

/** Tells that a domain came or went. */
export function announceDomain({ watches, domains }: Store, name: string): void {
  const permissions = domains.listeners(name);
  if (permissions !== null) watches.fire(name, true, null, (watcher) => mayRead(permissions, watcher));
}

/** Whether there is a transaction that a change may make fail. */
export function hasOpenTransaction({ peers }: Store): boolean {
  for (const { transactions } of peers) if (transactions.size > 0) return true;
  return false;
}

/** A connection goes on as if it was new. */
export function resetPeer({ watches }: Store, peer: Peer): void {
  watches.removeAll(peer);
  peer.transactions.clear();
}

/** The same for all connections of a domain, which may begin anew as well. */
export function resetDomain(store: Store, domain: number): void {
  for (const peer of store.peers) if (peer.domain === domain) resetPeer(store, peer);
}

/**
 * Ends a domain's connections and removes its nodes and every right it had anywhere: a later domain with the same id
 * inherits nothing (XSA-322, XSA-419).
 */
export function releaseDomain(store: Store, domain: number): void {
  for (const peer of [...store.peers]) if (peer.domain === domain) peer.end(`domain ${domain} was released`);
  for (const peer of store.peers) for (const transaction of peer.transactions.values()) transaction.forget(domain);
  store.domains.release(domain);
  store.credits.leave(domain);
  removeOwned(store, domain);
  dropRights(store, domain);
  announceDomain(store, RELEASED);
}

function removeOwned(store: Store, domain: number): void {
  const { tree, quotas } = store;
  const nodes = new NodeAccess(tree, ITSELF, quotas, (...change) => announce(store, null, ...change));
  for (const path of tree.paths()) {
    const node = tree.read(path);
    if (node === null || node.permissions[0].domain !== domain) continue;
    const parent = path === "/" ? null : tree.read(parentOf(path));
    if (parent !== null) nodes.removeTree(path, node, parent);
  }
}

/** A node left without an owner (only the root can be) becomes domain 0's. */
function dropRights({ tree }: Store, domain: number): void {
  for (const path of tree.paths()) {
    const node = tree.read(path);
    if (node === null || !node.permissions.some((entry) => entry.domain === domain)) continue;
    const [owner, ...others] = without(node.permissions, domain);
    const kept = owner.domain === domain ? { domain: 0, access: 0 } : owner;
    tree.put(path, { ...node, permissions: [kept, ...others] });
  }
}

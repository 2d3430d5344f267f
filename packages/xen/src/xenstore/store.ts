// Knows what belongs together in one xenstored, and what must happen in all of it at once: telling of a change,
// and forgetting a domain. Knows no messages.

import { type Domains, RELEASED } from "./domains.js";
import { mayKnow, NodeAccess } from "./nodes.js";
import type { Cause } from "./outstanding.js";
import { childOf } from "./paths.js";
import type { Peer } from "./peer.js";
import { type Asker, mayRead, TOOLS_ONLY } from "./permissions.js";
import type { Quotas } from "./quotas.js";
import type { Announce, Change } from "./transactions.js";
import type { StoreNode, Tree } from "./tree.js";
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
  for (const peer of store.peers) for (const transaction of peer.transactions.values()) transaction.outlive(domain);
  store.domains.release(domain);
  store.credits.leave(domain);
  removeOwned(store, domain);
  store.tree.outlive(domain);
  announceDomain(store, RELEASED);
}

/** With all that is below them, whosever it is, from the root on; the root itself becomes domain 0's. */
function removeOwned(store: Store, domain: number): void {
  const { tree, quotas } = store;
  if (tree.root.permissions[0].domain === domain) tree.put("/", { ...tree.root, permissions: TOOLS_ONLY });
  const tell: Announce = (...change) => announce(store, null, ...change);
  const nodes = new NodeAccess(tree, ITSELF, quotas, tell, () => -1);
  const removeBelow = (path: string, { children }: StoreNode): void => {
    for (const name of children) {
      const child = childOf(path, name);
      const [node, parent] = [tree.read(child), tree.read(path)];
      if (node === null || parent === null) continue;
      if (node.permissions[0].domain === domain) nodes.removeTree(child, node, parent);
      else removeBelow(child, node);
    }
  };
  removeBelow("/", tree.root);
}

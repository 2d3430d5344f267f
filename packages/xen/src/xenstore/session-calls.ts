// Knows the requests about a connection's own things: its watches and its transactions.

import { splitStrings } from "./framing.js";
import { mayHave } from "./memory.js";
import { absolutePath, homeOf, isRelative } from "./paths.js";
import { Refusal, refuse } from "./refusal.js";
import { DONE, type Request } from "./request.js";
import { announce, resetPeer, type Store } from "./store.js";
import { Transaction } from "./transactions.js";

/** path|token|: the first event follows the reply, whether or not there is such a node. */
export function watch(request: Request): string | Refusal {
  const { store, peer } = request;
  const strings = splitStrings(request.payload);
  if (strings.length !== 2) return refuse("EINVAL");
  const [name, token] = strings;
  const path = watchedPath(request, name);
  if (path instanceof Refusal) return path;
  if (store.watches.find(peer, path, token) !== null) return refuse("EEXIST");
  if (!peer.privileged && watchesOf(store, peer.domain) > store.quotas.watches) return refuse("E2BIG");
  if (!mayHave(store, peer.domain, path.length + token.length)) return refuse("ENOMEM");
  request.started = store.watches.add(peer, path, token, isRelative(name) ? homeOf(peer.domain).length + 1 : 0);
  return DONE;
}

/** path|token|, both as they were given to `watch`. */
export function unwatch({ store, peer, payload }: Request): string | Refusal {
  const strings = splitStrings(payload);
  if (strings.length !== 2) return refuse("EINVAL");
  const found = store.watches.find(peer, absolutePath(strings[0], peer.domain), strings[1]);
  if (found === null) return refuse("ENOENT");
  store.watches.remove(found);
  return DONE;
}

/** Answers the new transaction's id. */
export function startTransaction({ store, peer, transaction }: Request): string | Refusal {
  if (transaction !== null) return refuse("EBUSY");
  if (!peer.privileged && transactionsOf(store, peer.domain) > store.quotas.transactions) return refuse("ENOSPC");
  const limit = peer.privileged ? Number.POSITIVE_INFINITY : store.quotas["transaction-nodes"];
  return `${peer.open(new Transaction(store.tree, limit))}\0`;
}

/** T| commits, F| drops; either way the transaction is over. Any other payload leaves it open. */
export function endTransaction(request: Request): string | Refusal {
  const { store, peer, transaction, transactionId, argument } = request;
  if (argument !== "T" && argument !== "F") return refuse("EINVAL");
  if (transaction === null) return refuse("ENOENT");
  peer.transactions.delete(transactionId);
  if (argument === "F") return DONE;
  if (transaction.failed) return refuse("ENOMEM");
  if (!peer.privileged && transaction.owns(store.quotas.nodes)) return refuse("ENOSPC");
  const refused = transaction.commit((...change) => announce(store, request.cause, ...change));
  if (refused === null) request.pay();
  return refused ?? DONE;
}

/** Drops all watches and transactions of the connection. */
export function reset({ store, peer }: Request): string | Refusal {
  resetPeer(store, peer);
  return DONE;
}

/** @ names are only bounded in length: a name nobody ever announces may be watched. */
function watchedPath(request: Request, name: string): string | Refusal {
  if (!name.startsWith("@")) return request.path(name);
  return name.length > request.store.quotas["path-max"] ? refuse("EINVAL") : name;
}

/** Watches of all connections of a domain, but for those of tools. */
export function watchesOf({ peers, watches }: Store, domain: number): number {
  let count = 0;
  for (const peer of peers) if (peer.domain === domain && !peer.privileged) count += watches.count(peer);
  return count;
}

/** The transactions that they have open. */
export function transactionsOf({ peers }: Store, domain: number): number {
  let count = 0;
  for (const peer of peers) if (peer.domain === domain && !peer.privileged) count += peer.transactions.size;
  return count;
}

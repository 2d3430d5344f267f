// Knows how a message becomes a call and a call's outcome a reply. The daemon without any transport.

import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import { XENSTORE_PAYLOAD_MAX, XS } from "../abi/xenstore.js";
import { CALLS, type Call } from "./calls.js";
import { StoreConnection } from "./connection.js";
import { Domains } from "./domains.js";
import { dumpTree } from "./dump.js";
import { type Message, messageSize } from "./framing.js";
import { mayHave } from "./memory.js";
import type { Send } from "./output.js";
import { Cause, Outstanding } from "./outstanding.js";
import { Peer, type PeerIdentity } from "./peer.js";
import { type Quotas, quotasWith } from "./quotas.js";
import { Refusal, refuse } from "./refusal.js";
import { Request } from "./request.js";
import type { Store } from "./store.js";
import type { Transaction } from "./transactions.js";
import { Tree } from "./tree.js";
import { tell, WatchTable } from "./watches.js";
import { WriteCredits } from "./write-credits.js";

export interface XenstoredOptions {
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly probes: Probes;
  /** Limits other than 4.17's. */
  readonly quotas?: Partial<Quotas>;
}

/** The subject of the probes `xenstored:request`, `xenstored:reply` and `xenstored:event`. */
export interface XenstoredMessage {
  /** Whose connection it is. */
  readonly domain: number;
  /** Counts up with each connection. */
  readonly connection: number;
  /** As in xs_wire.h, without XS_; a number if there is no such request. */
  readonly name: string;
  readonly message: Message;
}

/** The subject of the probe `xenstored:end`: a connection that this side ended. */
export interface XenstoredEnd {
  readonly domain: number;
  readonly connection: number;
  readonly reason: string;
}

/** Bytes of a reply's payload that are always there. */
const LEAST_REPLY = 16;
/** Milliseconds until it is looked whether a guest that was beyond its memory may be read from again. */
const MEMORY_PATIENCE = 1000;

interface Event {
  readonly path: string;
  readonly token: string;
  readonly cause: Cause | null;
}

/** xenstored 4.17's behaviour: messages in, messages out. */
export class Xenstored {
  readonly #scheduler: Scheduler;
  readonly #clock: Clock;
  readonly #probes: Probes;
  readonly #store: Store;
  #connections = 0;

  constructor({ scheduler, clock, probes, quotas: changes }: XenstoredOptions) {
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#probes = probes;
    const quotas = quotasWith(changes);
    const credits = new WriteCredits(clock, quotas);
    const [tree, watches, domains] = [new Tree(), new WatchTable(), new Domains()];
    this.#store = { tree, watches, domains, quotas, credits, peers: new Set() };
    credits.join(0);
  }

  /**
   * A new connection for a domain. `send` must not call back. `ended` tells that this side ended it, with the reason:
   * the peer broke the protocol, was too slow for its quota, or its domain was released.
   */
  connect(identity: PeerIdentity, send: Send, ended: (reason: string) => void = () => {}): StoreConnection {
    const { quotas, credits, peers, watches, domains } = this.#store;
    const { domain, privileged, bounded = !privileged } = identity;
    const outstanding = this.#outstandingOf(identity);
    credits.join(domain);
    const connection: StoreConnection = new StoreConnection({
      scheduler: this.#scheduler,
      clock: this.#clock,
      send,
      delay: () => this.#delayOf(peer),
      memory: bounded ? quotas.memory : Number.POSITIVE_INFINITY,
      eventTimeout: privileged ? Number.POSITIVE_INFINITY : quotas["event-timeout"],
      handle: (message) => this.#handle(peer, connection, message),
      ended: (reason) => {
        forget();
        watches.removeAll(peer);
        peer.transactions.clear();
        peers.delete(peer);
        if (reason === null) return;
        if (this.#probes.listening) this.#probes.emit("xenstored:end", endOf(peer, reason));
        ended(reason);
      },
    });
    const peer = new Peer(this.#connections++, identity, domains, {
      outstanding,
      get waiting() {
        return connection.waiting;
      },
      event: (path, token, cause) => this.#event(peer, connection, { path, token, cause }),
      end: (reason) => connection.end(reason),
    });
    const forget = outstanding.onFreed(() => connection.wake());
    peers.add(peer);
    return connection;
  }

  /** The nodes below `path` (all of them for "/"), a line each, as `xenstore-ls -p` prints them. */
  dump(path = "/"): string {
    return dumpTree(this.#store.tree, path);
  }

  /** A guest's requests count over all of its connections. */
  #outstandingOf({ domain, privileged }: PeerIdentity): Outstanding {
    if (privileged) return new Outstanding();
    for (const peer of this.#store.peers) if (peer.domain === domain && !peer.privileged) return peer.outstanding;
    return new Outstanding();
  }

  #delayOf({ outstanding, domain, privileged }: Peer): number {
    const { quotas, credits } = this.#store;
    if (outstanding.count >= quotas.outstanding) return Number.POSITIVE_INFINITY;
    return privileged || mayHave(this.#store, domain, 0) ? credits.wait(domain) : MEMORY_PATIENCE;
  }

  #handle(peer: Peer, connection: StoreConnection, message: Message): void {
    const { type, requestId, transactionId } = message;
    this.#probe("xenstored:request", peer, message);
    const cause = new Cause(peer.outstanding);
    const call = Object.hasOwn(CALLS, type) ? CALLS[type] : null;
    const request = call === null ? refuse("ENOSYS") : this.#admit(peer, call, message, cause);
    const outcome = call === null || request instanceof Refusal ? request : answer(call, request);
    const reply =
      typeof outcome === "string"
        ? { type, requestId, transactionId, payload: outcome }
        : { type: XS.ERROR, requestId, transactionId, payload: `${(outcome as Refusal).errno}\0` };
    this.#probe("xenstored:reply", peer, reply);
    connection.reply(reply, cause);
    // The first event of a watch holds up nobody, as in 4.17.
    if (request instanceof Request && request.started !== null) tell(request.started, request.started.path, null);
  }

  #admit(peer: Peer, call: Call, { payload, transactionId }: Message, cause: Cause): Request | Refusal {
    if (call.privileged && !peer.privileged) return refuse("EACCES");
    let transaction: Transaction | null = null;
    if (transactionId !== 0 && !call.outsideTransactions) {
      transaction = peer.transactions.get(transactionId) ?? null;
      if (transaction === null) return refuse("ENOENT");
    }
    return new Request(this.#store, peer, cause, payload, transactionId, transaction);
  }

  /** An event that does not fit into a message is not sent (XSA-324), nor one for which its domain has no memory. */
  #event(peer: Peer, connection: StoreConnection, { path, token, cause }: Event): void {
    const payload = `${path}\0${token}\0`;
    if (payload.length > XENSTORE_PAYLOAD_MAX) return;
    if (!peer.privileged && !mayHave(this.#store, peer.domain, messageSize(payload))) return;
    this.#probe("xenstored:event", peer, { type: XS.WATCH_EVENT, requestId: 0, transactionId: 0, payload });
    connection.event(payload, cause);
  }

  #probe(name: string, { domain, number }: Peer, message: Message): void {
    if (!this.#probes.listening) return;
    const subject: XenstoredMessage = { domain, connection: number, name: nameOf(message.type), message };
    this.#probes.emit(name, subject);
  }
}

function answer(call: Call, request: Request): string | Refusal {
  const { peer, transaction, transactionId } = request;
  if (transaction !== null) transaction.exhausted = false;
  const outcome = call.run(request);
  const stillOpen = transaction !== null && peer.transactions.get(transactionId) === transaction;
  if (stillOpen && transaction.exhausted) return refuse("ENOSPC");
  if (typeof outcome !== "string" || outcome.length <= LEAST_REPLY) return outcome;
  if (outcome.length > XENSTORE_PAYLOAD_MAX) return refuse("E2BIG");
  return peer.privileged || mayHave(request.store, peer.domain, messageSize(outcome)) ? outcome : refuse("ENOMEM");
}

function nameOf(type: number): string {
  if (type === XS.WATCH_EVENT) return "WATCH_EVENT";
  if (type === XS.ERROR) return "ERROR";
  return CALLS[type]?.name ?? String(type);
}

function endOf({ domain, number }: Peer, reason: string): XenstoredEnd {
  return { domain, connection: number, reason };
}

// Knows how a message becomes a call and a call's outcome a reply. The daemon without any transport.

import type { Probes, Scheduler } from "@pvscsi/wire";
import { XENSTORE_PAYLOAD_MAX, XS } from "../abi/xenstore.js";
import { CALLS, type Call } from "./calls.js";
import { StoreConnection } from "./connection.js";
import { Domains } from "./domains.js";
import { dumpTree } from "./dump.js";
import type { Message } from "./framing.js";
import type { Send } from "./output.js";
import { Peer, type PeerIdentity } from "./peer.js";
import { type Quotas, quotasWith } from "./quotas.js";
import { Refusal, refuse } from "./refusal.js";
import { Request } from "./request.js";
import type { Store } from "./store.js";
import type { Transaction } from "./transactions.js";
import { Tree } from "./tree.js";
import { tell, WatchTable } from "./watches.js";

export interface XenstoredOptions {
  readonly scheduler: Scheduler;
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

/** xenstored 4.17's behaviour: messages in, messages out. */
export class Xenstored {
  readonly #scheduler: Scheduler;
  readonly #probes: Probes;
  readonly #store: Store;
  #connections = 0;

  constructor({ scheduler, probes, quotas }: XenstoredOptions) {
    this.#scheduler = scheduler;
    this.#probes = probes;
    this.#store = {
      tree: new Tree(),
      watches: new WatchTable(),
      domains: new Domains(),
      quotas: quotasWith(quotas),
      peers: new Set(),
    };
  }

  /**
   * A new connection for a domain. `send` must not call back. `ended` tells that this side ended it, with the reason:
   * the peer broke the protocol, was too slow for its quota, or its domain was released.
   */
  connect(identity: PeerIdentity, send: Send, ended: (reason: string) => void = () => {}): StoreConnection {
    const { quotas, peers, watches, domains } = this.#store;
    const { privileged, bounded = !privileged } = identity;
    const connection: StoreConnection = new StoreConnection({
      scheduler: this.#scheduler,
      send,
      outstanding: quotas.outstanding,
      memory: bounded ? quotas.memory : Number.POSITIVE_INFINITY,
      handle: (message) => this.#handle(peer, connection, message),
      ended: (reason) => {
        watches.removeAll(peer);
        peer.transactions.clear();
        peers.delete(peer);
        if (reason === null) return;
        if (this.#probes.listening) this.#probes.emit("xenstored:end", endOf(peer, reason));
        ended(reason);
      },
    });
    const peer = new Peer(this.#connections++, identity, domains, {
      event: (path, token) => this.#event(peer, connection, path, token),
      end: (reason) => connection.end(reason),
    });
    peers.add(peer);
    return connection;
  }

  /** The nodes below `path` (all of them for "/"), a line each, as `xenstore-ls -p` prints them. */
  dump(path = "/"): string {
    return dumpTree(this.#store.tree, path);
  }

  #handle(peer: Peer, connection: StoreConnection, message: Message): void {
    const { type, requestId, transactionId } = message;
    this.#probe("xenstored:request", peer, message);
    const call = Object.hasOwn(CALLS, type) ? CALLS[type] : null;
    const request = call === null ? refuse("ENOSYS") : this.#admit(peer, call, message);
    const outcome = call === null || request instanceof Refusal ? request : answer(call, request);
    const reply =
      typeof outcome === "string"
        ? { type, requestId, transactionId, payload: outcome }
        : { type: XS.ERROR, requestId, transactionId, payload: `${(outcome as Refusal).errno}\0` };
    this.#probe("xenstored:reply", peer, reply);
    connection.reply(reply);
    if (request instanceof Request && request.started !== null) tell(request.started, request.started.path);
  }

  #admit(peer: Peer, call: Call, { payload, transactionId }: Message): Request | Refusal {
    if (call.privileged && !peer.privileged) return refuse("EACCES");
    let transaction: Transaction | null = null;
    if (transactionId !== 0 && !call.outsideTransactions) {
      transaction = peer.transactions.get(transactionId) ?? null;
      if (transaction === null) return refuse("ENOENT");
    }
    return new Request(this.#store, peer, payload, transactionId, transaction);
  }

  /** An event that does not fit into a message is not sent (XSA-324). */
  #event(peer: Peer, connection: StoreConnection, path: string, token: string): void {
    const payload = `${path}\0${token}\0`;
    if (payload.length > XENSTORE_PAYLOAD_MAX) return;
    this.#probe("xenstored:event", peer, { type: XS.WATCH_EVENT, requestId: 0, transactionId: 0, payload });
    connection.event(payload);
  }

  #probe(name: string, { domain, number }: Peer, message: Message): void {
    if (!this.#probes.listening) return;
    const subject: XenstoredMessage = { domain, connection: number, name: nameOf(message.type), message };
    this.#probes.emit(name, subject);
  }
}

function answer(call: Call, request: Request): string | Refusal {
  const { peer, transaction, transactionId } = request;
  const outcome = call.run(request);
  const stillOpen = transaction !== null && peer.transactions.get(transactionId) === transaction;
  if (stillOpen && transaction.exhausted) return refuse("ENOSPC");
  return typeof outcome === "string" && outcome.length > XENSTORE_PAYLOAD_MAX ? refuse("E2BIG") : outcome;
}

function nameOf(type: number): string {
  if (type === XS.WATCH_EVENT) return "WATCH_EVENT";
  if (type === XS.ERROR) return "ERROR";
  return CALLS[type]?.name ?? String(type);
}

function endOf({ domain, number }: Peer, reason: string): XenstoredEnd {
  return { domain, connection: number, reason };
}

// Knows the commands of a connection by their Initiator Task Tags. A Map would do, but makes its table anew again and again as
// keys come and go: 216 bytes a command.

import type { Exchange } from "./exchange.js";

/** A power of two. As an initiator chooses the tags, it may make one chain of all: there are some hundreds at most. */
const CHAINS = 256;

export class TagTable {
  /** Commands in it. */
  size = 0;
  readonly #chains: (Exchange | null)[] = new Array(CHAINS).fill(null);

  find(tag: number): Exchange | undefined {
    let each = this.#chains[chainOf(tag)];
    while (each !== null && each.itt !== tag) each = each.next;
    return each ?? undefined;
  }

  /** Adds one whose tag no other has. */
  add(exchange: Exchange): void {
    const chain = chainOf(exchange.itt);
    exchange.next = this.#chains[chain];
    this.#chains[chain] = exchange;
    this.size += 1;
  }

  /** Takes one out that is in it. */
  remove(exchange: Exchange): void {
    const chain = chainOf(exchange.itt);
    const first = this.#chains[chain];
    if (first === exchange) this.#chains[chain] = exchange.next;
    else {
      let before = first as Exchange;
      while (before.next !== exchange) before = before.next as Exchange;
      before.next = exchange.next;
    }
    exchange.next = null;
    this.size -= 1;
  }

  /** All of them, as a list of its own. */
  list(): Exchange[] {
    const all: Exchange[] = [];
    for (const first of this.#chains) for (let each = first; each !== null; each = each.next) all.push(each);
    return all;
  }
}

/** Tags count up in most initiators, and in some by 2^16. */
function chainOf(tag: number): number {
  return (tag ^ (tag >>> 8) ^ (tag >>> 16)) & (CHAINS - 1);
}

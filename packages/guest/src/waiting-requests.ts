// Knows the block requests of a disk that wait, or parts of which do, in their order. Allocates nothing.

import type { BlockRequest } from "./block-request.js";

export class WaitingRequests {
  #first: BlockRequest | null = null;
  #last: BlockRequest | null = null;

  get first(): BlockRequest | null {
    return this.#first;
  }

  append(request: BlockRequest): void {
    request.next = null;
    request.queued = true;
    if (this.#last === null) this.#first = request;
    else this.#last.next = request;
    this.#last = request;
  }

  /** Takes the first one out. */
  removeFirst(first: BlockRequest): void {
    first.queued = false;
    this.#first = first.next;
    if (this.#first === null) this.#last = null;
  }

  /** The request with this context, if it is here. */
  find(context: unknown): BlockRequest | null {
    let at = this.#first;
    while (at !== null && at.context !== context) at = at.next;
    return at;
  }

  /** Takes a request out nothing of which has begun; false when something has, or when it is not here. */
  withdraw(request: BlockRequest): boolean {
    if (!request.queued || request.issued > 0 || request.commands > 0) return false;
    let previous: BlockRequest | null = null;
    for (let at = this.#first; at !== null; previous = at, at = at.next) {
      if (at !== request) continue;
      if (previous === null) this.#first = at.next;
      else previous.next = at.next;
      if (this.#last === at) this.#last = previous;
      request.queued = false;
      return true;
    }
    return false;
  }
}

// Knows how a request is refused: a value that names an errno.

import type { XenstoreErrno } from "./client.js";

/** A request's failure. */
export class Refusal {
  constructor(readonly errno: XenstoreErrno) {}
}

export function refuse(errno: XenstoreErrno): Refusal {
  return new Refusal(errno);
}

// Knows the client's half of xenstore as drivers see it: what can be asked, and how it fails.

import type { XsdErrno } from "../abi/xenstore.js";

/** Names of the errors xenstored answers with. */
export type XenstoreErrno = keyof typeof XsdErrno;

/** A request that xenstored answered with an error; EIO when the connection ended before it was answered. */
export class XenstoreError extends Error {
  override readonly name = "XenstoreError";
  constructor(
    readonly errno: XenstoreErrno,
    what: string,
    options?: ErrorOptions,
  ) {
    super(`${what}: ${errno}`, options);
  }
}

/** Reads and writes, inside a transaction or outside. Values are text (latin1 on the wire for bytes above 7f). */
export interface XenstoreAccess {
  /** The value, or null when there is no such node. */
  read(path: string): Promise<string | null>;
  write(path: string, value: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  /** Removes a node and all below it; no such node is no error. */
  remove(path: string): Promise<void>;
  /** Names of the children, or null when there is no such node. */
  list(path: string): Promise<string[] | null>;
  permissions(path: string): Promise<string[]>;
  setPermissions(path: string, permissions: readonly string[]): Promise<void>;
}

export interface XenstoreClient extends XenstoreAccess {
  /**
   * Runs `body` in a transaction, again while xenstored answers EAGAIN to its end, or EIO to a removal: what it met was changed
   * outside. If `body` throws anything else, the transaction is dropped.
   */
  transaction<Result>(body: (access: XenstoreAccess) => Promise<Result>): Promise<Result>;
  /** Calls `listener` with what changed: once at first, then at each change at or below `path`. Returns its end. */
  watch(path: string, listener: (path: string) => void): Promise<() => Promise<void>>;
}

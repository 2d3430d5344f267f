// Knows how functions of the C library are called, and how their failures are told.

import { constants } from "node:os";
import type { Koffi, KoffiLibrary } from "./koffi.js";

/** A call that failed. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  /** Its name, such as `EINVAL`; `E` and the number where Node has none. */
  readonly code: string;
  readonly errno: number;

  constructor(call: string, errno: number) {
    const found = Object.entries(constants.errno).find(([, value]) => value === errno);
    const code = found?.[0] ?? `E${errno}`;
    super(`${call}: ${code}`);
    this.code = code;
    this.errno = errno;
  }
}

/** A function; its words are numbers, addresses as numbers, texts, and bytes that are lent for the call. */
export type Call = (...words: readonly unknown[]) => number;

/** What a call that is done in another thread has returned, with SystemCallError where that is negative. */
export type Called = (error: Error | null, result: number) => void;
export type LaterCall = (words: readonly unknown[], done: Called) => void;

export class Calls {
  readonly #koffi: Koffi;
  readonly #library: KoffiLibrary;

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    this.#library = koffi.load(null);
  }

  /** A function by its prototype in C, which returns what the function returns. */
  raw(prototype: string): Call {
    return this.#library.func(prototype);
  }

  /** The same, or null where this machine's C library has no such function. */
  optional(prototype: string): Call | null {
    try {
      return this.raw(prototype);
    } catch {
      return null;
    }
  }

  /** The same as `raw`, which throws SystemCallError where the function returns a negative number. */
  checked(name: string, prototype: string): Call {
    const call = this.raw(prototype);
    return (...words) => {
      const result = call(...words);
      if (result < 0) throw this.failure(name);
      return result;
    };
  }

  /** The same in another thread, for calls that may wait for a medium: `done` follows, never before this returns. */
  later(name: string, prototype: string): LaterCall {
    const call = this.#library.func(prototype);
    return (words, done) => {
      call.async(...words, (error: Error | null, result: number) => {
        if (error !== null) done(error, result);
        else done(result < 0 ? this.failure(name) : null, result);
      });
    };
  }

  /** The errno of the last call. */
  get errno(): number {
    return this.#koffi.errno();
  }

  /** Of the last call, which was `call`. */
  failure(call: string): SystemCallError {
    return new SystemCallError(call, this.errno);
  }
}

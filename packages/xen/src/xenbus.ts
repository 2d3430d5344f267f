// Knows how a xenbus driver keeps its half of a device: its state node, its peer's, and the reason of a failure.
// Knows no device class.

import { parseXenbusState, XenbusState } from "./abi/xenbus.js";
import { type XenstoreAccess, type XenstoreClient, XenstoreError } from "./xenstore/client.js";

/**
 * A number as Linux' drivers scan it out of a node: leading blanks, then decimal digits; what follows is ignored.
 * Null when the node is missing, has no digits first, or is above `limit`.
 */
export function scanNumber(text: string | null, limit = 0xffff_ffff): number | null {
  const digits = /^\s*(\d+)/.exec(text ?? "")?.[1];
  if (digits === undefined) return null;
  const value = Number(digits);
  return value <= limit ? value : null;
}

/**
 * A driver's state as its peer reads it: Unknown when the node is missing or says nothing. EACCES is how a node that is
 * gone looks to who may not read the node above it; Linux' xenbus_read_driver_state makes Unknown of it too.
 */
export async function readState(store: XenstoreAccess, devicePath: string): Promise<XenbusState> {
  try {
    return parseXenbusState(await store.read(`${devicePath}/state`));
  } catch (error) {
    if (error instanceof XenstoreError && error.errno === "EACCES") return XenbusState.Unknown;
    throw error;
  }
}

/**
 * Writes a driver's own state, in a transaction as Linux does, and only while the node exists: a device that the
 * toolstack has removed does not come back. False when it was gone.
 */
export async function writeState(store: XenstoreClient, devicePath: string, state: XenbusState): Promise<boolean> {
  return store.transaction(async (transaction) => {
    const exists = (await transaction.read(`${devicePath}/state`)) !== null;
    if (exists) await transaction.write(`${devicePath}/state`, String(state));
    return exists;
  });
}

/** Errno values that drivers put in front of their reasons. */
export const DriverErrno = { ENOENT: 2, EIO: 5, ENOMEM: 12, ENODEV: 19, EINVAL: 22, EPROTO: 71 } as const;

/**
 * Says why a device failed, where Linux' drivers say it: `error/<path below the own domain>/error`, as
 * `<positive errno> <message>`. `relativePath` is relative to the driver's own domain.
 */
export async function writeReason(
  store: XenstoreAccess,
  relativePath: string,
  errno: number,
  message: string,
): Promise<void> {
  await store.write(`error/${relativePath}/error`, `${errno} ${message}`);
}

/**
 * Runs an asynchronous body whenever it is asked to, one run at a time. However often it is asked during a run, one
 * more run follows: a peer that rewrites a watched node 10^5 times costs two runs, not a queue (XSA-349).
 */
export class Coalesced {
  readonly #body: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #asked = false;
  /** Set apart from `#run`'s promise, which is not there yet when the body asks before its first wait. */
  #active = false;
  #running: Promise<void> = Promise.resolve();

  /** `failed` hears what `body` throws. */
  constructor(body: () => Promise<void>, failed: (error: unknown) => void) {
    this.#body = body;
    this.#failed = failed;
  }

  /** Asks for a run. */
  ask(): void {
    this.#asked = true;
    if (this.#active) return;
    this.#active = true;
    this.#running = this.#run();
  }

  /** Ends when no run is under way and none is asked for. */
  async idle(): Promise<void> {
    while (this.#active) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#asked) {
      this.#asked = false;
      try {
        await this.#body();
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#active = false;
  }
}

// Knows how to wait for a node to say something, with a limit in time. Knows no device.

import type { Clock } from "@pvscsi/wire";
import { Coalesced, type XenstoreClient } from "@pvscsi/xen";
import { ToolstackError } from "./errors.js";

/** Tells that somebody does not want to wait any longer: as much of an AbortSignal as that takes. */
export interface Interruption {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** libxl's LIBXL_INIT_TIMEOUT and LIBXL_DESTROY_TIMEOUT, in milliseconds. */
export const DEVICE_TIMEOUT = 10_000;

/**
 * Looks at `path` whenever it or anything below it changes, until `look` gives something other than null or throws;
 * null when `DEVICE_TIMEOUT` has passed first. Throws when `signal` is aborted.
 */
export async function waitFor<Result>(
  store: XenstoreClient,
  clock: Clock,
  path: string,
  look: () => Promise<Result | null>,
  signal?: Interruption,
): Promise<Result | null> {
  let finish: (result: Result | null) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const found = new Promise<Result | null>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  const looking = new Coalesced(async () => {
    const result = await look();
    if (result !== null) finish(result);
  }, fail);
  const abort = (): void => fail(interrupted());
  const unwatch = await store.watch(path, () => looking.ask());
  const timer = clock.after(DEVICE_TIMEOUT, { run: () => finish(null) });
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    return await found;
  } finally {
    clock.cancel(timer);
    signal?.removeEventListener("abort", abort);
    await unwatch();
    await looking.idle();
  }
}

/** What was ended by an `Interruption`. */
export function interrupted(): ToolstackError {
  return new ToolstackError("FAIL", "interrupted");
}

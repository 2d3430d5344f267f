// Knows how to wait for a node to say something, with a limit in time. Knows no device.

import type { Clock } from "@pvscsi/wire";
import { Coalesced, type XenstoreClient } from "@pvscsi/xen";

/** libxl's LIBXL_INIT_TIMEOUT and LIBXL_DESTROY_TIMEOUT, in milliseconds. */
export const DEVICE_TIMEOUT = 10_000;

/**
 * Looks at `path` whenever it or anything below it changes, until `look` gives something other than null or throws;
 * null when `DEVICE_TIMEOUT` has passed first.
 */
export async function waitFor<Result>(
  store: XenstoreClient,
  clock: Clock,
  path: string,
  look: () => Promise<Result | null>,
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
  const unwatch = await store.watch(path, () => looking.ask());
  const timer = clock.after(DEVICE_TIMEOUT, { run: () => finish(null) });
  try {
    return await found;
  } finally {
    clock.cancel(timer);
    await unwatch();
    await looking.idle();
  }
}

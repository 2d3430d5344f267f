// Knows which way leads to the xenstored at a path: a Unix socket, or the device by which a Xen host's kernel passes requests on.
// Knows no messages.

import { stat } from "node:fs/promises";
import type { XenstoreSession } from "@pvscsi/xen";
import { connectStore } from "./store-client.js";
import type { HostCalls } from "./xen-host/host-calls.js";
import { openHostStore } from "./xen-host/host-store.js";

/**
 * A session with whom `path` leads to; its `close` ends it. `calls` is asked for only where it is a device. `ended` is called when
 * the session is over, from whichever side. Rejects as `connect` does, e.g. ECONNREFUSED, as `calls`, or with NoXenHost.
 */
export async function openStore(
  path: string,
  calls: () => Promise<HostCalls>,
  ended: () => void = () => {},
): Promise<XenstoreSession> {
  return (await isDevice(path)) ? openHostStore(await calls(), path, ended).store : connectStore(path, ended);
}

/** Whatever cannot be looked at is told by connecting to it. */
async function isDevice(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isCharacterDevice(),
    () => false,
  );
}

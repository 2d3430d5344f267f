// Knows how a controller comes to its end: its back end is asked to close and waited for, then all its nodes are removed. Knows
// nothing of LUNs.

import type { Clock } from "@pvscsi/wire";
import { parseXenbusState, readState, XenbusState, type XenstoreAccess, type XenstoreClient } from "@pvscsi/xen";
import { removeController } from "./device-nodes.js";
import type { ControllerHalves, ControllerInfo } from "./inventory.js";
import { waitFor } from "./wait.js";

export interface ClosingParts {
  readonly store: XenstoreClient;
  readonly clock: Clock;
}

/** libxl's request to both halves. A back end that is closed, or gone, needs none. */
export async function askToClose(
  store: XenstoreAccess,
  { backendPath, backendState }: Pick<ControllerInfo, "backendPath" | "backendState">,
): Promise<void> {
  if (backendState === null) return;
  await store.write(`${backendPath}/online`, "0");
  if (backendState !== XenbusState.Closed) await store.write(`${backendPath}/state`, String(XenbusState.Closing));
}

/** Waits until a back end that was asked to close has done so; false when it took too long. */
export async function waitClosed({ store, clock }: ClosingParts, path: string): Promise<boolean> {
  const look = async (): Promise<true | null> => {
    const gone = (await store.read(`${path}/state`)) === null;
    return gone || (await readState(store, path)) === XenbusState.Closed ? true : null;
  };
  return (await waitFor(store, clock, `${path}/state`, look)) === true;
}

/** Removes all nodes of a controller, in one transaction. */
export async function removeNodes({ store }: ClosingParts, controller: ControllerHalves): Promise<void> {
  const { domain, backendDomain, devid } = controller;
  await store.transaction((transaction) => removeController(transaction, domain, backendDomain, devid));
}

/**
 * Begins the end of a controller whose guest is gone: its front end goes first, the back end follows by itself. True when there is
 * a back end to wait for: what none has taken yet is removed at once.
 */
export async function beginEnd({ store }: ClosingParts, controller: ControllerHalves): Promise<boolean> {
  const { domain, devid, backendDomain, backendPath, frontendPath } = controller;
  return store.transaction(async (transaction) => {
    const state = await transaction.read(`${backendPath}/state`);
    const backendState = state === null ? null : parseXenbusState(state);
    if (backendState === XenbusState.Initialising) {
      await removeController(transaction, domain, backendDomain, devid);
      return false;
    }
    await transaction.remove(frontendPath);
    await askToClose(transaction, { backendPath, backendState });
    return true;
  });
}

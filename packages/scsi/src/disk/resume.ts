// Knows what becomes of an operation that a loss of power has met: it begins again, or has failed as before (SBC-3 4.11, 5.3).

import type { Disk } from "./disk.js";
import { FORMAT } from "./format.js";
import { Operation } from "./operation.js";
import { type KeptOperation, readOperation } from "./operation-kept.js";
import { SANITIZE } from "./sanitize.js";

const KINDS = { sanitize: SANITIZE, format: FORMAT } as const;

/** Goes on with what was kept. Throws `StoreError` when that is none that can be believed. */
export function resume(disk: Disk): void {
  const kept = disk.identity.operations?.kept ?? null;
  if (kept === null) return;
  const read = readOperation(kept);
  const failed = read.failed || !canGoOn(disk, read);
  const { exits, passes } = read;
  const operation = new Operation(disk, null, { kind: KINDS[read.kind], passes, exits, failed, immediate: true });
  if (!failed) operation.begin();
}

/** A medium that is only read, or that has other means by now, stays as it was left. */
function canGoOn({ readOnly, identity, changesKey }: Disk, { passes }: KeptOperation): boolean {
  if (readOnly || identity.clock === undefined) return false;
  return changesKey || passes.every(({ operation }) => operation !== "change-key");
}

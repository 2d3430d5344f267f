// Knows what is counted of a benchmark's operations, and where: by domains, and by stores.

import type { Counts } from "@pvscsi/bench";
import type { MemoryStore } from "@pvscsi/scsi";
import type { HostedDomain } from "@pvscsi/xen";

/** Nothing has been counted. */
export const NO_COUNTS: Counts = { notifications: null, grantOperations: null, copiedBytes: null };

/** What only a store is asked. */
export function storeCounts({ copiedBytes }: Pick<MemoryStore, "copiedBytes">): Counts {
  return { ...NO_COUNTS, copiedBytes };
}

/** What domains have done that run here. Events of a domain that runs elsewhere are counted there. */
export function domainCounts(own: readonly HostedDomain[], elsewhere: readonly HostedDomain[] = []): Counts {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    notifications: sum(own.map(({ events }) => events.sent)),
    grantOperations: sum(own.map(({ grantOperations }) => grantOperations)),
    copiedBytes: sum([...own, ...elsewhere].map(({ copiedBytes }) => copiedBytes)),
  };
}

/** Both together; what one does not have is the other's. */
export function addCounts(one: Counts, other: Counts): Counts {
  const add = (a: number | null, b: number | null): number | null => (a === null ? b : a + (b ?? 0));
  return {
    notifications: add(one.notifications, other.notifications),
    grantOperations: add(one.grantOperations, other.grantOperations),
    copiedBytes: add(one.copiedBytes, other.copiedBytes),
  };
}

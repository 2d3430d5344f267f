// Knows what a guest may use up, and how large a node counts. Privileged connections have no quotas.

import { XENSTORE_REL_PATH_MAX } from "../abi/xenstore.js";
import type { NodeContent } from "./tree.js";

/** One limit: its number unless told otherwise, and what it is for. */
interface Quota {
  readonly value: number;
  readonly text: string;
}

const QUOTAS = {
  nodes: { value: 1000, text: "Nodes per domain" },
  watches: { value: 128, text: "Watches per domain" },
  transactions: { value: 10, text: "Transactions per domain" },
  outstanding: { value: 20, text: "Outstanding requests per domain" },
  "transaction-nodes": { value: 1024, text: "Max. number of accessed nodes per transaction" },
  memory: { value: 2621440, text: "Total Xenstore memory per domain (error level)" },
  "node-size": { value: 2048, text: "Max. size of a node" },
  "path-max": { value: XENSTORE_REL_PATH_MAX, text: "Max. length of a node path" },
  permissions: { value: 5, text: "Max. number of permissions per node" },
} as const satisfies Record<string, Quota>;

/** Limits that `quota` does not show: 4.17 is built with them, but for the last, with which it is started. */
const PACE = {
  "write-rate": { value: 200, text: "Writes a second of all domains together, while transactions are open" },
  "write-burst": { value: 10, text: "Writes a domain may have saved up" },
  "write-reserve": { value: 1000, text: "Writes that all have saved up beyond that, for whoever needs them" },
  "write-newcomers": { value: 5, text: "New domains that get their burst before it was saved up" },
  "event-timeout": { value: 20_000, text: "Milliseconds an event waits for a domain that does not read" },
} as const satisfies Record<string, Quota>;

export type QuotaName = keyof typeof QUOTAS | keyof typeof PACE;
/** Every limit. `memory` also bounds the bytes that wait in one connection, read or not yet sent. */
export type Quotas = Record<QuotaName, number>;

/** The limits of xenstored 4.17, changed as told. */
export function quotasWith(changes: Partial<Quotas> = {}): Quotas {
  const defaults = Object.fromEntries(Object.entries({ ...QUOTAS, ...PACE }).map(([name, { value }]) => [name, value]));
  return { ...(defaults as Quotas), ...changes };
}

/** Changes a limit that `quota` shows; false where there is none of that name. */
export function setQuota(quotas: Quotas, name: string, value: number): boolean {
  if (!Object.hasOwn(QUOTAS, name)) return false;
  quotas[name as QuotaName] = value;
  return true;
}

/** A line for each limit, as `xenstore-control quota` shows them. */
export function printQuotas(quotas: Quotas): string {
  const lines = Object.entries(QUOTAS).map(([name, { text }]) => {
    return `${name.padEnd(17)}: ${String(quotas[name as QuotaName]).padStart(8)} ${text}\n`;
  });
  return `Quota settings:\n${lines.join("")}`;
}

/** Bytes a node counts: xenstored's record header, 8 a permission, the value, and the children's names with NULs. */
export function nodeSize({ value, permissions, children }: NodeContent): number {
  let names = 0;
  for (const name of children) names += name.length + 1;
  return 24 + 8 * permissions.length + value.length + names;
}

/** Bytes a node takes: its path comes to its size. */
export function recordSize(path: string, content: NodeContent): number {
  return path.length + nodeSize(content);
}

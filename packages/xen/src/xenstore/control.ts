// Knows the commands of CONTROL, for xenstore-control.

import { splitStrings } from "./framing.js";
import { memoryOf } from "./memory.js";
import { printQuotas, setQuota } from "./quotas.js";
import { type Refusal, refuse } from "./refusal.js";
import { DONE, leadingNumber, type Request } from "./request.js";
import { transactionsOf, watchesOf } from "./session-calls.js";
import type { Store } from "./store.js";

interface ControlCommand {
  readonly usage: string;
  /** Most words that it takes. */
  readonly most: number;
  readonly run: (request: Request, words: readonly string[]) => string | Refusal;
}

const COMMANDS: Readonly<Record<string, ControlCommand>> = {
  // There is nothing to repair: the tree is never half changed.
  check: { usage: "", most: 0, run: () => DONE },
  quota: { usage: "[set <name> <val>|<domid>]", most: 3, run: runQuota },
  help: { usage: "", most: 0, run: () => `${helpText()}\0` },
};

/** command|word|... */
export function runControl(request: Request): string | Refusal {
  const [name, ...words] = splitStrings(request.payload);
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : null;
  return command === null || words.length > command.most ? refuse("EINVAL") : command.run(request, words);
}

/** All limits, what a domain has of them, or a new value of one. */
function runQuota({ store }: Request, words: readonly string[]): string | Refusal {
  const [first, name, text] = words;
  if (words.length === 0) return `${printQuotas(store.quotas)}\0`;
  if (first === "set") {
    const value = words.length === 3 ? leadingNumber(text) : 0;
    return value >= 1 && setQuota(store.quotas, name, value) ? DONE : refuse("EINVAL");
  }
  if (words.length > 1) return refuse("EINVAL");
  const domain = leadingNumber(first) >>> 0;
  return store.domains.has(domain) ? `${printUse(store, domain)}\0` : refuse("ENOENT");
}

/** Of the tools' connections only the memory counts. */
function printUse(store: Store, domain: number): string {
  const peers = [...store.peers].filter((peer) => peer.domain === domain && !peer.privileged);
  const use = {
    nodes: store.tree.owned(domain),
    watches: watchesOf(store, domain),
    transactions: transactionsOf(store, domain),
    outstanding: peers[0]?.outstanding.count ?? 0,
    memory: memoryOf(store, domain),
  };
  const lines = Object.entries(use).map(([name, count]) => `${name.padEnd(16)}: ${String(count).padStart(8)}\n`);
  return `Domain ${domain}:\n${lines.join("")}`;
}

function helpText(): string {
  return Object.entries(COMMANDS)
    .map(([name, { usage }]) => `${name}\t${usage}\n`)
    .join("");
}

// Knows the commands of CONTROL, for xenstore-control.

import { splitStrings } from "./framing.js";
import { printQuotas } from "./quotas.js";
import { type Refusal, refuse } from "./refusal.js";
import { DONE, type Request } from "./request.js";

interface ControlCommand {
  readonly usage: string;
  readonly run: (request: Request) => string;
}

const COMMANDS: Readonly<Record<string, ControlCommand>> = {
  // There is nothing to repair: the tree is never half changed.
  check: { usage: "", run: () => DONE },
  quota: { usage: "", run: ({ store }) => `${printQuotas(store.quotas)}\0` },
  help: { usage: "", run: () => `${helpText()}\0` },
};

/** command|: no command there is takes arguments. */
export function runControl(request: Request): string | Refusal {
  const [name, ...words] = splitStrings(request.payload);
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : null;
  return command === null || words.length > 0 ? refuse("EINVAL") : command.run(request);
}

function helpText(): string {
  return Object.entries(COMMANDS)
    .map(([name, { usage }]) => `${name}\t${usage}\n`)
    .join("");
}

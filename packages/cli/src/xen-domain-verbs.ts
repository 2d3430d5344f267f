// Knows the verbs of domains on a real Xen host: xl makes and ends them, and what libxl does not know of vscsi comes beside it.

import { formatWarning } from "@pvscsi/config";
import { readMachineConfig } from "@pvscsi/host";
import type { XlDomains } from "@pvscsi/toolstack";
import { DIALECT_OPTION, dialectOf, guestId } from "./domain-verbs.js";
import { pathIn } from "./node-files.js";
import type { ScsiSystem } from "./scsi-verbs.js";
import { Exit, type Outcome, type VerbUsage, type VerbWords } from "./verb.js";

/** What the verbs need there. */
export interface XenSystem extends ScsiSystem {
  readonly domains: XlDomains;
}

export interface XenVerb extends VerbUsage {
  readonly run: (system: XenSystem, words: VerbWords) => Promise<string | Outcome>;
}

export const XEN_DOMAIN_VERBS: readonly XenVerb[] = [
  {
    name: "create",
    parameters: "CFG",
    summary: "start a guest by xl, with the LUNs that its vscsi names",
    example: "create --xen domU.cfg",
    least: 1,
    most: 1,
    options: [DIALECT_OPTION, { name: "-p", summary: "leave it paused" }],
    xl: "modifies",
    run: create,
  },
  {
    name: "destroy",
    parameters: "DOM",
    summary: "end a guest by xl, and remove its LUNs",
    example: "destroy --xen domU",
    least: 1,
    most: 1,
    xl: "modifies",
    run: destroy,
  },
];

async function create({ domains }: XenSystem, { arguments: [path], options, directory }: VerbWords): Promise<Outcome> {
  const config = await readMachineConfig(pathIn(directory, path), dialectOf(options));
  await domains.create(config, { paused: options.has("-p") });
  return { output: "", errors: config.warnings.map(formatWarning).join("\n"), status: Exit.done };
}

async function destroy(system: XenSystem, { arguments: [name] }: VerbWords): Promise<string> {
  await system.domains.destroy(await guestId(system, name));
  return "";
}

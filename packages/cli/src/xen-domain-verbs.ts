// Knows the verbs of domains on a real Xen host: xl makes and ends them, and what libxl does not know of vscsi comes beside it.

import { formatWarning } from "@pvscsi/config";
import { readMachineConfig } from "@pvscsi/host";
import { ToolstackError, type XlDomains, type XlGuest, type XlRestarts } from "@pvscsi/toolstack";
import { DIALECT_OPTION, dialectOf, guestId } from "./domain-verbs.js";
import { pathIn } from "./node-files.js";
import type { ScsiSystem } from "./scsi-verbs.js";
import { Exit, type Outcome, success, type VerbUsage, type VerbWords } from "./verb.js";

/** What the verbs need there. */
export interface XenSystem extends ScsiSystem {
  readonly domains: XlDomains;
  /** Resolves, with the exit status, when the person who waits has had enough; nothing else comes of it then. */
  readonly interrupted: () => Promise<number>;
  readonly restartsOf: (guest: XlGuest, restarted: (domain: number) => void) => XlRestarts;
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
    options: [
      DIALECT_OPTION,
      { name: "-p", summary: "leave it paused" },
      {
        name: "-F",
        summary: "stay until its end: when xl starts it again it has its LUNs again, and none is left over",
      },
    ],
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

async function create(system: XenSystem, words: VerbWords): Promise<Outcome> {
  const { options, directory, print } = words;
  const config = await readMachineConfig(pathIn(directory, words.arguments[0]), dialectOf(options));
  const warnings = config.warnings.map(formatWarning);
  const leaving = new AbortController();
  const left = system.interrupted().then((status) => {
    leaving.abort();
    return status;
  });
  const guest = await system.domains.create(config, { paused: options.has("-p"), signal: leaving.signal });
  if (!options.has("-F")) return { output: "", errors: warnings.join("\n"), status: Exit.done };
  const { name } = guest;
  print([...warnings, `${name} is domain ${guest.domain}; this stays until its end`].join("\n"));
  const restarts = system.restartsOf(guest, (domain) => print(`${name} has been started again, as domain ${domain}`));
  const status = await Promise.race([restarts.follow().then(() => Exit.done), left]);
  return { ...success(leaving.signal.aborted ? `${name} goes on` : `${name} has ended`), status };
}

/** A domain that is gone may have left something. */
async function destroy({ domains, ...system }: XenSystem, { arguments: [name] }: VerbWords): Promise<string> {
  try {
    await domains.destroy(await guestId(system, name));
  } catch (error) {
    const gone = error instanceof ToolstackError && error.code === "DOMAIN_NOTFOUND" && /^[1-9]\d{0,4}$/.test(name);
    if (!gone || !(await domains.clear(Number(name)))) throw error;
  }
  return "";
}

// Knows the verbs of domains: xl's words, arguments and output.

import { formatWarning, type VscsiDialect } from "@pvscsi/config";
import { readMachineConfig } from "@pvscsi/host";
import { type DomainInfo, type Toolstack, ToolstackError } from "@pvscsi/toolstack";
import { activityText } from "./activity.js";
import { NBD_USAGE } from "./nbd-command.js";
import { pathIn } from "./node-files.js";
import type { System } from "./system.js";
import { Exit, JSON_OPTION, type Outcome, UsageError, type Verb, type VerbOption, type VerbWords } from "./verb.js";

/** How the third field of a vscsi entry may be read. */
export const DIALECTS: readonly VscsiDialect[] = ["libxl", "xend"];

/** Of the verbs that read a domU.cfg. */
export const DIALECT_OPTION: VerbOption = {
  name: "--dialect",
  value: "DIALECT",
  summary: `how vscsi is read: ${DIALECTS.join(" or ")}`,
};

export const GUEST_VERB: Verb = {
  name: "guest",
  parameters: "DOM -- COMMAND [ARGUMENT...]",
  summary: `run a command inside a guest (\`guest DOM -- help\` lists them), or serve its disk: ${NBD_USAGE}`,
  example: "guest domU -- lsscsi -g",
  least: 2,
  most: Number.POSITIVE_INFINITY,
  passesOn: true,
  run: guest,
};

export const DOMAIN_VERBS: readonly Verb[] = [
  {
    name: "create",
    parameters: "CFG",
    summary: "start a guest from a domU.cfg",
    example: "create configs/domU.cfg",
    least: 1,
    most: 1,
    options: [
      DIALECT_OPTION,
      { name: "--elsewhere", summary: "somebody starts its process, by pvscsi join on whatever machine", own: true },
    ],
    xl: "modifies",
    run: create,
  },
  {
    name: "destroy",
    parameters: "DOM",
    summary: "end a guest at once",
    example: "destroy domU",
    least: 1,
    most: 1,
    xl: "modifies",
    run: destroy,
  },
  {
    name: "pause",
    parameters: "DOM",
    summary: "stop a guest where it is",
    example: "pause domU",
    least: 1,
    most: 1,
    xl: "modifies",
    run: async (system, { arguments: [name] }) => {
      await system.toolstack.pause(await guestId(system, name));
      return "";
    },
  },
  {
    name: "unpause",
    parameters: "DOM",
    summary: "let a paused guest go on",
    example: "unpause domU",
    least: 1,
    most: 1,
    xl: "modifies",
    run: async (system, { arguments: [name] }) => {
      await system.toolstack.unpause(await guestId(system, name));
      return "";
    },
  },
  {
    name: "list",
    parameters: "",
    summary: "the domains there are",
    example: "list",
    least: 0,
    most: 0,
    options: [JSON_OPTION],
    xl: "reads",
    run: list,
  },
  {
    name: "domid",
    parameters: "NAME",
    summary: "a domain's number",
    example: "domid domU",
    least: 1,
    most: 1,
    xl: "reads",
    run: async (system, words) => String((await theDomain(system, words, "name")).id),
  },
  {
    name: "domname",
    parameters: "ID",
    summary: "a domain's name",
    example: "domname 1",
    least: 1,
    most: 1,
    xl: "reads",
    run: async (system, words) => (await theDomain(system, words, "id")).name,
  },
  GUEST_VERB,
];

/** A guest by name or number; dom0 is none. */
export async function guestId(system: { readonly toolstack: Pick<Toolstack, "find"> }, name: string): Promise<number> {
  const id = await system.toolstack.find(name);
  if (id === 0) throw new ToolstackError("INVAL", "Domain-0 is no guest");
  return id;
}

/** The dialect that was asked for. Throws UsageError where there is none of that name. */
export function dialectOf(options: VerbWords["options"]): VscsiDialect {
  const wanted = options.get(DIALECT_OPTION.name) ?? "libxl";
  const dialect = DIALECTS.find((known) => known === wanted);
  if (dialect === undefined) throw new UsageError(`no dialect '${wanted}', expecting ${DIALECTS.join(" or ")}`);
  return dialect;
}

async function create(system: System, { arguments: [path], options, directory }: VerbWords): Promise<Outcome> {
  const config = await readMachineConfig(pathIn(directory, path), dialectOf(options));
  const output = [`Parsing config from ${path}`];
  if (options.has("--elsewhere")) output.push(await system.createElsewhere(config));
  else await system.toolstack.create(config);
  return {
    output: output.join("\n"),
    errors: config.warnings.map(formatWarning).join("\n"),
    status: Exit.done,
  };
}

async function destroy(system: System, { arguments: [name] }: VerbWords): Promise<string> {
  await system.toolstack.destroy(await guestId(system, name));
  return "";
}

async function list(system: System, { options }: VerbWords): Promise<string> {
  const domains = (await system.toolstack.list()).map((domain): ListedDomain => {
    const activity = system.activity(domain.id);
    return { ...domain, state: activityText(activity), time: activity.time };
  });
  return options.has("--json") ? JSON.stringify(domains, null, 2) : formatDomains(domains);
}

interface ListedDomain extends DomainInfo {
  /** xl's six letters. */
  readonly state: string;
  /** Seconds. */
  readonly time: number;
}

/** xl's columns, tabs of its head included. */
function formatDomains(domains: readonly ListedDomain[]): string {
  const line = (name: string, ...cells: readonly string[]): string =>
    [name.padEnd(40), ...cells.map((cell) => cell.padStart(5))].join(" ");
  const rows = domains.map(({ id, name, memory, vcpus, state, time }) => {
    const cells = line(name, String(id), String(memory), String(vcpus));
    return `${cells}     ${state}  ${time.toFixed(1).padStart(8)}`;
  });
  return [`${line("Name", "ID", "Mem", "VCPUs")}\tState\tTime(s)`, ...rows].join("\n");
}

async function theDomain(system: System, { arguments: [word] }: VerbWords, by: "id" | "name"): Promise<DomainInfo> {
  const found = (await system.toolstack.list()).find((domain) => String(domain[by]) === word);
  if (found !== undefined) return found;
  throw new ToolstackError("DOMAIN_NOTFOUND", `there is no domain with the ${by} '${word}'`);
}

async function guest(system: System, words: VerbWords): Promise<Outcome> {
  const [name, ...command] = words.arguments;
  return system.runInGuest(await guestId(system, name), command, words);
}

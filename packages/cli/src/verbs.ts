// Knows the toolstack's verbs: xl's words, arguments, output and exit codes. One table: the shell parses by it, help is
// printed from it. Knows neither a terminal nor how a verb reached it.

import {
  argumentOrigin,
  ConfigError,
  formatAddress,
  formatWarning,
  isWholeHost,
  parseVirtualDevice,
  parseVscsi,
  parseVscsiWords,
  type VscsiDevice,
} from "@pvscsi/config";
import { runGuestCommand } from "@pvscsi/guest";
import { readMachineConfig } from "@pvscsi/host";
import { formatScsiList, scsiListRows, ToolstackError } from "@pvscsi/toolstack";
import { XenstoreError } from "@pvscsi/xen";
import { nodeFiles } from "./node-files.js";
import type { OneProcess } from "./one-process.js";

/** xl's exit codes. */
export const Exit = { done: 0, failed: 1, usage: 2 } as const;

/** What a verb printed, and how it ended. */
export interface Outcome {
  readonly output: string;
  readonly errors: string;
  readonly status: number;
}

/** A use of a verb that its usage does not allow. */
class UsageError extends Error {}

export interface Verb {
  readonly name: string;
  /** Its arguments, in the words of --help. */
  readonly parameters: string;
  readonly summary: string;
  readonly example: string;
  /** Fewest and most arguments. */
  readonly least: number;
  readonly most: number;
  /** What it prints. */
  readonly run: (system: OneProcess, words: readonly string[]) => Promise<string | Outcome>;
}

export const VERBS: readonly Verb[] = [
  {
    name: "create",
    parameters: "CFG",
    summary: "start a guest from a domU.cfg",
    example: "create configs/domU.cfg",
    least: 1,
    most: 1,
    run: create,
  },
  {
    name: "destroy",
    parameters: "DOM",
    summary: "end a guest at once",
    example: "destroy domU",
    least: 1,
    most: 1,
    run: async (system, [name]) => {
      await system.toolstack.destroy(await guestId(system, name));
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
    run: list,
  },
  {
    name: "domid",
    parameters: "NAME",
    summary: "a domain's number",
    example: "domid domU",
    least: 1,
    most: 1,
    run: async (system, [name]) => String(await system.toolstack.find(name)),
  },
  {
    name: "domname",
    parameters: "ID",
    summary: "a domain's name",
    example: "domname 1",
    least: 1,
    most: 1,
    run: async (system, [id]) => {
      const domain = await system.toolstack.find(id);
      return (await system.toolstack.list()).find((info) => info.id === domain)?.name ?? "";
    },
  },
  {
    name: "scsi-attach",
    parameters: "DOM PDEV VDEV [OPTIONS] | DOM PDEV,VDEV[,OPTIONS]",
    summary: "plug a LUN into a running guest",
    example: "scsi-attach domU /dev/sdd 0:0:1:0",
    least: 2,
    most: 4,
    run: attach,
  },
  {
    name: "scsi-detach",
    parameters: "DOM VDEV",
    summary: "unplug a LUN",
    example: "scsi-detach domU 0:0:1:0",
    least: 2,
    most: 2,
    run: detach,
  },
  {
    name: "scsi-list",
    parameters: "DOM... [--json] [--long]",
    summary: "the LUNs of guests",
    example: "scsi-list domU",
    least: 1,
    most: Number.POSITIVE_INFINITY,
    run: scsiList,
  },
  {
    name: "guest",
    parameters: "DOM -- COMMAND [ARGUMENT...]",
    summary: "run a command inside a guest; `guest DOM -- help` lists them",
    example: "guest domU -- lsscsi -g",
    least: 2,
    most: Number.POSITIVE_INFINITY,
    run: guest,
  },
  {
    name: "xenstore",
    parameters: "ls [PATH] | read PATH... | write PATH VALUE | rm PATH...",
    summary: "look into xenstore",
    example: "xenstore ls /local/domain/0/backend/vscsi",
    least: 1,
    most: Number.POSITIVE_INFINITY,
    run: xenstore,
  },
];

/** Runs one verb with its words; whatever goes wrong is told in `errors` and by the status. */
export async function runVerb(system: OneProcess, words: readonly string[]): Promise<Outcome> {
  const [name, ...rest] = words;
  const verb = VERBS.find((other) => other.name === name);
  if (verb === undefined) return failure(Exit.usage, `pvscsi: unknown command '${name}', see help`);
  if (rest.includes("-h") || rest.includes("--help")) return { output: verbHelp(verb), errors: "", status: Exit.done };
  try {
    checkUsage(verb, rest);
    const result = await verb.run(system, rest);
    return typeof result === "string" ? { output: result, errors: "", status: Exit.done } : result;
  } catch (error) {
    return outcomeOf(verb, error);
  }
}

/** Usage, summary and a real example. */
export function verbHelp({ name, parameters, summary, example }: Verb): string {
  return `Usage: ${name} ${parameters}\n\n${summary}\n\nExample: ${example}`;
}

/** The list of verbs, a line each. */
export function verbsHelp(): string {
  return VERBS.map(({ name, parameters, summary }) => `  ${`${name} ${parameters}`.padEnd(58)} ${summary}`).join("\n");
}

function checkUsage({ name, least, most }: Verb, words: readonly string[]): void {
  if (words.length < least)
    throw new UsageError(`'${name}' requires at least ${least} argument${least === 1 ? "" : "s"}.`);
  if (words.length > most) throw new UsageError(`'${name}' takes at most ${most} argument${most === 1 ? "" : "s"}.`);
}

/** What a person did wrong or what could not be done is told; our own mistakes are thrown. */
function outcomeOf(verb: Verb, error: unknown): Outcome {
  if (error instanceof UsageError) return failure(Exit.usage, `${error.message}\n\n${verbHelp(verb)}`);
  if (error instanceof ConfigError) return failure(Exit.failed, error.message);
  if (error instanceof ToolstackError || error instanceof XenstoreError || isSystemError(error)) {
    return failure(Exit.failed, `pvscsi ${verb.name}: ${(error as Error).message}`);
  }
  throw error;
}

function failure(status: number, errors: string): Outcome {
  return { output: "", errors, status };
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}

async function create(system: OneProcess, [path]: readonly string[]): Promise<Outcome> {
  const config = await readMachineConfig(path);
  await system.toolstack.create(config);
  return {
    output: `Parsing config from ${path}`,
    errors: config.warnings.map(formatWarning).join("\n"),
    status: Exit.done,
  };
}

async function list(system: OneProcess): Promise<string> {
  const rows = (await system.toolstack.list()).map(
    ({ id, name, memory, vcpus }) => `${name.padEnd(40)} ${pad(id, 5)} ${pad(memory, 5)} ${pad(vcpus, 5)}`,
  );
  return [`${"Name".padEnd(40)} ${"ID".padStart(5)} ${"Mem".padStart(5)} VCPUs`, ...rows].join("\n");
}

function pad(value: number, width: number): string {
  return String(value).padStart(width);
}

async function attach(system: OneProcess, [name, ...words]: readonly string[]): Promise<Outcome> {
  const domain = await guestId(system, name);
  const { device, warnings } = words.length === 1 ? parseVscsi(words[0], argumentOrigin()) : parseVscsiWords(words);
  await system.vscsi.attach(domain, oneLun(device));
  return { output: "", errors: warnings.map(formatWarning).join("\n"), status: Exit.done };
}

function oneLun(device: ReturnType<typeof parseVscsi>["device"]): VscsiDevice {
  if (isWholeHost(device)) throw new UsageError("a whole host can only be given in a domU.cfg");
  return device;
}

async function detach(system: OneProcess, [name, virtual]: readonly string[]): Promise<string> {
  const domain = await guestId(system, name);
  const device = parseVirtualDevice(virtual);
  if (typeof device === "string") throw new ConfigError("argument", { line: 1, column: 1 }, device);
  await system.vscsi.detach(domain, formatAddress(device));
  return "";
}

async function scsiList(system: OneProcess, words: readonly string[]): Promise<string> {
  const names = words.filter((word) => !word.startsWith("--"));
  const unknown = words.find((word) => word.startsWith("--") && word !== "--json" && word !== "--long");
  if (unknown !== undefined || names.length === 0) throw new UsageError(`scsi-list: ${unknown ?? "no domain"}`);
  const controllers = [];
  for (const name of names) controllers.push(...(await system.vscsi.list(await guestId(system, name))));
  if (words.includes("--long")) return JSON.stringify(controllers, null, 2);
  const rows = scsiListRows(controllers);
  return words.includes("--json") ? JSON.stringify(rows, null, 2) : formatScsiList(rows);
}

async function guest(system: OneProcess, [name, ...words]: readonly string[]): Promise<Outcome> {
  const command = words[0] === "--" ? words.slice(1) : words;
  if (command.length === 0) throw new UsageError("guest: no command");
  const running = system.guest(await guestId(system, name));
  const { output, status } = await runGuestCommand(running.guest, command, nodeFiles);
  return { output, errors: "", status };
}

async function xenstore(system: OneProcess, [action, ...paths]: readonly string[]): Promise<string> {
  const { store, xenstored } = system;
  switch (action) {
    case "ls":
      return xenstored.dump(paths[0] ?? "/");
    case "read": {
      const values = await Promise.all(paths.map((path) => store.read(path)));
      const missing = values.indexOf(null);
      if (missing >= 0) throw new ToolstackError("NOTFOUND", `couldn't read path ${paths[missing]}`);
      return values.join("\n");
    }
    case "write":
      if (paths.length !== 2) throw new UsageError("xenstore write takes PATH VALUE");
      await store.write(paths[0], paths[1]);
      return "";
    case "rm":
      for (const path of paths) await store.remove(path);
      return "";
    default:
      throw new UsageError(`xenstore: unknown action '${action}'`);
  }
}

/** A guest by name or number; dom0 is none. */
async function guestId(system: OneProcess, name: string): Promise<number> {
  const id = await system.toolstack.find(name);
  if (id === 0) throw new ToolstackError("INVAL", "Domain-0 is no guest");
  return id;
}

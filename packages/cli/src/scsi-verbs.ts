// Knows the verbs of LUNs: scsi-attach, scsi-detach, scsi-list in xl's words, scsi-resize, and cd-insert and cd-eject of drives.

import { resolve } from "node:path";
import {
  argumentOrigin,
  ConfigError,
  formatAddress,
  formatWarning,
  isWholeHost,
  parseSize,
  parseVirtualDevice,
  parseVscsi,
  parseVscsiWords,
  quoted,
  SIZE_EXPECTED,
} from "@pvscsi/config";
import {
  type ControllerInfo,
  formatControllers,
  formatScsiList,
  scsiListRows,
  type Toolstack,
  type VscsiDevices,
} from "@pvscsi/toolstack";
import { guestId } from "./domain-verbs.js";
import { Exit, JSON_OPTION, type Outcome, UsageError, type Verb, type VerbWords } from "./verb.js";

/** What these verbs need of a system: so much there is on a Xen host as well. */
export interface ScsiSystem {
  readonly toolstack: Pick<Toolstack, "find">;
  readonly vscsi: VscsiDevices;
}

export interface ScsiVerb extends Verb {
  readonly run: (system: ScsiSystem, words: VerbWords) => Promise<string | Outcome>;
}

export const SCSI_VERBS: readonly ScsiVerb[] = [
  {
    name: "scsi-attach",
    parameters: "DOM PDEV VDEV [OPTIONS] | DOM PDEV,VDEV[,OPTIONS]",
    summary: "plug a LUN into a running guest",
    example: "scsi-attach domU /dev/sdd 1:0:0:1",
    least: 2,
    most: 4,
    xl: "modifies",
    run: attach,
  },
  {
    name: "scsi-detach",
    parameters: "DOM VDEV",
    summary: "unplug a LUN",
    example: "scsi-detach domU 1:0:0:1",
    least: 2,
    most: 2,
    xl: "modifies",
    run: detach,
  },
  {
    name: "scsi-resize",
    parameters: "DOM VDEV SIZE",
    summary: "make a LUN longer; every guest that has it is told with its next command",
    example: "scsi-resize domU 1:0:0:1 2GiB",
    least: 3,
    most: 3,
    run: resize,
  },
  {
    name: "cd-insert",
    parameters: "DOM VDEV FILE",
    summary: "put a disc into a CD/DVD drive, in the place of the one that is there",
    example: "cd-insert domU 1:0:0:2 install.iso",
    least: 3,
    most: 3,
    run: insert,
  },
  {
    name: "cd-eject",
    parameters: "DOM VDEV",
    summary: "take the disc out of a CD/DVD drive",
    example: "cd-eject domU 1:0:0:2",
    least: 2,
    most: 2,
    run: eject,
  },
  {
    name: "scsi-list",
    parameters: "DOM...",
    summary: "the LUNs of guests",
    example: "scsi-list domU",
    least: 1,
    most: Number.POSITIVE_INFINITY,
    options: [JSON_OPTION, { name: "--long", summary: "controllers and LUNs in full" }],
    xl: "reads",
    run: list,
  },
];

async function attach(system: ScsiSystem, { arguments: [name, ...words] }: VerbWords): Promise<Outcome> {
  const domain = await guestId(system, name);
  const { device, warnings } = words.length === 1 ? parseVscsi(words[0], argumentOrigin()) : parseVscsiWords(words);
  if (isWholeHost(device)) throw new UsageError("a whole host can only be given in a domU.cfg");
  await system.vscsi.attach(domain, device);
  return { output: "", errors: warnings.map(formatWarning).join("\n"), status: Exit.done };
}

async function detach(system: ScsiSystem, { arguments: [name, virtual] }: VerbWords): Promise<string> {
  await system.vscsi.detach(await guestId(system, name), virtualDevice(virtual));
  return "";
}

async function resize(system: ScsiSystem, { arguments: [name, virtual, size] }: VerbWords): Promise<string> {
  const domain = await guestId(system, name);
  const device = virtualDevice(virtual);
  const bytes = parseSize(size);
  const { file, at } = argumentOrigin();
  if (bytes === undefined) {
    throw new ConfigError(file, at(virtual.length + 1), `invalid size ${quoted(size)}, expected ${SIZE_EXPECTED}`);
  }
  await system.vscsi.resize(domain, device, bytes);
  return "";
}

async function insert(system: ScsiSystem, { arguments: [name, virtual, path], directory }: VerbWords): Promise<string> {
  await system.vscsi.insert(await guestId(system, name), virtualDevice(virtual), resolve(directory, path));
  return "";
}

async function eject(system: ScsiSystem, { arguments: [name, virtual] }: VerbWords): Promise<string> {
  await system.vscsi.eject(await guestId(system, name), virtualDevice(virtual));
  return "";
}

/** A VDEV as its node says it. */
function virtualDevice(text: string): string {
  const device = parseVirtualDevice(text);
  const { file, at } = argumentOrigin();
  if (typeof device === "string") throw new ConfigError(file, at(0), device);
  return formatAddress(device);
}

async function list(system: ScsiSystem, { arguments: names, options }: VerbWords): Promise<string> {
  const controllers: ControllerInfo[] = [];
  for (const name of names) controllers.push(...(await system.vscsi.list(await guestId(system, name))));
  const long = options.has("--long");
  if (options.has("--json")) return JSON.stringify(long ? controllers : scsiListRows(controllers), null, 2);
  return long ? formatControllers(controllers) : formatScsiList(scsiListRows(controllers));
}

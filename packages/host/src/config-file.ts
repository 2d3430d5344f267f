// Knows how a configuration file gets from the disk to its parser, with faults of the file told as faults in it.

import { readFile, stat } from "node:fs/promises";
import {
  ConfigError,
  type HostConfig,
  type MachineConfig,
  type Position,
  parseHostConfig,
  parseMachineConfig,
  parseSaveconfig,
  type Saveconfig,
  type VscsiDialect,
} from "@pvscsi/config";
import { reasonOf } from "./file-errors.js";
import { joinRealHosts } from "./sysfs.js";

const START: Position = { line: 1, column: 1 };
const MAX_BYTES = 64 * 1024 * 1024;

/** Reads a host.yaml, and sysfs where that names it; throws `ConfigError`, also where there is no such file. */
export async function readHostConfig(path: string): Promise<HostConfig> {
  return joinRealHosts(parseHostConfig(await readConfigText(path), path));
}

/** Reads a domU.cfg; throws `ConfigError`, also where there is no such file. */
export async function readMachineConfig(path: string, dialect?: VscsiDialect): Promise<MachineConfig> {
  return parseMachineConfig(await readConfigText(path), { file: path, dialect });
}

/** Reads a saveconfig.json; throws `ConfigError`, also where there is no such file. */
export async function readSaveconfig(path: string): Promise<Saveconfig> {
  return parseSaveconfig(await readConfigText(path), path);
}

/** The text of a configuration file, which has to be UTF-8. */
async function readConfigText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  try {
    return decode(bytes, true);
  } catch (cause) {
    // The same bytes read leniently show where the first wrong one is.
    const text = decode(bytes, false);
    const lines = text.slice(0, text.indexOf("\ufffd")).split("\n");
    const at = { line: lines.length, column: lines[lines.length - 1].length + 1 };
    throw new ConfigError(path, at, "not UTF-8, expected a text file", { cause });
  }
}

function decode(bytes: Uint8Array, fatal: boolean): string {
  return new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(bytes);
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    // A device would be read without end.
    if (!found.isFile() && !found.isFIFO())
      throw new Error(found.isDirectory() ? "it is a directory" : "it is no file");
    if (found.size > MAX_BYTES) throw new Error(`it has ${found.size} bytes, expected ${MAX_BYTES} at most`);
    return await readFile(path);
  } catch (cause) {
    throw new ConfigError(path, START, `cannot read: ${reasonOf(cause)}`, { cause });
  }
}

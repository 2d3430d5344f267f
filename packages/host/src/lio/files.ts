// Knows the files of this machine as storage objects are made of them, and where configurations are kept.

import { constants } from "node:fs";
import { access, mkdir, open, readFile, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { codeOf, reasonOf } from "../file-errors.js";
import { keepText, readKept } from "../kept-file.js";
import { type FoundFile, LioError, type LioFiles, type TreeEntry } from "./node.js";
import type { LioKeeper } from "./shell.js";

const MOST_BYTES = 64 * 1024 * 1024;
const SECTOR = 512;

/** The files of this machine; relative paths begin at a folder. */
export function machineFiles(directory: string): LioFiles {
  return { find: findFile, create: createFile, plant, resolve: (path) => resolve(directory, path) };
}

/** Configurations in files: `STATE/saveconfig.json` is the one that is edited; its folder is made with it, for its owner alone. */
export function fileKeeper(state: string): LioKeeper {
  return {
    file: resolve(state, "saveconfig.json"),
    read: async (file) => {
      const text = await readKept(file, MOST_BYTES);
      return text === null ? null : Buffer.from(text, "latin1").toString("utf8");
    },
    write: async (file, text) => {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await keepText(file, Buffer.from(text).toString("latin1"));
    },
  };
}

async function findFile(path: string): Promise<FoundFile | null> {
  try {
    const found = await stat(path);
    const kind = found.isFile() ? "file" : found.isBlockDevice() ? "block" : "other";
    const readOnly = !(await isWritable(path));
    if (kind !== "block") return { kind, size: found.size, readOnly, identity: `file ${found.dev} ${found.ino}` };
    const device = { name: basename(await realpath(path)), ...numbersOf(found.rdev) };
    return { kind, size: await deviceSize(device), readOnly, identity: `device ${found.rdev}`, device };
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw error;
  }
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** Linux' numbers in the 32 bits of stat. */
function numbersOf(device: number): { major: number; minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}

/** Bytes of a block device, as sysfs has them in sectors of 512. */
async function deviceSize({ major, minor }: { major: number; minor: number }): Promise<number> {
  return readFile(`/sys/dev/block/${major}:${minor}/size`, "utf8").then(
    (text) => Number(text) * SECTOR,
    () => 0,
  );
}

/** A file that is not `sparse` has all its bytes written. */
async function createFile(path: string, size: number, sparse: boolean): Promise<void> {
  const file = await open(path, "wx").catch(() => {
    throw new LioError(`Could not open ${path}`);
  });
  try {
    if (sparse) await file.truncate(size);
    else await fill(file, size);
  } catch {
    await rm(path, { force: true });
    throw new LioError(`Could not expand file to ${size} bytes`);
  } finally {
    await file.close();
  }
}

async function fill(file: Awaited<ReturnType<typeof open>>, size: number): Promise<void> {
  const zeros = new Uint8Array(1 << 20);
  for (let at = 0; at < size; at += zeros.length) await file.write(zeros, 0, Math.min(zeros.length, size - at), at);
}

/** For its owner alone, as it may have secrets in it. */
async function plant(folder: string, entries: readonly TreeEntry[]): Promise<void> {
  let path = folder;
  try {
    await mkdir(folder, { recursive: true });
    for (const entry of entries) {
      path = join(folder, entry.path);
      if (entry.kind === "folder") await mkdir(path, { mode: 0o700 });
      else if (entry.kind === "link") await symlink(entry.to, path);
      else await writeFile(path, entry.text, { flag: "wx", mode: 0o600 });
    }
  } catch (error) {
    throw new LioError(`Could not make ${path}: ${reasonOf(error)}`);
  }
}

// Knows how a short text is kept in a file through a loss of power: written anew beside it, flushed, and renamed into its place, for
// its owner alone. Knows nothing of what the text says.

import { constants, type Stats } from "node:fs";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type Keeper, StoreError } from "@pvscsi/scsi";
import { codeOf, reasonOf } from "./file-errors.js";
import { syncFolder } from "./file-open.js";

/** More than the longest text there is: 1024 nexuses of 500 bytes, or 31 patterns of 4096. */
const MOST_BYTES = 1 << 20;

/** Reads what is kept of something in a file, which need not be there; throws `StoreError` with a reason. */
export async function openKeeper(path: string, what: string): Promise<Keeper> {
  try {
    return { kept: await readKept(path, MOST_BYTES), keep: (text) => keepText(path, text) };
  } catch (cause) {
    throw new StoreError("hardware", `cannot read ${what} in ${path}: ${reasonOf(cause)}`, { cause });
  }
}

/** The text of a file, null where there is none; rejects with what is wrong with it, also when `check` throws. */
export async function readKept(path: string, most: number, check?: (stats: Stats) => void): Promise<string | null> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error("it is no file");
    if (found.size > most) throw new Error(`it has ${found.size} bytes, expected ${most} at most`);
    check?.(found);
    return await readFile(path, "latin1");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** Either the text before or this one is there whenever the power goes; null: no file. */
export async function keepText(path: string, text: string | null): Promise<void> {
  if (text === null) await rm(path, { force: true });
  else {
    await writeNew(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
  await syncFolder(dirname(path));
}

/** What a write that was cut short has left is in nobody's way, and no link is followed. */
async function writeNew(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.writeFile(text, "latin1");
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// Knows files that take long to make and are kept from one run to the next: `$XDG_CACHE_HOME/pvscsi-interop/NAME`. They are made
// again when they are not there, not whole, or were made another way.

import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

const STAMP = "stamp.json";

/** How files are made. */
export interface Recipe<Facts> {
  /** The folder's name. */
  readonly name: string;
  /** The names of all files. */
  readonly files: readonly string[];
  /** All that what is made depends on; compared as JSON. */
  readonly of: readonly unknown[];
  /** Makes them in a folder, and gives what is to be known of them later on. */
  make(folder: string): Promise<Facts>;
}

export interface Cached<Facts> {
  /** The files' absolute paths, in the order of the recipe. */
  readonly paths: readonly string[];
  readonly facts: Facts;
  /** Whether they had to be made. */
  readonly made: boolean;
}

interface Stamp<Facts> {
  readonly of: string;
  readonly facts: Facts;
  /** Bytes of each file. */
  readonly sizes: readonly number[];
}

export async function prepare<Facts>(recipe: Recipe<Facts>): Promise<Cached<Facts>> {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pvscsi-interop", recipe.name);
  const cached = await readStamp(folder, recipe);
  const { facts } = cached ?? (await make(folder, recipe));
  return { paths: recipe.files.map((name) => join(folder, name)), facts, made: cached === null };
}

/** Null unless all files are there as they were made. */
async function readStamp<Facts>(folder: string, { of, files }: Recipe<Facts>): Promise<Stamp<Facts> | null> {
  try {
    const stamp: Stamp<Facts> = JSON.parse(await readFile(join(folder, STAMP), "utf8"));
    const sizes = await sizesIn(folder, files);
    return stamp.of === JSON.stringify(of) && String(sizes) === String(stamp.sizes) ? stamp : null;
  } catch {
    return null;
  }
}

async function sizesIn(folder: string, files: readonly string[]): Promise<number[]> {
  return await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
}

/** Everything is made beside the cache and takes its place when it is whole. */
async function make<Facts>(folder: string, recipe: Recipe<Facts>): Promise<Stamp<Facts>> {
  const making = `${folder}.${process.pid}`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  try {
    const facts = await recipe.make(making);
    const stamp = { of: JSON.stringify(recipe.of), facts, sizes: await sizesIn(making, recipe.files) };
    await writeFile(join(making, STAMP), `${JSON.stringify(stamp, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(making, folder);
    return stamp;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

// Knows the file that the key of a LUN is kept in, for its owner alone: whoever has it reads the LUN. A key that was changed is
// written over before its file is given up, also when the process was killed in between.

import { link, open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf } from "./file-errors.js";
import { syncFolder } from "./file-open.js";
import { keepText, readKept } from "./kept-file.js";
import { KEY_BYTES, type KeyKeeper } from "./xts-cipher.js";

/** Bytes that nobody can guess. */
export type Unguessable = (length: number) => Uint8Array;

const OTHERS = 0o077;
const LINE = /^aes-256-xts ([0-9a-f]{128})\n$/;
const LONGEST = 256;

/** Reads the key in a file, or makes it there where `make` allows that; rejects with a reason. */
export async function openKeyFile(
  path: string,
  unguessable: Unguessable,
  make: () => Promise<void>,
): Promise<KeyKeeper> {
  await forgetFormer(path);
  const text = await readKept(path, LONGEST, ({ mode }) => {
    if ((mode & OTHERS) !== 0) throw new Error("others than its owner may use it: chmod 600");
  });
  if (text !== null) return new KeyFile(path, keyOf(text), unguessable);
  await make();
  const key = unguessable(KEY_BYTES);
  await keepText(path, textOf(key));
  return new KeyFile(path, key, unguessable);
}

class KeyFile implements KeyKeeper {
  readonly #path: string;
  readonly #unguessable: Unguessable;
  #key: Uint8Array;

  constructor(path: string, key: Uint8Array, unguessable: Unguessable) {
    this.#path = path;
    this.#key = key;
    this.#unguessable = unguessable;
  }

  get key(): Uint8Array {
    return this.#key;
  }

  async change(): Promise<void> {
    const key = this.#unguessable(KEY_BYTES);
    await rm(former(this.#path), { force: true });
    // The file that is renamed over has this name still, so that it can be written over.
    await link(this.#path, former(this.#path));
    await keepText(this.#path, textOf(key));
    this.#key.fill(0);
    this.#key = key;
    await forgetFormer(this.#path);
  }
}

const former = (path: string): string => `${path}.former`;
const textOf = (key: Uint8Array): string => `aes-256-xts ${Buffer.from(key).toString("hex")}\n`;

function keyOf(text: string): Uint8Array {
  const digits = LINE.exec(text)?.[1];
  if (digits === undefined) throw new Error(`expected one line, aes-256-xts and ${2 * KEY_BYTES} hex digits`);
  const key = Buffer.from(digits, "hex");
  if (key.subarray(0, KEY_BYTES / 2).equals(key.subarray(KEY_BYTES / 2)))
    throw new Error("the two keys in it are the same");
  return key;
}

/** Writes over the key that was the one before, and ends its file. */
async function forgetFormer(path: string): Promise<void> {
  const old = await statOf(former(path));
  if (old === null) return;
  // Nothing was renamed over it yet: it is the key itself.
  if (old.ino !== (await statOf(path))?.ino) await writeOver(former(path), Number(old.size));
  await rm(former(path));
  await syncFolder(dirname(path));
}

async function statOf(path: string): Promise<{ readonly ino: bigint; readonly size: bigint } | null> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

async function writeOver(path: string, size: number): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.write(new Uint8Array(size), 0, size, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// Knows how where the records of a partition are is kept in a file beside it: for as long as nobody else has written the partition, which
// its size and time tell. Knows no record.

import { stat } from "node:fs/promises";
import { StoreError, type TapeIndex } from "@pvscsi/scsi";
import { reasonOf } from "./file-errors.js";
import { keepText, readKept } from "./kept-file.js";

/** More than the longest there is. */
const MOST_BYTES = 1 << 20;

export class FileIndex implements TapeIndex {
  readonly kept: string | null;
  readonly #path: string;
  #text: string | null = null;

  private constructor(path: string, kept: string | null) {
    this.#path = path;
    this.kept = kept;
  }

  /** What cannot be read counts for nothing: the partition is looked through. */
  static async open(path: string): Promise<FileIndex> {
    const text = await readKept(`${path}.index`, MOST_BYTES).catch(() => null);
    const stamp = await stampOf(path).catch(() => null);
    const believed = stamp !== null && text?.startsWith(stamp) === true;
    return new FileIndex(path, believed ? text.slice(stamp.length) : null);
  }

  async forget(): Promise<void> {
    this.#text = null;
    try {
      await keepText(`${this.#path}.index`, null);
    } catch (error) {
      throw new StoreError("hardware", `removing ${this.#path}.index: ${reasonOf(error)}`, { cause: error });
    }
  }

  set(text: string): void {
    this.#text = text;
  }

  /** Writes what was set, when the partition is closed. Without it the partition is looked through: that it failed is nobody's loss. */
  async write(): Promise<void> {
    const text = this.#text;
    if (text === null) return;
    const written = stampOf(this.#path).then((stamp) => keepText(`${this.#path}.index`, stamp + text));
    await written.catch(() => {});
  }
}

async function stampOf(path: string): Promise<string> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  return `of ${size} bytes at ${mtimeNs}\n`;
}

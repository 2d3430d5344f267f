// Knows images of discs with files in them, made by genisoimage.

import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SuiteContext } from "../suite.js";

export interface CdImage {
  readonly path: string;
  readonly label: string;
  /** Bytes of the image. */
  readonly size: number;
  /** Of the whole image, in hex. */
  readonly md5: string;
  /** Of each file, as md5sum prints them, in the order of their names. */
  readonly sums: string;
}

const SIZES = [1, 2047, 2048, 2049, 70_000, 3_000_001];

/** Makes a disc with files that `seed` decides. */
export async function makeCdImage(context: SuiteContext, label: string, seed: number): Promise<CdImage> {
  const folder = context.freshPath("disc");
  await mkdir(folder);
  const lines: string[] = [];
  for (const [index, size] of SIZES.entries()) {
    const bytes = contentsOf(size, seed + index);
    await writeFile(join(folder, `file${index}.bin`), bytes);
    lines.push(`${md5Of(bytes)}  file${index}.bin`);
  }
  const path = `${folder}.iso`;
  await context.succeed("genisoimage", "-quiet", "-R", "-J", "-V", label, "-o", path, folder);
  const image = await readFile(path);
  return { path, label, size: image.length, md5: md5Of(image), sums: lines.join("\n") };
}

function contentsOf(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = (seed * 2654435761) >>> 0;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

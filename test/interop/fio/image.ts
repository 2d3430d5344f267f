// Knows how to make an image of data and holes, and how to tell two files apart.

import { createCipheriv, createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { seededRandom } from "@pvscsi/wire";

const STEP = 512;
/** Longest run of data or of nothing. */
const LONGEST = 4 * 1024 * 1024;

/** Writes a sparse file of `size` bytes: runs of data that no compression shortens, and holes, of 512 bytes to 4 MiB. */
export async function writeImage(path: string, size: number, seed: number): Promise<void> {
  const random = seededRandom(seed, "image");
  const key = Buffer.alloc(16, seed);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(LONGEST);
  const file = await open(path, "w");
  try {
    await file.truncate(size);
    for (let at = 0, data = true; at < size; data = !data) {
      const length = Math.min(size - at, STEP * (1 + random.below(random.chance(0.5) ? LONGEST / STEP : 64)));
      if (data) await file.write(cipher.update(zeros.subarray(0, length)), 0, length, at);
      at += length;
    }
  } finally {
    await file.close();
  }
}

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest("hex");
}

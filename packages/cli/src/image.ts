// Knows how to make a disk image that nothing shortens, and the checksum of a file.

import { createCipheriv, createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

const PIECE = 4 * 1024 * 1024;

/** Writes `size` bytes of a key stream, the same for the same seed. */
export async function writeImage(path: string, size: number, seed: number): Promise<void> {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE);
  const file = await open(path, "w");
  try {
    for (let left = size; left > 0; left -= PIECE)
      await file.write(cipher.update(zeros.subarray(0, Math.min(PIECE, left))));
  } finally {
    await file.close();
  }
}

/** SHA-256 in hex. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: PIECE }), hash);
  return hash.digest("hex");
}

// Knows where the repository lies and how its golden files are read. Compiled tests live in test/dist.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The absolute path of the repository's root folder, without a slash at its end. */
export const repositoryRoot = resolve(fileURLToPath(new URL("../../..", import.meta.url)));

/** The program `pvscsi`. */
export const MAIN = join(repositoryRoot, "packages", "cli", "dist", "main.js");

/** The path of a file in test/golden. */
export function goldenPath(name: string): string {
  return join(repositoryRoot, "test", "golden", name);
}

/** The text (UTF-8) of a file in test/golden. */
export function goldenText(name: string): string {
  return readFileSync(goldenPath(name), "utf8");
}

/** The bytes of a file in test/golden. */
export function goldenBytes(name: string): Uint8Array {
  return readFileSync(goldenPath(name));
}

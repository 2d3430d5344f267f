// Knows how a folder lasts no longer than what it is for, however the process ends.

import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `body` with a new folder that nobody else may look into; it is removed after that, and when the process exits. */
export async function withTemporaryFolder<Result>(
  prefix: string,
  body: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  // A process that was killed just now may still make its last file while we remove.
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  try {
    return await body(folder);
  } finally {
    process.removeListener("exit", remove);
    await rm(folder, { recursive: true, force: true });
  }
}

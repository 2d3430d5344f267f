// Knows how a test gets a folder of its own that is gone when the test is over.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A fresh folder for each test of the `describe` it is called in; `path()` is the present one's. */
export function temporaryFolder(): {
  path(...parts: string[]): string;
  write(files: { readonly [name: string]: string }): void;
} {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pvscsi-test-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const path = (...parts: string[]) => join(folder, ...parts);
  return {
    path,
    /** Writes files by their names relative to the folder, with whatever folders they need. */
    write(files) {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(path(name)), { recursive: true });
        writeFileSync(path(name), text);
      }
    },
  };
}

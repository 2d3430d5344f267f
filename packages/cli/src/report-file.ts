// Knows how a report gets into a file: what keeps it from being written is noticed before it is made.

import { open } from "node:fs/promises";

export interface ReportFile {
  /** Writes the whole report and closes the file. */
  finish(text: string): Promise<void>;
}

/** Opens a file for a report; what was in it stays there until the report is finished. */
export async function openReport(path: string): Promise<ReportFile> {
  const file = await open(path, "a");
  return {
    async finish(text) {
      await file.truncate(0);
      await file.writeFile(text);
      await file.close();
    },
  };
}

// Knows files that stand behind disks.

import { open } from "node:fs/promises";
import type { SuiteContext } from "../suite.js";

const MIB = 1024 * 1024;

/** A new file of so many MiB, all of it a hole. */
export async function makeFile(context: SuiteContext, mebibytes: number): Promise<string> {
  const path = context.freshPath("disk");
  const file = await open(path, "w");
  await file.truncate(mebibytes * MIB);
  await file.close();
  return path;
}

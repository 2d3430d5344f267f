// Knows the programs that judge disks in a guest, besides those that each guest has: an archive of them and their libraries, taken
// from this machine, which Linux unpacks behind the guest's own. It stays in a cache.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { prepare } from "../linux/cache.js";
import { FileSystem } from "../linux/file-system.js";
import type { SuiteContext } from "../suite.js";

/** Another number makes the cache be built anew. */
const RECIPE = 1;
/** Debian packages that have them. */
export const JUDGE_PACKAGES = ["libiscsi-bin", "fio"];
const PROGRAMS = ["iscsi-test-cu", "fio"];
const FILE = "judges.cpio";

/** The path of the archive. */
export async function prepareJudges(context: SuiteContext): Promise<string> {
  const { paths } = await prepare({
    name: "xen-judges",
    files: [FILE],
    of: [RECIPE, PROGRAMS],
    make: async (folder) => {
      const files = new FileSystem(context);
      for (const name of PROGRAMS) await files.addProgram(`/usr/bin/${name}`, `/usr/bin/${name}`);
      await writeFile(join(folder, FILE), files.archive.finish());
      return {};
    },
  });
  return paths[0];
}

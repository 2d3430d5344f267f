// Knows what QEMU and libnbd are to say about an empty disk.

import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import { DISK_SIZE } from "./guest-disk.js";
import type { ServedDisk } from "./served-disk.js";

/** The fields of `nbdinfo --json`. */
const EXPECTED = {
  "export-name": "guest",
  "export-size": DISK_SIZE,
  description: "a guest's disk",
  contexts: ["base:allocation"],
  is_read_only: false,
  can_cache: true,
  can_df: true,
  can_fast_zero: true,
  can_flush: true,
  can_fua: true,
  can_multi_conn: true,
  can_trim: true,
  can_zero: true,
  block_size_minimum: 512,
  block_size_preferred: 4096,
  block_size_maximum: 32 * 1024 * 1024,
};

interface MapExtent {
  readonly offset: number;
  readonly length: number;
  readonly type: number;
}

export async function judgeInformation(context: SuiteContext, { uri }: ServedDisk): Promise<void> {
  await context.check("qemu-img info: the size", async () => {
    const { "virtual-size": size } = JSON.parse(await context.succeed("qemu-img", "info", "--output=json", uri));
    expect(size).to.equal(DISK_SIZE);
    return `${size} bytes`;
  });
  await context.check("nbdinfo: size, flags, block sizes", async () => {
    const { exports, ...session } = JSON.parse(await context.succeed("nbdinfo", "--json", uri));
    expect(session).to.include({ protocol: "newstyle-fixed", structured: true });
    for (const [name, value] of Object.entries(EXPECTED)) expect(exports[0][name], name).to.deep.equal(value);
    return `${Object.keys(EXPECTED).length} fields as expected`;
  });
  await context.check("nbdinfo --list: the export", async () => {
    const { exports } = JSON.parse(await context.succeed("nbdinfo", "--list", "--json", uri));
    expect(exports.map((each: Record<string, unknown>) => each["export-name"])).to.deep.equal(["guest"]);
    return "guest";
  });
  await context.check("nbdinfo --map: an empty disk is one hole", async () => {
    const map: MapExtent[] = JSON.parse(await context.succeed("nbdinfo", "--map", "--json", uri));
    expect(new Set(map.map((extent) => extent.type))).to.deep.equal(new Set([3]));
    expect(map.reduce((sum, extent) => sum + extent.length, 0)).to.equal(DISK_SIZE);
    return `${map.length} extents`;
  });
}

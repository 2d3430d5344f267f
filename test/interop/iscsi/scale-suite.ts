// Knows the suite that shows libiscsi a portal of 16384 LUNs: at one target, and at 256.

import { readFile } from "node:fs/promises";
import { expect } from "chai";
import type { Suite, SuiteContext } from "../suite.js";
import { ServedPortal } from "./portal.js";

const DISK_SIZE = 1 << 20;
/** LUNs of flat space addressing begin here; libiscsi's numbers are the two bytes as they are. */
const FLAT = 256;
const FLAT_METHOD = 0x4000;

export const iscsiScaleSuite: Suite = {
  name: "iscsi-scale",
  judges: "pvscsi iscsi serve with 16384 LUNs at one target, and with 256 targets of 64 LUNs: iscsi-ls",
  packages: ["libiscsi-bin"],
  default: false,
  budgetSeconds: 180,
  run: async (context) => {
    await judgeTargets(context, 1, 16384);
    await judgeTargets(context, 256, 64);
  },
};

async function judgeTargets(context: SuiteContext, targets: number, luns: number): Promise<void> {
  await context.check(`iscsi-ls -s: ${targets} x ${luns} LUNs of a saveconfig.json`, async () => {
    const began = Date.now();
    const portal = await ServedPortal.start(context, [], { saveconfig: saved(targets, luns) });
    const served = Date.now();
    const listed = await context.succeed("iscsi-ls", "-s", portal.discovery);
    const seen = Date.now();
    expect(listed.match(/^Target:/gm)?.length).to.equal(targets);
    const lines = listed.match(/^Lun:.*/gm) ?? [];
    expect(lines.length).to.equal(targets * luns);
    for (const [index, line] of lines.entries()) {
      const lun = index % luns;
      const number = lun < FLAT ? lun : FLAT_METHOD | lun;
      if (!new RegExp(`^Lun:${number} +Type:DIRECT_ACCESS \\(Size:1023k\\)$`).test(line))
        expect.fail(`${lun}: ${line}`);
    }
    const memory = await residentMebibytes(portal.pid);
    expect(await portal.end()).to.deep.equal([]);
    return `served after ${seconds(served - began)}, listed in ${seconds(seen - served)}, ${memory} MiB`;
  });
}

/** What targetcli would save of so many targets, each with as many disks of its own. */
function saved(targets: number, luns: number): object {
  const numbers = Array.from({ length: luns }, (_, index) => index);
  const disk = (target: number, index: number): string => `disk${target}-${index}`;
  const places = Array.from({ length: targets }, (_, target) => target);
  return {
    storage_objects: places.flatMap((target) =>
      numbers.map((index) => ({ name: disk(target, index), plugin: "ramdisk", size: DISK_SIZE })),
    ),
    targets: places.map((target) => ({
      fabric: "iscsi",
      wwn: `iqn.2026-11.localhost:scale${target}`,
      tpgs: [
        {
          attributes: { authentication: 0, generate_node_acls: 1, demo_mode_write_protect: 0 },
          enable: true,
          luns: numbers.map((index) => ({ index, storage_object: `/backstores/ramdisk/${disk(target, index)}` })),
          node_acls: [],
          portals: [],
          tag: 1,
        },
      ],
    })),
  };
}

async function residentMebibytes(pid: number): Promise<number> {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kibibytes) / 1024);
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;

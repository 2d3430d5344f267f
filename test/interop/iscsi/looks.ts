// Knows what libiscsi's programs print of a portal whose first two LUNs have 64 MiB and whose third has 8 MiB and is read-only.

import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import type { ServedPortal } from "./portal.js";

/** VPD pages that iscsi-inq takes apart (SPC-4, SBC-3), and a line of each. */
const PAGES: readonly (readonly [string, RegExp])[] = [
  ["0", /^Page:0x83 DEVICE_IDENTIFICATION$/m],
  ["128", /^Unit Serial Number:\[\S+\]$/m],
  ["131", /^DEVICE DESIGNATOR #0$/m],
  ["176", /^maximum transfer length:65536$/m],
  ["178", /^lbpu:1$/m],
];

/** LUN 300 by flat space addressing: libiscsi's numbers are the two bytes as they are. */
const FLAT_300 = 0x4000 | 300;

export async function judgeLooks(context: SuiteContext, portal: ServedPortal): Promise<void> {
  await context.check("iscsi-ls -s: SendTargets, REPORT LUNS and each LUN's size", async () => {
    const listed = await context.succeed("iscsi-ls", "-s", portal.discovery);
    expect(listed).to.contain(`Target:${portal.target} Portal:${portal.address},1`);
    // Sizes are what the last block's number makes of them.
    expect(listed.match(/^Lun:.*/gm)).to.deep.equal([
      "Lun:0    Type:DIRECT_ACCESS (Size:63M)",
      "Lun:1    Type:DIRECT_ACCESS (Size:63M)",
      "Lun:2    Type:DIRECT_ACCESS (Size:7M)",
    ]);
    return "one target, three LUNs";
  });
  await context.check("iscsi-inq: standard data and VPD pages", async () => {
    expect(await context.succeed("iscsi-inq", portal.url(0))).to.match(/^Vendor:PVSCSI *$/m);
    for (const [page, line] of PAGES) {
      expect(await context.succeed("iscsi-inq", "--evpd=1", `--pagecode=${page}`, portal.url(0))).to.match(line);
    }
    return `${PAGES.length} pages`;
  });
  await context.check("iscsi-readcapacity16", async () => {
    const capacity = await context.succeed("iscsi-readcapacity16", portal.url(2));
    expect(capacity).to.match(/^Total size:8388608$/m);
    return "8388608 bytes";
  });
  await context.check("LUNs that come, grow and go: iscsi-ls and iscsi-readcapacity16 see them", async () => {
    expect(await portal.ask("attach", "mem:8MiB", "300")).to.equal("300\n");
    const lines = async () => (await context.succeed("iscsi-ls", "-s", portal.discovery)).match(/^Lun:.*/gm);
    expect(await lines()).to.include(`Lun:${FLAT_300} Type:DIRECT_ACCESS (Size:7M)`);
    await portal.ask("resize", "300", "16MiB");
    const capacity = await context.succeed("iscsi-readcapacity16", portal.url(FLAT_300));
    expect(capacity).to.match(/^Total size:16777216$/m);
    await portal.ask("detach", "300");
    expect((await lines())?.length).to.equal(3);
    return "LUN 300, of 8 and then of 16 MiB";
  });
  await context.check("iscsi-swp: write protection by the control mode page", async () => {
    for (const [word, on] of [
      ["on", true],
      ["off", false],
    ] as const) {
      await context.succeed("iscsi-swp", `--swp=${word}`, portal.url(0));
      const { output, errors } = await context.run("qemu-io", "-f", "raw", "-c", "write 0 4k", portal.url(0));
      const written = /wrote 4096\/4096/.test(output);
      expect(written, output + errors).to.equal(!on);
    }
    return "on, and off again";
  });
}

// Knows what libiscsi's programs make of one LUN behind two portal groups, each a target port of its own, and of a LUN that an
// initiator may only read.

import { expect } from "chai";
import { readReport } from "../qemu/cunit.js";
import type { SuiteContext } from "../suite.js";
import { ServedPortal } from "./portal.js";

/** What is asked for with two portals, and how many tests that are. */
const FAMILIES = [
  { test: "ALL.MultipathIO", tests: 4, what: "two paths" },
  { test: "ALL.CompareAndWrite", tests: 5, what: "COMPARE AND WRITE" },
  { test: "ALL.ProutRegister", tests: 1, what: "registrations" },
  { test: "ALL.ProutReserve", tests: 13, what: "persistent reservations" },
] as const;

export async function judgePaths(context: SuiteContext): Promise<void> {
  const portal = await ServedPortal.start(context, ["mem:64MiB,thin"], { tags: [1, 2] });
  const [near, far] = portal.paths(0);
  await context.check("iscsi-ls -s: two portals of two groups, and the LUN by each", async () => {
    const listed = await context.succeed("iscsi-ls", "-s", portal.discovery);
    const seen = [...listed.matchAll(/^Target:\S+ Portal:(\S+)\nLun:0 +Type:DIRECT_ACCESS \(Size:63M\)$/gm)];
    const expected = portal.addresses.map((address, index) => `${address},${index + 1}`);
    expect(seen.map(([, where]) => where).sort(), listed).to.deep.equal(expected.sort());
    return expected.join(" and ");
  });
  for (const { test, tests, what } of FAMILIES) {
    await context.check(`iscsi-test-cu by two ports: its ${tests} tests of ${what}`, async () => {
      expect(await tested(context, `--test=${test}`, near, far)).to.equal(tests);
      return `${tests} passed`;
    });
  }
  for (const [state, code] of [
    ["standby", "040b"],
    ["unavailable", "040c"],
    ["transitioning", "040a"],
  ] as const) {
    await context.check(`a port that is ${state}: refused there with ${code}, and the other goes on`, async () => {
      await portal.ask("alua", "0", "tpg2", `alua_access_state=${state}`);
      const there = await context.run("iscsi-readcapacity16", far);
      expect(there.errors + there.output).to.contain(`NOT READY(2) ASCQ:(null)(0x${code})`);
      expect(await context.succeed("iscsi-readcapacity16", near)).to.match(/^Total size:67108864$/m);
      await portal.ask("alua", "0", "tpg2", "alua_access_state=0");
      expect(await context.succeed("iscsi-readcapacity16", far)).to.match(/^Total size:67108864$/m);
      return "and both when it is active again";
    });
  }
  await portal.end();
  await judgeAcls(context);
}

const WRITER = "iqn.2026-11.localhost:writer";
const READER = "iqn.2026-11.localhost:reader";
const OBJECT = "/backstores/ramdisk/disk";

/** What targetcli saves of a target with an initiator that writes LUN 0 and one that reads it as LUN 4; strangers read it. */
const SAVED = {
  storage_objects: [
    { name: "disk", plugin: "ramdisk", size: 8 << 20, attributes: { emulate_tpu: 1, emulate_tpws: 1 } },
  ],
  targets: [
    {
      fabric: "iscsi",
      wwn: "iqn.2003-01.org.linux-iscsi.host.x8664:sn.0123456789ab",
      tpgs: [
        {
          attributes: { generate_node_acls: 1, demo_mode_write_protect: 1 },
          enable: true,
          luns: [{ index: 0, storage_object: OBJECT }],
          node_acls: [
            { node_wwn: WRITER, mapped_luns: [{ index: 0, tpg_lun: 0, write_protect: false }] },
            { node_wwn: READER, mapped_luns: [{ index: 4, tpg_lun: 0, write_protect: true }] },
          ],
          portals: [],
          tag: 1,
        },
      ],
    },
  ],
};

async function judgeAcls(context: SuiteContext): Promise<void> {
  const portal = await ServedPortal.start(context, [], { saveconfig: SAVED });
  for (const [who, name, lun, test] of [
    ["that may write", WRITER, 0, "ALL.Write10.Simple"],
    ["that may read only, at its own LUN", READER, 4, "ALL.ReadOnly"],
    ["without an ACL, in demo mode", "iqn.2026-11.localhost:stranger", 0, "ALL.ReadOnly"],
  ] as const) {
    await context.check(`iscsi-test-cu, ${test}: an initiator ${who}`, async () => {
      expect(await tested(context, `--initiator-name=${name}`, `--test=${test}`, portal.url(lun))).to.equal(1);
      return `LUN ${lun}`;
    });
  }
  await portal.end();
}

/** Runs tests, which all have to pass; gives how many there were. */
async function tested(context: SuiteContext, ...words: readonly string[]): Promise<number> {
  const { output } = await context.run("iscsi-test-cu", "--dataloss", "--verbose", ...words);
  const results = readReport(output);
  expect(
    results.filter(({ verdict }) => verdict !== "passed"),
    output.slice(-2000),
  ).to.deep.equal([]);
  return results.length;
}

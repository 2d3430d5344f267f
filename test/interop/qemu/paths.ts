// Knows what a Linux guest makes of one disk that it has by two target ports, whose target port groups are in states (ALUA): sg3_utils
// read and set them. The kernel that is booted has no device handler for them.

import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import { makeFile } from "./files.js";
import { Guest } from "./guest.js";
import { appeared, type GuestDisk } from "./guest-disk.js";
import type { Images } from "./images.js";
import { ServedDisks } from "./served-disks.js";

const MEBIBYTES = 16;
const NAMES = ["near", "far"] as const;

/** The file as LUN 0 of two targets, each in a group of its own. */
function saved(file: string): object {
  const groups = NAMES.map((name, index) => ({ name, tg_pt_gp_id: index + 1, preferred: 1 - index }));
  const object = { plugin: "fileio", name: "disk", dev: file, size: MEBIBYTES << 20, alua_tpgs: groups };
  const luns = NAMES.map((name) => [{ index: 0, storage_object: "/backstores/fileio/disk", alua_tg_pt_gp_name: name }]);
  const tpgs = luns.map((list, tag) => ({ tag, enable: true, luns: list }));
  return { storage_objects: [object], targets: [{ fabric: "vhost", wwn: "naa.500140568720f76f", tpgs }] };
}

/** A guest is booted for it: what was asked of other disks is not in its way. */
export async function judgePaths(context: SuiteContext, images: Images): Promise<void> {
  const server = await ServedDisks.startSaved(context, saved(await makeFile(context, MEBIBYTES)), 1);
  const guest = await Guest.boot(context, images, { words: server.words });
  const [near, far] = [await appeared(guest, { target: 0, lun: 0 }), await appeared(guest, { target: 1, lun: 0 })];
  await context.check("sg_rtpg reads two target port groups and their ports, by either path", async () => {
    const told = await Promise.all(
      [near, far].map(({ generic }) => guest.run(`sg_rtpg --extended --decode ${generic}`)),
    );
    for (const text of told) expect(groupsIn(text), text).to.deep.equal(["1 pref=1 0x00 01", "2 pref=0 0x00 02"]);
    expect(await guest.run(`sg_inq ${far.generic}`)).to.match(/TPGS=3/);
    return "groups 1 and 2, active/optimized";
  });
  await context.check("sg_stpg puts the other port in standby, where it is refused; the disk goes on by this one", () =>
    standBy(guest, near, far),
  );
  await guest.end();
  await context.check("what served two paths ends in order", () => server.close());
}

async function standBy(guest: Guest, near: GuestDisk, far: GuestDisk): Promise<string> {
  await guest.run(`sg_stpg --tp=2 --state=s ${near.generic}`);
  // The unit attention is for whoever comes first.
  const { output } = await guest.attempt(`sg_turs ${far.generic}; sg_turs --verbose ${far.generic} 2>&1`);
  expect(output).to.match(/target port in standby state/i);
  expect(groupsIn(await guest.run(`sg_rtpg --decode ${far.generic}`))[1]).to.equal("2 pref=0 0x02 02");
  await guest.run(`dd if=/dev/zero of=${near.disk} bs=64k count=4 oflag=direct 2>&1`);
  const read = await guest.attempt(`dd if=${far.disk} of=/dev/null bs=4k count=1 iflag=direct 2>&1`);
  expect(read.status, read.output).not.to.equal(0);
  // Offline is not for initiators to give; sg_stpg ends with 0 all the same.
  expect(await guest.run(`sg_stpg --offline --tp=2 ${near.generic} 2>&1`)).to.match(/illegal request/i);
  // By the port itself, which is in standby.
  await guest.run(`sg_stpg --tp=2 --state=ao ${far.generic} && sg_turs ${far.generic}`);
  expect(groupsIn(await guest.run(`sg_rtpg --decode ${far.generic}`))[1]).to.equal("2 pref=0 0x00 02");
  await guest.run(`dd if=${far.disk} of=/dev/null bs=4k count=1 iflag=direct 2>&1`);
  return "and it comes back by a command that it takes in standby";
}

/** Each group as `ID pref=BIT STATE PORT...`, of what sg_rtpg prints. */
function groupsIn(text: string): string[] {
  return text
    .split(/(?=target port group id : )/)
    .slice(1)
    .map((group) => {
      const id = Number(/group id : (0x[0-9a-f]+)/.exec(group)?.[1]);
      const preferred = /Pref=(\d)/.exec(group)?.[1];
      const state = /access state : (0x[0-9a-f]+)/.exec(group)?.[1];
      const ports = group.slice(group.indexOf("Relative target port ids"));
      const numbers = [...ports.matchAll(/^\s+0x([0-9a-f]+)\b/gm)].map(([, port]) => port);
      return [id, `pref=${preferred}`, state, ...numbers].join(" ");
    });
}

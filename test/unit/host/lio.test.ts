// Tests targetcli's shell over LIO's tree: the walk of libvirt's page on vhost-scsi, the tree as it is drawn, what is kept, and wrong inputs.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { iscsiNodes, parseSaveconfig, vhostController } from "@pvscsi/config";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { MULTIPATH, STATE, Stand } from "./lio-stand.js";

describe("targetcli's shell", () => {
  let stand: Stand;
  beforeEach(() => {
    stand = new Stand();
  });

  /** The page creates disk1 and goes on with disk0; its WWN was drawn. */
  it("answers the walk of libvirt's page on vhost-scsi as the page has it, and the guest finds the LUN", async () => {
    const made = `backstores/block create name=disk1 write_back=false   dev=${MULTIPATH}`;
    expect(await stand.ask(made)).to.equal(`Created block storage object disk1 using ${MULTIPATH}.`);
    const said = await stand.ask("vhost/ create");
    expect(said).to.match(/^Created target naa\.5001405[0-9a-f]{9}\.\nCreated TPG 1\.$/);
    const [wwn] = /naa\.[0-9a-f]{16}/.exec(said) ?? [""];
    expect(await stand.ask(`vhost/${wwn}/tpg1/luns create /backstores/block/disk1`)).to.equal("Created LUN 0.");
    expect(await stand.ask("exit")).to.equal("");
    expect(stand.shell.left).to.equal(true);
    const served = vhostController(parseSaveconfig(stand.kept.get(STATE) ?? "", STATE), wwn);
    expect(served.targets).to.deep.equal([
      { target: 1, luns: [{ lun: 0, device: { host: 0, channel: 0, target: 1, lun: 0 } }] },
    ]);
    const [lun] = served.devices.hosts[0].luns;
    expect([lun.vendor, lun.product, lun.revision]).to.deep.equal(["LIO-ORG", "disk1", "4.0"]);
  });

  it("draws the tree as targetcli does", async () => {
    await stand.all(
      `/backstores/block create disk1 ${MULTIPATH}`,
      "/backstores/ramdisk create d 64M nullio=true",
      "/iscsi create iqn.2003-01.org.linux-iscsi.h.x8664:sn.1",
      "/iscsi/iqn.2003-01.org.linux-iscsi.h.x8664:sn.1/tpg1/acls create iqn.1994-05.com.redhat:x",
      "/iscsi/iqn.2003-01.org.linux-iscsi.h.x8664:sn.1/tpg1/luns create /backstores/ramdisk/d lun=10",
      "/iscsi/iqn.2003-01.org.linux-iscsi.h.x8664:sn.1/tpg1/luns create ../../../../backstores/block/disk1 2",
      "/xen-pvscsi create naa.5001405000000001",
      "/xen-pvscsi/naa.5001405000000001/tpg1 set parameter alias=blue",
    );
    const tree = await stand.ask("ls");
    const nexus = /tpg1 \.+ \[(naa\.5001405[0-9a-f]{9})\]/.exec(tree)?.[1];
    expect(tree.split("\n")).to.deep.equal([
      "o- / ..................................................................... [...]",
      "  o- backstores .......................................................... [...]",
      "  | o- block .............................................. [Storage Objects: 1]",
      `  | | o- disk1  [${MULTIPATH} (14.0GiB) write-thru activated]`,
      "  | |   o- alua ............................................... [ALUA Groups: 1]",
      "  | |     o- default_tg_pt_gp ................... [ALUA state: Active/optimized]",
      "  | o- fileio ............................................. [Storage Objects: 0]",
      "  | o- pscsi .............................................. [Storage Objects: 0]",
      "  | o- ramdisk ............................................ [Storage Objects: 1]",
      "  |   o- d ........................................ [nullio (64.0MiB) activated]",
      "  |     o- alua ............................................... [ALUA Groups: 1]",
      "  |       o- default_tg_pt_gp ................... [ALUA state: Active/optimized]",
      "  o- iscsi ........................................................ [Targets: 1]",
      "  | o- iqn.2003-01.org.linux-iscsi.h.x8664:sn.1 ...................... [TPGs: 1]",
      "  |   o- tpg1 ........................................... [no-gen-acls, no-auth]",
      "  |     o- acls ...................................................... [ACLs: 1]",
      "  |     | o- iqn.1994-05.com.redhat:x ......................... [Mapped LUNs: 2]",
      "  |     |   o- mapped_lun2 ............................. [lun2 block/disk1 (rw)]",
      "  |     |   o- mapped_lun10 ............................. [lun10 ramdisk/d (rw)]",
      "  |     o- luns ...................................................... [LUNs: 2]",
      `  |     | o- lun2  [block/disk1 (${MULTIPATH}) (default_tg_pt_gp)]`,
      "  |     | o- lun10 .............................. [ramdisk/d (default_tg_pt_gp)]",
      "  |     o- portals ................................................ [Portals: 1]",
      "  |       o- [::0]:3260 ................................................... [OK]",
      "  o- loopback ..................................................... [Targets: 0]",
      "  o- vhost ........................................................ [Targets: 0]",
      "  o- xen-pvscsi ................................................... [Targets: 1]",
      "    o- naa.5001405000000001 .......................................... [TPGs: 1]",
      `      o- tpg1 ........................................... [${nexus}]`,
      "        o- luns ...................................................... [LUNs: 0]",
    ]);
    const shown = await stand.ask("ls /backstores 1");
    expect(shown.split("\n")).to.have.length(5);
  });

  it("gives initiators what it maps for them", async () => {
    const group = "/iscsi/iqn.2003-01.org.linux-iscsi.h.x8664:sn.1/tpg1";
    await stand.all(
      "/backstores/fileio create a new.img 1M",
      "/backstores/ramdisk create b 1M",
      "/iscsi create iqn.2003-01.org.linux-iscsi.h.x8664:sn.1",
      `${group}/portals delete ::0 3260`,
      `${group}/portals create 127.0.0.1 3261`,
      `${group}/luns create /backstores/fileio/a`,
      `${group}/acls create iqn.1994-05.com.redhat:x`,
      `${group}/acls/iqn.1994-05.com.redhat:x create 7 /backstores/ramdisk/b write_protect=1`,
      `${group} set attribute authentication=1`,
      `${group}/acls/iqn.1994-05.com.redhat:x set auth userid=me password=secretsecret`,
    );
    const { targets } = iscsiNodes(parseSaveconfig(stand.kept.get(STATE) ?? "", STATE));
    const [served] = targets[0].groups;
    expect(served.portals).to.deep.equal([{ host: "127.0.0.1", port: 3261 }]);
    expect(served.initiators.get("iqn.1994-05.com.redhat:x")).to.deep.equal({
      chap: { user: "me", password: "secretsecret", mutual: null },
      luns: [
        { lun: 0, groupLun: 0, readOnly: false },
        { lun: 7, groupLun: 1, readOnly: true },
      ],
    });
  });

  it("deletes a storage object with its LUNs and what is mapped to them", async () => {
    const group = "/iscsi/iqn.2003-01.org.linux-iscsi.h.x8664:sn.1/tpg1";
    await stand.all(
      "/backstores/ramdisk create b 1M",
      "/iscsi create iqn.2003-01.org.linux-iscsi.h.x8664:sn.1",
      `${group}/luns create /backstores/ramdisk/b`,
      `${group}/acls create iqn.1994-05.com.redhat:x`,
    );
    expect(await stand.ask(`${group}/acls/iqn.1994-05.com.redhat:x status`)).to.include("Mapped LUNs: 1");
    expect(await stand.ask("/backstores/ramdisk delete b")).to.equal("Deleted storage object b.");
    expect(await stand.ask(`${group}/acls/iqn.1994-05.com.redhat:x status`)).to.include("Mapped LUNs: 0");
    expect(await stand.ask(`${group}/luns status`)).to.include("LUNs: 0");
  });

  it("walks the tree, and is where something is left when its place is deleted", async () => {
    await stand.all("/vhost create naa.5001405000000002", "cd /vhost/naa.5001405000000002/tpg1/luns");
    expect(stand.shell.prompt).to.equal("/vhost/naa.50...002/tpg1/luns> ");
    expect(await stand.ask("pwd")).to.equal("/vhost/naa.5001405000000002/tpg1/luns");
    await stand.all("/vhost delete naa.5001405000000002");
    expect(await stand.ask("pwd")).to.equal("/vhost");
    await stand.all("../backstores");
    expect(stand.shell.prompt).to.equal("/backstores> ");
  });

  it("loads what rtslib has saved, and saves it back with nothing lost", async () => {
    const text = readFileSync(join(repositoryRoot, "configs", "saveconfig.json"), "utf8");
    const saved = JSON.parse(text);
    saved.targets[0].tpgs[0].luns[0].unknown = { deep: [1, null] };
    saved.fabric_modules = [{ name: "iscsi", discovery_enable_auth: true }];
    stand.kept.set("/etc/target/saveconfig.json", JSON.stringify(saved));
    const file = "/etc/target/saveconfig.json";
    expect(await stand.ask(`restoreconfig ${file}`)).to.equal(`Configuration restored from ${file}`);
    expect(await stand.ask("ls")).to.include("o- disk0");
    expect(await stand.ask("saveconfig copy.json")).to.equal("Configuration saved to copy.json");
    expect(JSON.parse(stand.kept.get("/data/copy.json") ?? "")).to.deep.equal(saved);
    expect(await stand.ask(`restoreconfig ${file}`)).to.equal("! storageobject 'fileio:disk0' exist not restoring");
    expect(await stand.ask("clearconfig")).to.equal("! As a precaution, confirm=True needs to be set");
    expect(await stand.ask("clearconfig confirm=True")).to.equal("All configuration cleared");
    expect(await stand.ask("/vhost status")).to.equal("Status for /vhost: Targets: 0");
  });

  it("completes paths, commands and what they are about", async () => {
    await stand.all("/backstores/ramdisk create disk 1M", "/vhost create naa.5001405000000002");
    const luns = "/vhost/naa.5001405000000002/tpg1/luns";
    const offered: readonly (readonly [line: string, words: readonly string[]])[] = [
      ["/vh", ["/vhost/"]],
      ["/vhost cr", ["create "]],
      ["l", ["ls ", "loopback/"]],
      ["cd /back", ["/backstores/"]],
      ["help l", ["ls "]],
      [`${luns} create /backstores/r`, ["/backstores/ramdisk/disk "]],
      ["/backstores/ramdisk create ", ["name=", "size=", "nullio=", "wwn="]],
      ["/backstores/ramdisk create disk wwn=1 ", ["size=", "nullio="]],
      ["/backstores/ramdisk delete d", ["disk "]],
      ["/backstores/ramdisk delete ", ["disk ", "name=", "save="]],
      ["/backstores/ramdisk/disk set at", ["attribute "]],
      ["/backstores/ramdisk/disk set attribute emulate_tp", ["emulate_tpu=", "emulate_tpws="]],
      ["/backstores/ramdisk/disk get attribute emulate_tpu", ["emulate_tpu "]],
      ["/nowhere ", []],
      ["fly ", []],
    ];
    for (const [line, words] of offered) expect(await stand.shell.complete(line), line).to.deep.equal(words);
  });

  const WRONG: readonly (readonly [line: string, said: string])[] = [
    ["/nowhere ls", "No such path /nowhere"],
    ["fly", "Command not found fly"],
    ["/backstores/fileio create", "Missing required parameters 'name', 'file_or_dev'"],
    ["/backstores/ramdisk create d", "Missing required parameter size"],
    ["/backstores/ramdisk create d 1M false w 5", "Got 5 positionnal parameters, expected at most 4."],
    ["/backstores/ramdisk create d 1M color=red", "Unexpected keyword parameter 'color'."],
    ["/backstores/ramdisk create d 1M name=d", "Duplicate parameter name."],
    ["/backstores/ramdisk create d 1X", "Cannot interpret size, wrong format: 1X"],
    ["/backstores/ramdisk create there 1M", "Storage object ramdisk/there exists"],
    ["/backstores/ramdisk create a/b 1M", "A storage object's name cannot contain  /, newline or spaces/tabs"],
    ["/backstores/ramdisk delete d", "No storage object named d."],
    ["/backstores/fileio create f /gone.img", "Attempting to create file for new fileio backstore, need a size"],
    ["/backstores/fileio create f /data 1M", "Path /data exists but is not a file"],
    ["/backstores/block create b /dev/gone", "Could not open /dev/gone"],
    ["/backstores/block create b /data/there.img", "Device /data/there.img is not a TYPE_DISK block device"],
    ["/vhost create iqn.2003-01.a.b", "WWN not valid as: naa"],
    ["/vhost create naa.5001405000000002", "This Target already exists in configFS"],
    [
      "/vhost delete naa.5001405000000003",
      "No such Target in configfs: /sys/kernel/config/target/vhost/naa.5001405000000003",
    ],
    ["/vhost/naa.5001405000000002 create 1", "This TPG already exists in configFS"],
    ["/vhost/naa.5001405000000002 create x", "Tag argument must be a number."],
    ["/vhost/naa.5001405000000002 create 256", "invalid tag 256, expected a number from 0 to 255 for fabric vhost"],
    ["/vhost/naa.5001405000000002/tpg1/luns create /backstores/ramdisk/d", "storage object or path not valid"],
    [
      "/vhost/naa.5001405000000002/tpg1/luns create /backstores/ramdisk/there",
      "lun for storage object ramdisk/there already exists",
    ],
    ["/vhost/naa.5001405000000002/tpg1/luns delete 4", "Invalid LUN"],
    ["/backstores/ramdisk/there set attribute nothing=1", "Unknown parameter nothing in group 'attribute'."],
    [
      "/backstores/ramdisk/there set attribute emulate_tpu=x",
      "Not setting emulate_tpu! Syntax error, 'x' is not a NUMBER.",
    ],
    ["/backstores/ramdisk/there get nothing", "Unknown configuration group: nothing"],
    ["/backstores/ramdisk/there/alua create a 0", "The TPG Tag must be between 1 and 65535"],
    ["/backstores/ramdisk/there/alua create a b", "invalid literal for int() with base 10: 'b'"],
    ["/backstores/ramdisk/there/alua delete default_tg_pt_gp", "Can not delete default_tg_pt_gp"],
    [
      "/backstores/pscsi create p /dev/gone",
      "Cannot find SCSI device by path, and dev parameter not in H:C:T:L format: /dev/gone",
    ],
    ["restoreconfig /gone.json", "Restore file /gone.json not found"],
    ["ls / deep", "The tree depth must be a number."],
    ["help nothing", "Cannot find help topic nothing."],
  ];
  for (const [line, said] of WRONG) {
    it(`says of '${line}' what targetcli says, and keeps nothing of it`, async () => {
      await stand.all(
        "/backstores/ramdisk create there 1M",
        "/vhost create naa.5001405000000002",
        "/vhost/naa.5001405000000002/tpg1/luns create /backstores/ramdisk/there",
      );
      const before = stand.kept.get(STATE);
      expect(await stand.ask(line)).to.equal(`! ${said}`);
      expect(stand.kept.get(STATE)).to.equal(before);
    });
  }
});

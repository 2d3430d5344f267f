// Tests LIO's tree in Linux' configfs: the listings of libvirt's page on vhost-scsi, what stands for secrets, initiators and groups, and
// names that no file can have.

import { expect } from "chai";
import { MULTIPATH, STATE, Stand } from "./lio-stand.js";

const VHOST = "/config/target/vhost";
const WWN = "naa.500140568720f76f";

describe("LIO's tree in configfs", () => {
  let stand: Stand;
  beforeEach(() => {
    stand = new Stand();
  });

  function textOf(path: string): string | undefined {
    const entry = stand.planted.get(path);
    return entry?.kind === "file" ? entry.text : undefined;
  }

  function linkOf(path: string): string | undefined {
    const entry = stand.planted.get(path);
    return entry?.kind === "link" ? entry.to : undefined;
  }

  function list(folder: string): string[] {
    const names = [...stand.planted.keys()].filter((path) => path.startsWith(`${folder}/`));
    return [...new Set(names.map((path) => path.slice(folder.length + 1).split("/")[0]))].sort();
  }

  /** The page's names are disk0 for disk1, another link, and 4592 sectors of that device. */
  it("is listed as on libvirt's page on vhost-scsi", async () => {
    await stand.all(
      `/backstores/block create name=disk0 write_back=false dev=${MULTIPATH}`,
      `/vhost create ${WWN}`,
      `/vhost/${WWN}/tpg1/luns create /backstores/block/disk0`,
    );
    expect(await stand.ask("configfs /config")).to.equal("Tree written to /config/target");
    expect(list(VHOST)).to.deep.equal(["discovery_auth", WWN, "version"]);
    const lun = `${VHOST}/${WWN}/tpgt_1/lun/lun_0`;
    const link = list(lun).find((name) => /^[0-9a-f]{10}$/.test(name)) ?? "";
    expect(list(lun).filter((name) => name !== link)).to.deep.equal([
      "alua_tg_pt_gp",
      "alua_tg_pt_offline",
      "alua_tg_pt_status",
      "alua_tg_pt_write_md",
      "statistics",
    ]);
    expect(linkOf(`${lun}/${link}`)).to.equal("../../../../../../target/core/iblock_0/disk0");
    expect(textOf("/config/target/core/iblock_0/disk0/info")).to.equal(
      [
        "Status: ACTIVATED  Max Queue Depth: 0  SectorSize: 512  HwMaxSectors: 16384",
        `        iBlock device: dm-0  UDEV PATH: ${MULTIPATH}  readonly: 0`,
        "        Major: 252 Minor: 0  CLAIMED: IBLOCK",
        "",
      ].join("\n"),
    );
  });

  it("has groups of ports, initiators, what they prove and what is mapped for them", async () => {
    const group = "/iscsi/iqn.2003-01.a.b:c/tpg1";
    await stand.all(
      "/backstores/ramdisk create d 1M",
      "/backstores/ramdisk/d/alua create far 16",
      "/backstores/ramdisk/d/alua/far set alua alua_access_type=1",
      "/iscsi create iqn.2003-01.a.b:c",
      `${group}/luns create /backstores/ramdisk/d 5`,
      `${group}/luns/lun5 set alua alua_tg_pt_gp_name=far`,
      `${group}/acls create iqn.1994-05.com.redhat:x`,
      `${group}/acls/iqn.1994-05.com.redhat:x set auth mutual_userid=me`,
      "configfs /config",
    );
    const far = "/config/target/core/rd_mcp_0/d/alua/far";
    expect(textOf(`${far}/alua_access_type`)).to.equal("Implicit\n");
    expect(textOf(`${far}/members`)).to.equal("iscsi/iqn.2003-01.a.b:c/tpgt_1/lun_5\n");
    const folder = "/config/target/iscsi/iqn.2003-01.a.b:c/tpgt_1";
    expect(textOf(`${folder}/lun/lun_5/alua_tg_pt_gp`)).to.equal("TG Port Alias: far\nTG Port Group ID: 16\n");
    const acl = `${folder}/acls/iqn.1994-05.com.redhat:x`;
    expect(textOf(`${acl}/auth/userid_mutual`)).to.equal("me\n");
    expect(textOf(`${acl}/attrib/nopin_timeout`)).to.equal("15\n");
    const [mapped] = list(`${acl}/lun_5`);
    const to = "../../../../../../../target/iscsi/iqn.2003-01.a.b:c/tpgt_1/lun/lun_5";
    expect(linkOf(`${acl}/lun_5/${mapped}`)).to.equal(to);
  });

  for (const [what, config, said] of [
    [
      "a name that leads elsewhere",
      { targets: [{ fabric: "iscsi", wwn: "../../x", tpgs: [] }] },
      '"../../x" cannot be the name of a file',
    ],
    [
      "another fabric",
      { targets: [{ fabric: "srpt", wwn: "ib.1", tpgs: [] }] },
      "Target ib.1 is of fabric srpt, which this tree has not",
    ],
    [
      "another plugin",
      { storage_objects: [{ plugin: "user", name: "u" }] },
      "Storage object u is of plugin user, which this tree has not",
    ],
  ] as const) {
    it(`is not made of ${what}`, async () => {
      stand.kept.set(STATE, JSON.stringify(config));
      expect(await stand.ask("configfs /config")).to.equal(`! ${said}`);
      expect(stand.planted.size).to.equal(0);
    });
  }
});

// What a guest sees of LIO's configuration by vhost-scsi: addresses, and how LIO's disks describe themselves.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  formatAddress,
  formatLunWord,
  formatWarning,
  lioName,
  parseHostConfig,
  parseSaveconfig,
  printHostConfig,
  type VhostController,
  vhostController,
} from "@pvscsi/config";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { faultOf } from "./support.js";

const UUID = "2f6b4a7c-90d1-4e5b-8a33-c1d20e9f4b67";
const WWN = "naa.5001405aaaaaaaaa";

interface Parts {
  /** Of its one storage object, beside its name. */
  readonly storage?: object;
  readonly tpgs?: readonly object[];
  readonly more?: readonly object[];
}

const lun = (index: number, storage_object = "/backstores/fileio/d"): object => ({ index, storage_object });

function text({ storage = {}, tpgs = [{ tag: 1, luns: [lun(0)] }], more = [] }: Parts): string {
  const object = { name: "d", plugin: "fileio", dev: "/a.img", ...storage };
  return JSON.stringify({ storage_objects: [object], targets: [{ fabric: "vhost", wwn: WWN, tpgs }, ...more] });
}

const serve = (parts: Parts, wwn?: string): VhostController =>
  vhostController(parseSaveconfig(text(parts), "s.json"), wwn);
const fault = (parts: Parts, wwn?: string): string => faultOf(() => serve(parts, wwn));
const word = (storage: { readonly plugin?: string; readonly name?: string }): string => {
  const { plugin = "fileio", name = "d" } = storage;
  const tpgs = [{ tag: 1, luns: [lun(0, `/backstores/${plugin}/${name}`)] }];
  return formatLunWord(serve({ storage, tpgs }).devices.hosts[0].luns[0]);
};

describe("a vhost target of saveconfig.json", () => {
  it("of the example is [0:0:1:0] and [0:0:1:1] in the guest, with LIO's identity", () => {
    const path = join(repositoryRoot, "configs", "saveconfig.json");
    const controller = vhostController(parseSaveconfig(readFileSync(path, "utf8"), path));
    expect(controller.wwn).to.equal("naa.500140568720f76f");
    expect(controller.targets).to.deep.equal([
      {
        target: 1,
        luns: [0, 1].map((index) => ({ lun: index, device: { host: 0, channel: 0, target: 1, lun: index } })),
      },
    ]);
    expect(controller.warnings).to.deep.equal([]);
    expect(controller.devices.hosts[0].luns.map(formatLunWord)).to.deep.equal([
      `images/disk0.img,size=256MiB,vendor=LIO-ORG,product=disk0,revision=4.0,serial=${UUID},wwn=naa.60014052f6b4a7c90d14e5b8a33c1d20,thin=false,taskAborted,rotation=0`,
      "mem:64MiB,vendor=LIO-ORG,product=scratch,revision=4.0,serial=b0a9d3f4-17ce-4c28-9d50-3fe6128a75c9,wwn=naa.6001405b0a9d3f417ce4c289d503fe61,fua=false,writeSameUnmap=false,unmapZeroes=false,taskAborted",
    ]);
  });

  it("has a target for each group, in its order, with its LUNs by number; a group that is off is not there", () => {
    const { targets } = serve({
      tpgs: [
        { tag: 200, luns: [lun(16383), lun(0), lun(300)] },
        { tag: 0, luns: [] },
        { tag: 3, enable: false, luns: [lun(0)] },
      ],
    });
    expect(targets.map(({ target, luns }) => [target, luns.map((l) => l.lun)])).to.deep.equal([
      [200, [0, 300, 16383]],
      [0, []],
    ]);
  });

  it("has a storage object once among its devices, whatever LUNs it is at", () => {
    const { targets, devices } = serve({
      tpgs: [
        { tag: 1, luns: [lun(4), lun(2)] },
        { tag: 2, luns: [lun(0)] },
      ],
    });
    expect(targets.flatMap(({ luns }) => luns.map(({ device }) => formatAddress(device)))).to.deep.equal(
      new Array(3).fill("0:0:1:2"),
    );
    const { luns } = devices.hosts[0];
    expect(luns.map(({ address, shareable }) => [formatAddress(address), shareable])).to.deep.equal([
      ["0:0:1:2", true],
    ]);
  });

  it("has devices that host.yaml can say as well", () => {
    const { devices } = serve({ storage: { wwn: UUID, size: 1048576 } });
    const [printed] = parseHostConfig(printHostConfig(devices), "h.yaml").hosts[0].luns;
    expect(formatLunWord(printed)).to.equal(formatLunWord(devices.hosts[0].luns[0]));
  });

  const identities: ReadonlyArray<readonly [string, object, string]> = [
    [
      "a file is as the kernel has it",
      {},
      "/a.img,sync=writethrough,vendor=LIO-ORG,product=FILEIO,revision=4.0,thin=false,fua=false,taskAborted,rotation=0",
    ],
    [
      "write_back is a cache, and FUA goes past it",
      { write_back: true },
      "/a.img,vendor=LIO-ORG,product=FILEIO,revision=4.0,thin=false,taskAborted,rotation=0",
    ],
    [
      "emulate_write_cache is stronger than write_back",
      { write_back: true, attributes: { emulate_write_cache: 0 } },
      "/a.img,sync=writethrough,vendor=LIO-ORG,product=FILEIO,revision=4.0,thin=false,fua=false,taskAborted,rotation=0",
    ],
    [
      "attributes switch FUA, UNMAP and rotation",
      { write_back: true, attributes: { emulate_fua_write: 0, emulate_tpu: 1, is_nonrot: 1, block_size: 4096 } },
      "/a.img,block=4096,vendor=LIO-ORG,product=FILEIO,revision=4.0,fua=false,writeSameUnmap=false,unmapZeroes=false,taskAborted",
    ],
    [
      "attributes switch commands",
      {
        write_back: true,
        attributes: {
          emulate_tpws: 1,
          unmap_zeroes_data: 1,
          emulate_caw: 0,
          emulate_3pc: 0,
          emulate_pr: 0,
          is_nonrot: 1,
        },
      },
      "/a.img,vendor=LIO-ORG,product=FILEIO,revision=4.0,unmap=false,compareAndWrite=false,thirdPartyCopy=false,reservable=false,taskAborted",
    ],
    [
      "a name is the product with emulate_model_alias, its first 16 characters",
      { name: "twenty-characters-ok", attributes: { emulate_model_alias: 1 } },
      "/a.img,sync=writethrough,vendor=LIO-ORG,product=twenty-character,revision=4.0,thin=false,fua=false,taskAborted,rotation=0",
    ],
    [
      "a file that is missing is made with its size",
      { size: 1048576, write_back: true },
      "/a.img,size=1MiB,vendor=LIO-ORG,product=FILEIO,revision=4.0,thin=false,taskAborted,rotation=0",
    ],
    [
      "but not among the devices",
      { dev: "/dev/sdz", size: 1048576, write_back: true },
      "/dev/sdz,vendor=LIO-ORG,product=FILEIO,revision=4.0,thin=false,taskAborted,rotation=0",
    ],
    [
      "a block device has a cache of its own, and may be read-only",
      { plugin: "block", dev: "/dev/sdb", readonly: true, write_back: false },
      "/dev/sdb,ro,vendor=LIO-ORG,product=IBLOCK,revision=4.0,thin=false,taskAborted,rotation=0",
    ],
    [
      "a ramdisk has whole pages",
      { plugin: "ramdisk", size: 9000 },
      "mem:8KiB,vendor=LIO-ORG,product=RAMDISK-MCP,revision=4.0,thin=false,fua=false,taskAborted",
    ],
    [
      "at least one",
      { plugin: "ramdisk", size: 512 },
      "mem:4KiB,vendor=LIO-ORG,product=RAMDISK-MCP,revision=4.0,thin=false,fua=false,taskAborted",
    ],
    [
      "and may keep nothing",
      { plugin: "ramdisk", size: 4096, nullio: true },
      "null:4KiB,vendor=LIO-ORG,product=RAMDISK-MCP,revision=4.0,thin=false,fua=false,taskAborted",
    ],
  ];
  for (const [what, storage, expected] of identities) it(what, () => expect(word(storage)).to.equal(expected));

  it("names a LUN as LIO does: 6001405 and 25 hex digits of the serial number, whatever stands between", () => {
    expect(lioName(UUID)).to.equal("naa.60014052f6b4a7c90d14e5b8a33c1d20");
    expect(lioName("DISK-1 ffG")).to.equal(`naa.6001405d1ff${"0".repeat(21)}`);
    expect(lioName("none"), "its one hex digit").to.equal(`naa.6001405e${"0".repeat(24)}`);
  });

  it("is one of several by its WWN, in any case", () => {
    const other = { fabric: "vhost", wwn: "naa.5001405bbbbbbbbb", tpgs: [{ tag: 9, luns: [] }] };
    const more = [other, { fabric: "iscsi", wwn: "iqn.x:y", tpgs: [] }];
    const controller = serve({ more }, "naa.5001405BBBBBBBBB");
    expect(controller.targets).to.deep.equal([{ target: 9, luns: [] }]);
    expect(controller.warnings.map(formatWarning)[0]).to.match(
      /^s\.json:1:\d+: warning: target iqn\.x:y of fabric iscsi is not served: only vhost is$/,
    );
    expect(fault({ more })).to.match(
      /^s\.json:1:\d+: 2 targets of fabric vhost, expected to be told which of naa\.5001405aaaaaaaaa, naa\.5001405bbbbbbbbb$/,
    );
    expect(fault({ more }, "naa.5001405ccccccccc")).to.equal(
      "s.json:1:1: no target 'naa.5001405ccccccccc' of fabric vhost, expected one of naa.5001405aaaaaaaaa, naa.5001405bbbbbbbbb",
    );
    expect(faultOf(() => vhostController(parseSaveconfig("{}", "s.json")))).to.equal(
      "s.json:1:1: no target of fabric vhost",
    );
  });

  it("says that access lists are without effect", () => {
    const { warnings } = serve({ tpgs: [{ tag: 1, luns: [lun(0)], node_acls: [{ node_wwn: "naa.5" }] }] });
    expect(warnings.map(({ reason }) => reason)).to.deep.equal([
      "node_acls are without effect: the guest finds every LUN, writable",
    ]);
  });

  it("is refused for what cannot be served, at the storage object", () => {
    const at = "s.json:1:21: ";
    expect(fault({ storage: { attributes: { block_size: 1024 } } })).to.equal(
      `${at}block_size 1024 is not supported in this version, expected 512 or 4096`,
    );
    expect(fault({ storage: { size: 100 } })).to.equal(`${at}size 100 is less than a block of 512 bytes`);
    const tpgs = [{ tag: 1, luns: [lun(0, "/backstores/pscsi/d")] }];
    expect(fault({ storage: { plugin: "pscsi" }, tpgs })).to.equal(
      `${at}plugin 'pscsi' cannot be served in this version, expected one of fileio, block, ramdisk`,
    );
    expect(serve({ storage: { plugin: "pscsi" }, tpgs: [] }).targets, "nobody wants it").to.deep.equal([]);
  });
});

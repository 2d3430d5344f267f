// rtslib's saveconfig.json, as targetcli writes it: what is read, what is kept, what is refused and where.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  ALUA_KEYS,
  ATTRIBUTE_KEYS,
  ConfigError,
  GROUP_KEYS,
  GROUP_LUN_KEYS,
  parseSaveconfig,
  printSaveconfig,
  type Saveconfig,
  STORAGE_KEYS,
  TARGET_KEYS,
} from "@pvscsi/config";
import { expect } from "chai";
import fc from "fast-check";
import { repositoryRoot } from "../../support/repository.js";
import { bare, faultOf, withoutPlaces } from "./support.js";

const EXAMPLE = readFileSync(join(repositoryRoot, "configs", "saveconfig.json"), "utf8");
const RAM = '{ "name": "r", "plugin": "ramdisk", "size": 65536 }';

function parse(text: string): Saveconfig {
  return parseSaveconfig(text, "s.json");
}

const fault = (text: string): string => faultOf(() => parse(text));

/** A file with this inside its one storage object, after name and plugin. */
const storing = (keys: string): string => `{ "storage_objects": [\n{ "name": "d", "plugin": "fileio", ${keys} } ] }`;

/** A file with a ramdisk and this inside its one target. */
const serving = (tpgs: string, fabric = "vhost", wwn = "naa.500140568720f76f"): string =>
  `{ "storage_objects": [ ${RAM} ],\n"targets": [ { "fabric": "${fabric}", "wwn": "${wwn}", "tpgs": [\n${tpgs} ] } ] }`;

const lun = (index: number | string, object = "/backstores/ramdisk/r"): string =>
  `{ "index": ${index}, "storage_object": "${object}" }`;

describe("saveconfig.json", () => {
  it("reads storage objects, targets, portal groups and LUNs", () => {
    const { storageObjects, targets } = parse(EXAMPLE);
    const [file, ram] = storageObjects;
    expect(file).to.include({ name: "disk0", plugin: "fileio", size: 268435456, writeBack: true, aio: false });
    expect(file).to.include({ dev: "images/disk0.img", wwn: "2f6b4a7c-90d1-4e5b-8a33-c1d20e9f4b67" });
    expect(file.attributes).to.deep.equal({
      blockSize: 512,
      fuaWrite: true,
      modelAlias: true,
      unmap: false,
      writeSameUnmap: false,
      unmapZeroes: false,
      compareAndWrite: true,
      thirdPartyCopy: true,
      taskAborted: true,
      reservable: true,
      writeCache: true,
      nonRotating: false,
    });
    expect(ram).to.include({ plugin: "ramdisk", size: 67108864 });
    expect(targets).to.have.length(1);
    expect(targets[0]).to.include({ fabric: "vhost", wwn: "naa.500140568720f76f" });
    const [group] = targets[0].groups;
    expect(group).to.include({ tag: 1, enable: true });
    expect(group.luns.map(({ index, storageObject }) => [index, storageObject])).to.deep.equal([
      [0, "/backstores/fileio/disk0"],
      [1, "/backstores/ramdisk/scratch"],
    ]);
  });

  it("keeps every key it does not know, wherever it is, and prints the example to the letter", () => {
    const config = parse(EXAMPLE);
    expect(config.others).to.deep.equal({ fabric_modules: [] });
    expect(config.storageObjects[0].aluaGroups?.[0].others).to.deep.equal({ alua_access_status: 0 });
    expect(config.storageObjects[0].otherAttributes).to.include({ queue_depth: 128 });
    expect(config.targets[0].groups[0].luns[0].others).to.include({ alias: "a08824829b" });
    expect(printSaveconfig(config)).to.equal(EXAMPLE);
  });

  it("reads a file of nothing, and takes null for a key that is not there", () => {
    expect(parse("{}")).to.deep.include({ storageObjects: [], targets: [], others: {} });
    expect(parse(storing('"dev": "/a", "wwn": null')).storageObjects[0]).to.not.have.property("wwn");
  });

  it("takes 0, 1, true and false for each other", () => {
    const text = storing(
      '"dev": "/a", "aio": 1, "write_back": 0, "attributes": { "is_nonrot": true, "emulate_tpu": false }',
    );
    const [object] = parse(text).storageObjects;
    expect(object).to.include({ aio: true, writeBack: false });
    expect(object.attributes).to.deep.equal({ nonRotating: true, unmap: false });
    expect(printSaveconfig(parse(text))).to.contain('"emulate_tpu": 0,\n        "is_nonrot": 1');
  });

  it("gives a portal group without a tag the lowest from 1 that is free", () => {
    const [target] = parse(serving('{}, { "tag": 3 }, {}, {}, { "tag": 0 }')).targets;
    expect(target.groups.map(({ tag }) => tag)).to.deep.equal([1, 3, 2, 4, 0]);
  });

  it("keeps targets of other fabrics, with their wider limits", () => {
    const text = serving(
      `{ "tag": 65535, "luns": [ ${lun(65535)} ], "portals": [ { "port": 3260 } ] }`,
      "iscsi",
      "iqn.x:y",
    );
    expect(parse(text).targets[0]).to.include({ fabric: "iscsi", wwn: "iqn.x:y" });
    expect(withoutPlaces(parse(printSaveconfig(parse(text))))).to.deep.equal(withoutPlaces(parse(text)));
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["[]", "s.json:1:1: an array, expected the configuration of a target: an object"],
    ['{ "targets": {} }', "s.json:1:14: targets is an object, expected an array"],
    ['{ "storage_objects": [ 5 ] }', "s.json:1:24: 5, expected a storage object: an object"],
    [
      '{ "storage_objects": [ { "name": "a" } ] }',
      "s.json:1:24: no plugin, expected a plugin such as fileio, block or ramdisk",
    ],
    [storing('"size": 4096'), "s.json:2:1: no dev, expected the path of a file or block device"],
    [
      '{ "storage_objects": [ { "name": "r", "plugin": "ramdisk" } ] }',
      "s.json:1:24: no size, expected a number of bytes",
    ],
    [storing('"dev": 5'), "s.json:2:43: invalid dev 5, expected the path of a file or block device"],
    [storing('"dev": "a\\u0000"'), "s.json:2:43: invalid dev 'a\\x00', expected the path of a file or block device"],
    [storing('"dev": "/a", "size": "1G"'), "s.json:2:57: invalid size '1G', expected a number of bytes"],
    [storing('"dev": "/a", "size": 0'), "s.json:2:57: invalid size 0, expected a number of bytes"],
    [storing('"dev": "/a", "size": 1.5'), "s.json:2:57: invalid size 1.5, expected a number of bytes"],
    [
      storing('"dev": "/a", "size": 99999999999999999999'),
      "s.json:2:57: invalid size 99999999999999999999, expected a number of bytes",
    ],
    [storing('"dev": "/a", "aio": "yes"'), "s.json:2:56: invalid aio 'yes', expected true or false"],
    [storing('"dev": "/a", "attributes": []'), "s.json:2:63: an array, expected attributes: an object"],
    [
      storing('"dev": "/a", "attributes": { "block_size": 520 }'),
      "s.json:2:79: invalid block_size 520, expected 512, 1024, 2048 or 4096",
    ],
    [storing('"dev": "/a", "attributes": { "is_nonrot": 2 }'), "s.json:2:78: invalid is_nonrot 2, expected 0 or 1"],
    [`{ "storage_objects": [ ${RAM},\n ${RAM} ] }`, "s.json:2:2: /backstores/ramdisk/r is given twice, first at 1:24"],
    [storing('"dev": "/a", "dev": "/b"'), "s.json:2:49: 'dev' is given twice, first at 2:36"],
    [
      serving("{}", "vhost", "iqn.x:y"),
      "s.json:2:42: invalid wwn 'iqn.x:y', expected naa. and 16 hex digits for fabric vhost",
    ],
    [
      serving("{}", "vhost", "500140568720f76f"),
      "s.json:2:42: invalid wwn '500140568720f76f', expected naa. and 16 hex digits for fabric vhost",
    ],
    [serving('{ "tag": 256 }'), "s.json:3:10: invalid tag 256, expected a number from 0 to 255 for fabric vhost"],
    [serving('{ "tag": -1 }'), "s.json:3:10: invalid tag -1, expected a number from 0 to 65535"],
    [serving('{ "tag": "1" }'), "s.json:3:10: invalid tag '1', expected a number from 0 to 65535"],
    [serving('{ "tag": 65536 }', "iscsi"), "s.json:3:10: invalid tag 65536, expected a number from 0 to 65535"],
    [serving('{ "tag": 1 },\n{ "tag": 1 }'), "s.json:4:1: tag 1 of naa.500140568720f76f is given twice, first at 3:1"],
    [
      serving(`{ "luns": [ ${lun(16384)} ] }`),
      "s.json:3:24: invalid index 16384, expected a number from 0 to 16383 for fabric vhost",
    ],
    [serving(`{ "luns": [ ${lun('"0"')} ] }`), "s.json:3:24: invalid index '0', expected a number from 0 to 65535"],
    [serving(`{ "luns": [ ${lun(0)},\n${lun(0)} ] }`), "s.json:4:1: LUN 0 is given twice, first at 3:13"],
    [
      serving(`{ "luns": [ ${lun(0, "/backstores/ramdisk/x")} ] }`),
      "s.json:3:45: no storage object '/backstores/ramdisk/x' in this file",
    ],
    [
      serving(`{ "luns": [ ${lun(0, "ramdisk/r")} ] }`),
      "s.json:3:45: invalid storage_object 'ramdisk/r', expected /backstores/PLUGIN/NAME",
    ],
    [
      `{ "targets": [ { "fabric": "loopback", "wwn": "a" },\n { "fabric": "loopback", "wwn": "a" } ] }`,
      "s.json:2:2: target a of fabric loopback is given twice, first at 1:16",
    ],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${JSON.stringify(text)}`, () => expect(fault(text)).to.equal(message));
  }

  it("gives no tag past the highest target id (CVE-2015-4036)", () => {
    const tagged = Array.from({ length: 255 }, (_, i) => `{ "tag": ${i + 1} }`).join(",");
    expect(parse(serving(tagged)).targets[0].groups.at(-1)?.tag).to.equal(255);
    expect(fault(serving(`${tagged},\n{}`))).to.equal("s.json:4:1: no tag up to 255 is left for it");
  });

  it("is printed so that it reads as an equal one, whatever it holds", () => {
    fc.assert(
      fc.property(saveconfigs(), (config) => {
        const printed = printSaveconfig(config);
        const read = parse(printed);
        expect(withoutPlaces(read)).to.deep.equal(withoutPlaces(config));
        expect(printSaveconfig(read)).to.equal(printed);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it("never throws anything but ConfigError", () => {
    const damaged = fc.tuple(
      fc.nat({ max: EXAMPLE.length }),
      fc.nat({ max: 12 }),
      fc.constantFrom("", "0", "-1", '"', "{", "[]", "{}", "null", "1e9", '"a": 1,', "true", "\u0000"),
    );
    fc.assert(
      fc.property(damaged, ([at, length, text]) => {
        const error = bare(() => parse(EXAMPLE.slice(0, at) + text + EXAMPLE.slice(at + length)));
        expect(error).to.satisfy((e: unknown) => e === null || e instanceof ConfigError);
      }),
      { seed: 6, numRuns: 1000 },
    );
  });

  it("has its keys in docs/CONFIG.md, with what they take", () => {
    const rows = readFileSync(join(repositoryRoot, "docs", "CONFIG.md"), "utf8").split("\n");
    for (const table of [STORAGE_KEYS, ATTRIBUTE_KEYS, ALUA_KEYS, TARGET_KEYS, GROUP_KEYS, GROUP_LUN_KEYS]) {
      for (const { key, expecting } of Object.values(table)) {
        const found = rows.filter((row) => row.startsWith(`| \`${key}\` | `) && row.includes(`| ${expecting}`));
        expect(found.length, `${key}: ${expecting}`).to.be.at.least(1);
      }
    }
  });
});

function namedOnce(list: readonly { readonly name: string }[]): boolean {
  return new Set(list.map(({ name }) => name)).size === list.length;
}

/** Configurations as a program might build them. */
function saveconfigs(): fc.Arbitrary<Saveconfig> {
  const at = { line: 1, column: 1 };
  const others = fc.dictionary(fc.stringMatching(/^x_[a-z]{1,6}$/), fc.jsonValue({ maxDepth: 2 }).map(plain), {
    maxKeys: 2,
  });
  const names = fc.uniqueArray(fc.stringMatching(/^[!-.0-~]{1,20}$/), { minLength: 1, maxLength: 4 });
  const attributes = fc.record(
    {
      blockSize: fc.constantFrom(512, 1024, 2048, 4096),
      fuaWrite: fc.boolean(),
      modelAlias: fc.boolean(),
      unmap: fc.boolean(),
      writeSameUnmap: fc.boolean(),
      unmapZeroes: fc.boolean(),
      compareAndWrite: fc.boolean(),
      thirdPartyCopy: fc.boolean(),
      taskAborted: fc.boolean(),
      reservable: fc.boolean(),
      writeCache: fc.boolean(),
      nonRotating: fc.boolean(),
    },
    { requiredKeys: [] },
  );
  const aluaGroup = fc.record(
    {
      name: fc.stringMatching(/^[!-.0-~]{1,20}$/),
      id: fc.nat({ max: 0xffff }),
      state: fc.constantFrom(0, 1, 2, 3, 14, 15),
      accessType: fc.nat({ max: 3 }),
      preferred: fc.boolean(),
      transitionTime: fc.nat({ max: 255 }),
      standby: fc.boolean(),
      offline: fc.boolean(),
      others,
      at: fc.constant(at),
    },
    { requiredKeys: ["name", "id", "others", "at"] },
  );
  const storage = (name: string) =>
    fc
      .record({
        needed: fc.record({
          plugin: fc.constantFrom("fileio", "block", "ramdisk", "pscsi", "user"),
          dev: fc.stringMatching(/^\/[ -~]{1,20}$/),
          size: fc.integer({ min: 1, max: 2 ** 45 }),
        }),
        given: fc.record(
          {
            wwn: fc.uuid(),
            writeBack: fc.boolean(),
            aio: fc.boolean(),
            readOnly: fc.boolean(),
            exclusive: fc.boolean(),
            nullIo: fc.boolean(),
            aluaGroups: fc.uniqueArray(aluaGroup, { maxLength: 2, selector: ({ id }) => id }).filter(namedOnce),
          },
          { requiredKeys: [] },
        ),
        attributes,
        otherAttributes: others,
        others,
      })
      .map(({ needed, given, ...rest }) => ({ name, ...needed, ...given, ...rest, at }));
  const group = (paths: readonly string[]) => (tag: number) =>
    fc.record({
      tag: fc.constant(tag),
      enable: fc.boolean(),
      luns: fc.uniqueArray(fc.nat({ max: 16383 }), { maxLength: 3 }).chain((indices) =>
        fc.tuple(
          ...indices.map((index) =>
            fc.record({
              index: fc.constant(index),
              storageObject: fc.constantFrom(...paths),
              aluaGroup: fc.stringMatching(/^[!-.0-~]{1,20}$/),
              others,
              at: fc.constant(at),
            }),
          ),
        ),
      ),
      others,
      at: fc.constant(at),
    });
  const target = (paths: readonly string[]) => (digits: string) =>
    fc.record({
      fabric: fc.constantFrom("vhost", "xen-pvscsi", "loopback"),
      wwn: fc.constant(`naa.${digits}`),
      groups: fc
        .uniqueArray(fc.nat({ max: 255 }), { maxLength: 3 })
        .chain((tags) => fc.tuple(...tags.map(group(paths)))),
      others,
      at: fc.constant(at),
    });
  return names
    .chain((list) => fc.tuple(...list.map(storage)))
    .chain((storageObjects) => {
      const paths = storageObjects.map(({ plugin, name }) => `/backstores/${plugin}/${name}`);
      const targets = fc
        .uniqueArray(fc.stringMatching(/^5001405[0-9a-f]{9}$/), { maxLength: 3 })
        .chain((wwns) => fc.tuple(...wwns.map(target(paths))));
      return targets.chain((list) =>
        others.map((rest) => ({ file: "s.json", storageObjects, targets: list, others: rest, at })),
      );
    });
}

/** Without the sign of a negative zero, which JSON texts may lose. */
function plain(value: fc.JsonValue): never {
  return JSON.parse(JSON.stringify(value)) as never;
}

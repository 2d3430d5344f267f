import { ConfigError, formatAddress, parseHostConfig, printHostConfig } from "@pvscsi/config";
import { expect } from "chai";
import fc from "fast-check";
import { bare, faultOf, withoutPlaces } from "./support.js";

const FULL = `# dom0's devices
hosts:
  - host: 0
    driver: mpt3sas
    pci: "0000:03:00.0"
    unique_id: 1
    wwnn: 20000000C9831B4B
    wwpn: 10000000c9831b4b
    luns:
      - address: 0:0:1:0
        file: images/disk0.img
        size: 256MiB
        create: true
        sync: writethrough
        serial: 0012
        wwn: naa.5000C50012345678
        block: 4096
        shareable: true
        names: { sd: sda, sg: sg7, by-id: [ scsi-x ], by-path: [] }
      - { address: "0:0:1:1", memory: 64M, vendor: ACME, readOnly: true, faults: [ "read@1000:medium-error" ] }
  - host: 3
    luns:
      - { address: "3:0:8:0", controller: true, vendor: HP }
      - { address: "3:0:9:0", enclosure: { bays: 4, powerSupplies: 2, fans: 1 } }
    libraries:
      - { folder: lib, changer: "3:0:0:0", drives: [ "3:0:1:0" ], slots: 4, importExport: 1, cartridges: [ A1, A2 ] }
`;

function libraryWith(keys: string, slots = "2", drives = "'0:0:1:0'"): string {
  return `hosts:
- host: 0
  luns: []
  libraries:
  - folder: lib
    changer: 0:0:0:0
    drives: [${drives}]
    importExport: 1
    slots: ${slots}
${keys}`;
}

function lunWith(lines: string): string {
  return `hosts:\n- host: 0\n  luns:\n  - address: 0:0:0:0\n${lines}\n`;
}

function fault(text: string): string {
  return faultOf(() => parseHostConfig(text, "host.yaml"));
}

describe("host.yaml", () => {
  it("reads hosts, LUNs and what backs them", () => {
    const { hosts } = parseHostConfig(FULL, "host.yaml");
    const [file, memory] = hosts[0].luns;
    expect(hosts.map((h) => h.host)).to.deep.equal([0, 3]);
    expect(hosts[0]).to.include({ driver: "mpt3sas", pci: "0000:03:00.0", uniqueId: 1 });
    expect(hosts[0]).to.include({ wwnn: "20000000c9831b4b", wwpn: "10000000c9831b4b" });
    expect(formatAddress(file.address)).to.equal("0:0:1:0");
    expect(file.backing).to.deep.equal({
      kind: "file",
      path: "images/disk0.img",
      createSize: 2 ** 28,
      sync: "writethrough",
      at: { line: 11, column: 15 },
    });
    expect(file).to.include({ serial: "0012", wwn: "naa.5000c50012345678", blockSize: 4096, shareable: true });
    expect(file.names).to.deep.equal({ node: "sda", sg: "sg7", byId: ["scsi-x"], byPath: [] });
    expect(memory.backing).to.include({ kind: "memory", size: 2 ** 26 });
    expect(memory).to.include({ readOnly: true, vendor: "ACME", shareable: false });
    expect(memory.faults).to.deep.equal([{ text: "read@1000:medium-error", at: { line: 20, column: 84 } }]);
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["", "host.yaml:1:1: expected dom0's SCSI devices: a table with hosts, fabrics, sysfs"],
    ["hosts: 1", 'host.yaml:1:8: hosts is no list, expected "hosts:" and lines that begin with "- "'],
    ["hosts: []\nluns: []", "host.yaml:2:1: unknown key 'luns', expected one of hosts, fabrics, sysfs"],
    ["hosts: [\n", "host.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ["hosts: []\n---\nhosts: []", "host.yaml:2:1: a second document, expected one"],
    ["hosts: &a []", "host.yaml:1:11: an anchor, expected plain values"],
    ["x: &a []\nhosts: *a", "host.yaml:1:7: an anchor, expected plain values"],
    ["hosts: !!seq []", "host.yaml:1:14: a tag 'tag:yaml.org,2002:seq', expected plain values"],
    ["hosts: []\nhosts: []", "host.yaml:2:1: 'hosts' is given twice, first at 1:1"],
    ["hosts:\n- luns: []", "host.yaml:2:3: no host, expected the key host"],
    ["hosts:\n- host: x\n  luns: []", "host.yaml:2:9: invalid host 'x', expected a number up to 2147483647"],
    ["hosts:\n- { host: 0, luns: [] }\n- { host: 0, luns: [] }", "host.yaml:3:3: host 0 is given twice, first at 2:3"],
    [
      lunWith(""),
      "host.yaml:4:5: what backs the LUN: none, expected one of file, memory, null, device, iscsi, nbd, empty, enclosure, controller",
    ],
    [
      lunWith("    memory: 1M\n    null: 1M"),
      "host.yaml:4:5: what backs the LUN: memory and null, expected one of file, memory, null, device, iscsi, nbd, empty, enclosure, controller",
    ],
    [
      lunWith("    memory: lots"),
      "host.yaml:5:13: invalid memory 'lots', expected a size in bytes or such as 64M or 1GiB",
    ],
    [lunWith("    memory: 1M\n    size: 1M"), "host.yaml:6:5: size is for a LUN in a file: write memory: SIZE"],
    [lunWith("    file: a\n    create: true"), "host.yaml:6:5: create without size, expected both"],
    [
      lunWith("    file: a\n    size: 1M"),
      "host.yaml:6:5: size without create: true; a file that exists keeps the size it has",
    ],
    [lunWith("    file: a\n    block: 520"), "host.yaml:6:12: invalid block '520', expected 512 or 4096"],
    [lunWith("    file: a\n    readOnly: yes"), "host.yaml:6:15: invalid readOnly 'yes', expected true or false"],
    [lunWith("    empty: true"), "host.yaml:5:5: empty is a drive without a disc, expected type: cdrom"],
    [lunWith("    file: [ a ]"), "host.yaml:5:11: file is a list, expected a single value"],
    [
      lunWith("    memory: 1M\n    names: { by-id: [ a/b ] }"),
      "host.yaml:6:23: invalid by-id 'a/b', expected the name of a link, without its directory",
    ],
    [lunWith("    memory: 1000"), "host.yaml:5:13: invalid memory '1000', expected whole blocks of 512 bytes"],
    [
      lunWith("    file: a.img\n    create: true\n    block: 4096\n    size: 512"),
      "host.yaml:8:11: invalid size '512', expected whole blocks of 4096 bytes",
    ],
    [
      lunWith("    memory: 1M\n  - address: 0:0:0:0\n    memory: 1M"),
      "host.yaml:6:5: 0:0:0:0 is given twice, first at 4:5",
    ],
    [
      "hosts:\n- host: 0\n  luns:\n  - address: 1:0:0:0\n    memory: 1M",
      "host.yaml:4:14: invalid address '1:0:0:0', expected hst:chn:tgt:lun with hst 0",
    ],
    [libraryWith("", "0"), "host.yaml:9:12: invalid slots '0', expected 1 to 4000"],
    [libraryWith("", "2", "1:0:1:0"), "host.yaml:7:14: invalid drives '1:0:1:0', expected hst:chn:tgt:lun with hst 0"],
    [libraryWith("", "2", ""), "host.yaml:7:5: 0 drives, expected 1 to 64"],
    [libraryWith("", "2", "'0:0:0:0'"), "host.yaml:5:5: 0:0:0:0 is given twice, first at 5:5"],
    [
      libraryWith("    cartridges: [ a ]"),
      "host.yaml:10:19: invalid cartridges 'a', expected a barcode such as A00001L8",
    ],
    [libraryWith("    cartridges: [ A, A ]"), "host.yaml:10:22: cartridge A is given twice, first at 10:19"],
    [libraryWith("    cartridges: [ A, B, C ]"), "host.yaml:10:25: more cartridges than the 2 slots"],
    [
      libraryWith("    capacity: much"),
      "host.yaml:10:15: invalid capacity 'much', expected a size in bytes or such as 64M or 1GiB",
    ],
    [
      libraryWith("    robots: 2"),
      "host.yaml:10:5: unknown key 'robots', expected one of folder, changer, drives, slots, importExport, cartridges, capacity, shareable",
    ],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${JSON.stringify(text)}`, () => expect(fault(text)).to.equal(message));
  }

  it("refuses what is nested without end, whichever way it is nested", () => {
    for (const text of ["[", "- ", "{a: ", "? ", "- ? "]) {
      expect(fault(text.repeat(100_000)), text).to.match(/^host\.yaml:1:\d+: nested more than 32 deep$/);
    }
  });

  it("is printed so that it reads as an equal one", () => {
    const first = parseHostConfig(FULL, "host.yaml");
    expect(withoutPlaces(parseHostConfig(printHostConfig(first), "x"))).to.deep.equal(withoutPlaces(first));
  });

  it("is printed so that it reads as an equal one, whatever it holds", () => {
    const printable = fc.stringMatching(/^[!-~]([ -~]{0,6}[!-~])?$/);
    const lun = fc.record({
      path: fc.string({ minLength: 1 }).filter((path) => !path.includes("\0")),
      vendor: printable,
      serial: printable,
      faults: fc.array(fc.string(), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(lun, { maxLength: 5 }), (luns) => {
        // JSON is YAML.
        const entries = luns.map(({ path, ...rest }, i) => ({ address: `0:0:${i}:0`, file: path, ...rest }));
        const first = parseHostConfig(JSON.stringify({ hosts: [{ host: 0, luns: entries }] }), "a");
        expect(first.hosts[0].luns.map((l) => l.serial)).to.deep.equal(luns.map((l) => l.serial));
        expect(withoutPlaces(parseHostConfig(printHostConfig(first), "b"))).to.deep.equal(withoutPlaces(first));
      }),
    );
  });

  it("never throws anything but ConfigError", () => {
    const words = [
      "hosts:",
      "- ",
      "host: 0",
      "luns:",
      "\n",
      "  ",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "!t",
      "|",
      ">",
      "'",
      '"',
      "? ",
      ":",
      "%YAML",
      "---",
      "\t",
      "#",
    ];
    const lines = fc.array(fc.constantFrom(...words)).map((w) => w.join(""));
    const damaged = fc.tuple(
      fc.nat({ max: FULL.length }),
      fc.nat({ max: 8 }),
      fc.string({ unit: "binary", maxLength: 6 }),
    );
    const changed = damaged.map(([at, length, text]) => FULL.slice(0, at) + text + FULL.slice(at + length));
    fc.assert(
      fc.property(fc.oneof(fc.string(), lines, changed), (text) => {
        const error = bare(() => parseHostConfig(text, "host.yaml"));
        expect(error).to.satisfy((e: unknown) => e === null || e instanceof ConfigError);
      }),
      { numRuns: 1000 },
    );
  });
});

import {
  argumentOrigin,
  ConfigError,
  formatAddress,
  formatVscsi,
  formatWarning,
  type MachineConfig,
  parseMachineConfig,
  parseVscsi,
  parseVscsiWords,
  printMachineConfig,
  type VscsiDialect,
  wholeHostDevices,
} from "@pvscsi/config";
import { expect } from "chai";
import fc from "fast-check";
import { bare, faultOf, withoutPlaces } from "./support.js";

function machine(text: string, dialect?: VscsiDialect): MachineConfig {
  return parseMachineConfig(`name = 'g'\n${text}`, { file: "g.cfg", dialect });
}

function fault(text: string, dialect?: VscsiDialect): string {
  return faultOf(() => machine(text, dialect));
}

function controllers(text: string, dialect?: VscsiDialect): unknown {
  return machine(text, dialect).controllers.map((c) => [
    c.devid,
    c.host,
    c.devices.map((d) => formatAddress(d.virtual)),
  ]);
}

describe("a guest's configuration", () => {
  it("reads what a guest is made of, and keeps what it does not know", () => {
    const config = machine(
      "type = 'pvh'\nuuid='00112233445566778899AABBCCDDEEFF'\nmemory = 0x100\nvcpus = 02\nvif = [ 'bridge=xenbr0' ]\nextra = 'x'",
    );
    expect(config).to.include({ name: "g", type: "pvh", memory: 256, vcpus: 2 });
    expect(config.uuid).to.equal("00112233-4455-6677-8899-aabbccddeeff");
    expect(config.others.map((s) => s.name)).to.deep.equal(["vif", "extra"]);
    expect(config.controllers).to.deep.equal([]);
  });

  it("takes xl's defaults", () => {
    expect(machine("")).to.include({ type: "pv", memory: 32, vcpus: 1, uuid: undefined });
    expect(machine("builder = 'hvm'").type).to.equal("hvm");
  });

  it("says when a setting replaces another", () => {
    const { warnings } = machine("memory = 1\nmemory = 2");
    expect(warnings.map(formatWarning)).to.deep.equal(["g.cfg:3:1: warning: memory replaces the one at 2:1"]);
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["memory = 'much'", "g.cfg:2:10: invalid memory 'much', expected a number"],
    ["memory = 0", "g.cfg:2:10: memory is 0, expected 1 to 16777216"],
    ["memory = [ 1 ]", "g.cfg:2:10: memory is a list, expected a single value"],
    ["memory = 089", "g.cfg:2:10: invalid memory '089', expected a number"],
    ["vcpus = 1\nvcpus += 2", "g.cfg:3:10: cannot use += with the number vcpus"],
    ["type = 'vm'", "g.cfg:2:8: invalid type 'vm', expected one of pv, pvh, hvm"],
    ["uuid = '123'", "g.cfg:2:8: invalid uuid '123', expected 8-4-4-4-12 hex digits"],
    [
      "name = '../x'",
      "g.cfg:2:8: invalid name '../x', expected 1 to 255 characters without '/' and control characters",
    ],
    ["vscsi = 'x'", "g.cfg:2:9: vscsi is a single value, expected a list: [ 'pdev,vdev[,options]' ]"],
    ["vscsi = [ [ 'x' ] ]", "g.cfg:2:11: a list in vscsi, expected a string 'pdev,vdev[,options]'"],
  ];
  for (const [text, message] of wrong) it(`refuses ${text}`, () => expect(fault(text)).to.equal(message));

  it("refuses a guest without a name", () => {
    const message = faultOf(() => parseMachineConfig("memory = 1", { file: "g.cfg" }));
    expect(message).to.equal("g.cfg:1:1: no name, expected a setting such as name = 'domU'");
  });
});

describe("vscsi, as the libxl patches have it", () => {
  it("reads every form of pdev", () => {
    const { vscsi } = machine(
      "vscsi = [ '/dev/disk/by-id/scsi-35000c50012345678,0:0:0:0', 'naa.5000C50012345678:3, 0:0:0:1', '4:0:1:12345678,0:0:0:2' ]",
    );
    expect(vscsi.map((d) => d.physical)).to.deep.equal([
      { kind: "path", text: "/dev/disk/by-id/scsi-35000c50012345678" },
      { kind: "wwn", text: "naa.5000C50012345678:3", wwn: "naa.5000c50012345678", lun: 3 },
      {
        kind: "address",
        text: "4:0:1:12345678",
        address: { host: 4, channel: 0, target: 1, lun: 12345678 },
      },
    ]);
  });

  it("puts LUNs of one vHOST on one controller, numbered in order of appearance", () => {
    expect(controllers("vscsi=['/dev/sda,7:0:0:0','/dev/sdb,3:0:0:0','/dev/sdc,7:0:1:0']")).to.deep.equal([
      [0, 7, ["7:0:0:0", "7:0:1:0"]],
      [1, 3, ["3:0:0:0"]],
    ]);
  });

  it("knows feature-host, keeps every other option and warns of it", () => {
    const { vscsi, warnings } = machine(
      "vscsi = [ '/dev/sda,0:0:0:0,feature-host',\n  '/dev/sdb , 0:0:0:1 ,feature-host, b=c ,,d' ]",
    );
    expect(vscsi[0]).to.deep.include({ featureHost: true, options: [] });
    expect(vscsi[1]).to.deep.include({ featureHost: true, options: ["b=c", "d"] });
    expect(warnings.map(formatWarning)).to.deep.equal([
      "g.cfg:3:38: warning: unknown option 'b=c', expecting feature-host or backend=DOMAIN: left to the backend",
      "g.cfg:3:44: warning: unknown option 'd', expecting feature-host or backend=DOMAIN: left to the backend",
    ]);
  });

  it("takes backend= for the backend's domain, and writes it back", () => {
    const text = "vscsi = [ '/dev/sda,0:0:0:0, backend= storage ,feature-host', '/dev/sdb,1:0:0:0' ]";
    const { vscsi, warnings } = machine(text);
    expect(warnings).to.deep.equal([]);
    expect(vscsi.map(({ backend }) => backend)).to.deep.equal(["storage", undefined]);
    expect(vscsi.map((device) => formatVscsi(device))).to.deep.equal([
      "/dev/sda,0:0:0:0,feature-host,backend=storage",
      "/dev/sdb,1:0:0:0",
    ]);
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["'/dev/sda,0:0:0:0,backend='", "g.cfg:2:29: backend= names no domain"],
    ["'/dev/sda'", "g.cfg:2:12: invalid devspec '/dev/sda', expecting pdev,vdev[,options]"],
    ["' , ,'", "g.cfg:2:12: invalid devspec ' , ,', expecting pdev,vdev[,options]"],
    ["'/dev/sda,0:0:0'", "g.cfg:2:21: invalid '0:0:0', expecting hst:chn:tgt:lun"],
    ["'/dev/sda,0:0:0:0xyz'", "g.cfg:2:21: invalid '0:0:0:0xyz', expecting hst:chn:tgt:lun"],
    ["'/dev/sda,0:0:0:-1'", "g.cfg:2:21: invalid '0:0:0:-1', expecting hst:chn:tgt:lun"],
    ["'/dev/sda,0: 0:0:1'", "g.cfg:2:21: invalid '0: 0:0:1', expecting hst:chn:tgt:lun"],
    [
      "'/dev/sda,0:0:0:65536'",
      "g.cfg:2:21: invalid '0:0:0:65536', expecting hst:chn:tgt:lun with chn, tgt and lun at most 65535",
    ],
    [
      "'/dev/sda,4294967295:0:0:0'",
      "g.cfg:2:21: invalid '4294967295:0:0:0', expecting hst:chn:tgt:lun with hst at most 2147483647",
    ],
    ["'sda,0:0:0:0'", "g.cfg:2:12: invalid 'sda', expecting /dev/..., naa.<16 hex digits>:<lun> or hst:chn:tgt:lun"],
    [
      "'naa.123:0,0:0:0:0'",
      "g.cfg:2:12: invalid 'naa.123:0', expecting /dev/..., naa.<16 hex digits>:<lun> or hst:chn:tgt:lun",
    ],
    [
      "'\\t\\'/dev/sda,0:0:0'",
      "g.cfg:2:14: invalid ''/dev/sda', expecting /dev/..., naa.<16 hex digits>:<lun> or hst:chn:tgt:lun",
    ],
    ["'/dev/sda,1:0:0:0',\n '/dev/sdb,01:0:0:0'", "g.cfg:3:12: vdev '1:0:0:0' is already used, first at 2:21"],
    [
      "'/dev/sda,1:0:0:0',\n '/dev/sdb,1:0:0:1,feature-host'",
      "g.cfg:3:3: different feature-host setting on virtual host 1 than at 2:12",
    ],
  ];
  for (const [entries, message] of wrong) {
    it(`refuses ${entries}`, () => expect(fault(`vscsi = [ ${entries} ]`)).to.equal(message));
  }
});

describe("vscsi, as xend has it", () => {
  it("takes the third field for the backend's domain, and the vHOST for the devid", () => {
    const text = "vscsi = [ 'sda1, 2:0:0:0, storage', 'sg3, 5:0:0:0', '36001405abcdef0123, 5:0:0:1' ]";
    const config = machine(text, "xend");
    expect(config.vscsi.map((d) => [d.physical.kind, d.backend])).to.deep.equal([
      ["kernel-name", "storage"],
      ["kernel-name", undefined],
      ["scsi-id", undefined],
    ]);
    expect(config.vscsi[0].physical).to.include({ name: "sda", text: "sda1" });
    expect(controllers(text, "xend")).to.deep.equal([
      [2, 2, ["2:0:0:0"]],
      [5, 5, ["5:0:0:0", "5:0:0:1"]],
    ]);
  });

  it("warns where the backend's domain looks like an option of the other dialect", () => {
    const { warnings } = machine("vscsi = [ 'sda, 2:0:0:0, feature-host' ]", "xend");
    expect(warnings.map(formatWarning)).to.deep.equal([
      "g.cfg:2:26: warning: the third field is the backend domain in xend's dialect, where VDEV host is what feature-host asks for",
    ]);
  });

  it("gives a whole host under its own addresses", () => {
    const config = machine("vscsi = [ '4:0:0:0, host' ]", "xend");
    const [whole] = config.vscsi;
    expect(config.controllers).to.deep.equal([]);
    if (whole.kind !== "whole-host") throw new Error("not a whole host");
    const devices = wholeHostDevices(whole, [
      { host: 4, channel: 0, target: 0, lun: 0 },
      { host: 4, channel: 0, target: 2, lun: 1 },
    ]);
    expect(devices.map((d) => [d.physical.text, formatAddress(d.virtual), d.featureHost])).to.deep.equal([
      ["4:0:0:0", "4:0:0:0", true],
      ["4:0:2:1", "4:0:2:1", true],
    ]);
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["'sda'", "g.cfg:2:12: vscsi syntax error 'sda', expecting PDEV, VDEV[, BACKDOM]"],
    ["'sda,0:0:0:0,b,c'", "g.cfg:2:12: vscsi syntax error 'sda,0:0:0:0,b,c', expecting PDEV, VDEV[, BACKDOM]"],
    ["'sda,0:0:0'", "g.cfg:2:16: invalid '0:0:0', expecting hst:chn:tgt:lun"],
    ["'sda,0:0:0:0','sda,0:0:0:1'", "g.cfg:2:26: physical device 'sda' is already defined, first at 2:12"],
    ["'sda,0:0:0:0,b','sdb,0:0:0:1,c'", "g.cfg:2:28: different backend on virtual host 0 than at 2:12"],
  ];
  for (const [entries, message] of wrong) {
    it(`refuses ${entries}`, () => expect(fault(`vscsi = [ ${entries} ]`, "xend")).to.equal(message));
  }
});

describe("vscsi, as the argument of scsi-attach", () => {
  it("is one word or three, with the same meaning", () => {
    const one = parseVscsi("/dev/sda,1:0:0:2,feature-host", argumentOrigin()).device;
    expect(parseVscsiWords(["/dev/sda", "1:0:0:2", "feature-host"]).device).to.deep.equal(one);
    expect(formatVscsi(one)).to.equal("/dev/sda,1:0:0:2,feature-host");
    expect(parseVscsiWords(["sda", "1:0:0:2", "storage"], "xend").device.backend).to.equal("storage");
  });

  const wrong: ReadonlyArray<readonly [readonly string[], string]> = [
    [["/dev/sda", "0:0"], "argument:1:10: invalid '0:0', expecting hst:chn:tgt:lun"],
    [["/dev/sda"], "argument:1:1: expecting PDEV VDEV [OPTIONS], found 1 of them"],
    [["", ""], "argument:1:1: invalid devspec ',', expecting pdev,vdev[,options]"],
  ];
  for (const [words, message] of wrong) {
    it(`is refused as ${words.join(" ")}`, () => expect(faultOf(() => parseVscsiWords(words))).to.equal(message));
  }
});

describe("printing a guest's configuration", () => {
  const number = fc.nat({ max: 65535 });
  const virtual = fc.tuple(fc.nat({ max: 3 }), number, number, number).map((n) => n.join(":"));
  const physical = fc.oneof(
    fc.stringMatching(/^\/dev\/[a-z]{1,4}\/[\w:.-]{1,12}$/),
    fc.stringMatching(/^naa\.[0-9a-fA-F]{16}:[0-9]{1,4}$/),
    virtual,
  );
  const option = fc.stringMatching(/^[a-z][ '"\\=a-z0-9]{0,6}[a-z0-9]$/).filter((o) => o !== "feature-host");
  const entries = fc.uniqueArray(fc.tuple(virtual, physical, fc.array(option, { maxLength: 2 })), {
    selector: (e) => e[0],
  });
  const other = fc.record({ name: fc.stringMatching(/^x[a-z.]{0,5}$/), text: fc.string() });

  it("gives a text that reads as an equal configuration", () => {
    const model = fc.record({
      name: fc.stringMatching(/^[\w'" -]{1,20}$/),
      memory: fc.integer({ min: 1, max: 100_000 }),
      entries,
      others: fc.array(other),
      featureHost: fc.boolean(),
    });
    fc.assert(
      fc.property(model, ({ name, memory, entries, others, featureHost }) => {
        const quote = (text: string): string =>
          `'${text.replaceAll("\0", "").replace(/['\\]/g, "\\$&").replaceAll("\n", "\\n")}'`;
        const flag = featureHost ? ["feature-host"] : [];
        const vscsi = entries.map(([v, p, options]) => quote([p, v, ...options, ...flag].join(",")));
        const rest = others.map((o) => `${o.name} = ${quote(o.text)}\n`).join("");
        const text = `name = ${quote(name)}\n${rest}memory = ${memory}\nvscsi = [ ${vscsi.join(", ")} ]\n`;
        const first = parseMachineConfig(text, { file: "a" });
        const second = parseMachineConfig(printMachineConfig(first), { file: "b" });
        expect(withoutPlaces(second)).to.deep.equal(withoutPlaces(first));
      }),
    );
  });

  it("never throws anything but ConfigError, in either dialect", () => {
    const devspec = fc.array(
      fc.constantFrom("/dev/sda", "0:0:0:0", "host", ",", " ", "feature-host", "naa.", ":", "9", "sg1"),
    );
    fc.assert(
      fc.property(fc.array(devspec), fc.constantFrom<VscsiDialect>("libxl", "xend"), (specs, dialect) => {
        const error = bare(() => machine(`vscsi = [ ${specs.map((s) => `'${s.join("")}'`).join(",")} ]`, dialect));
        expect(error).to.satisfy((e: unknown) => e === null || e instanceof ConfigError);
      }),
      { numRuns: 500 },
    );
  });
});

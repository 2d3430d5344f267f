// `pvscsi demo` with configuration files of one's own: what becomes of them, of wrong ones, and of their state.

import { chmodSync, readdirSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { processesOf, pvscsi, RunningCommand } from "./command.js";

const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 1MiB }
      - { address: 0:0:1:0, memory: 1MiB }
      - { address: 0:0:2:0, file: missing.img }
      - { address: 0:0:3:0, memory: 1MiB }
`;
const CFG = "name = 'small'\nvscsi = [ '0:0:0:0,0:0:0:0', '0:0:1:0,1:0:0:0' ]\n";

describe("pvscsi demo with files of one's own", () => {
  const folder = temporaryFolder();
  /** Where it puts what it needs for a while. */
  let temporary: string;

  beforeEach(() => {
    folder.write({ "host.yaml": HOST, "domU.cfg": CFG, "tmp/.keep": "" });
    temporary = folder.path("tmp");
  });

  const expectNothingLeft = () => {
    expect(readdirSync(temporary)).to.deep.equal([".keep"]);
    expect(processesOf(temporary), "processes that are left").to.deep.equal([]);
  };

  async function run(words: readonly string[], input = "") {
    const result = await pvscsi(words, { environment: { TMPDIR: temporary }, input });
    expectNothingLeft();
    return result;
  }

  it("shows the steps that make sense, changes no data, and ends with 0", async () => {
    const { status, output, errors } = await run(["demo", "--one-process", folder.path("domU.cfg")]);
    expect(errors).to.equal("");
    expect(status).to.equal(0);
    expect(output.match(/^== .*/gm)).to.deep.equal([
      "== 1/3 A guest gets LUNs: scsifront, a granted ring, scsiback ==",
      "== 2/3 One READ followed across the ring ==",
      "== 3/3 The guest is ended, and nothing is left of it ==",
    ]);
    expect(output.match(/^=> .*/gm)).to.deep.equal([
      "=> 2 LUNs on 2 virtual SCSI hosts, all Connected at both ends of their rings",
      "=> 1 request, 1 response, 2 events; the data went into the guest's page, not over the ring",
      "=> every grant, event channel, mapping and node of xenstore is as it was before the guest",
    ]);
    expect(output).to.include("target    begins READ(10) lba=8 blocks=8").and.not.include("WRITE");
    expect(output).to.match(/dom0# scsi-list small\nIdx BE .*\n0 .*\n1 /);
  });

  it("does so between two processes, dom0 and the guest, unless it is told otherwise", async () => {
    const { status, output, errors } = await run(["demo", folder.path("domU.cfg")]);
    expect({ status, errors }).to.deep.equal({ status: 0, errors: "" });
    const [first = "", second, third] = output.match(/^=> .*/gm) ?? [];
    const [, dom0, guest] = /; the processes: dom0 (\d+), small (\d+)$/.exec(first) ?? expect.fail(first);
    expect(dom0).to.not.equal(guest);
    expect(second).to.match(/^=> 1 request, 1 response, 2 events between two processes; /);
    expect(third).to.match(/as it was before the guest; the processes have ended$/);
    const moments = output
      .match(/^ +\d+ us {2}\S+ +\S+/gm)
      ?.map((line) => line.replace(/^.*us +/, "").replace(/ +/, " "));
    // One clock for all processes: nothing comes before what it follows from.
    expect(moments).to.deep.equal([
      ...["scsifront writes", "scsifront moves", "scsiback copies", "target begins", "target ends"],
      ...["scsiback unmaps,", "scsiback moves", "scsifront takes"].map((text) => text.replace(",", "")),
    ]);
    expect(output).to.include("target    begins READ(10) lba=8 blocks=8").and.not.include("WRITE");
  });

  it("takes dom0's devices from the file of --host", async () => {
    folder.write({ "elsewhere/devices.yaml": HOST.replaceAll("0:0:", "7:0:").replace("host: 0", "host: 7") });
    folder.write({ "domU.cfg": "name = 's'\nvscsi = [ '7:0:3:0,0:0:0:0' ]\n" });
    const words = ["demo", folder.path("domU.cfg"), "--host", folder.path("elsewhere", "devices.yaml")];
    const { status, output } = await run(words);
    expect(status).to.equal(0);
    expect(output).to.include("=> 1 LUN on 1 virtual SCSI host,");
  });

  it("runs without a disk to read from", async () => {
    folder.write({ "domU.cfg": "name = 's'\nvscsi = []\n" });
    const { status, output } = await run(["demo", folder.path("domU.cfg")]);
    expect(status).to.equal(0);
    expect(output).to.include("=> the guest has no disk to read from");
  });

  it("reads xend's dialect where it is told to", async () => {
    folder.write({
      "host.yaml": HOST.replace("file: missing.img", "memory: 1MiB"),
      "domU.cfg": "name = 's'\nvscsi = [ '0:0:0:0, host, 0' ]\n",
    });
    const { status, output } = await run(["demo", "--dialect", "xend", folder.path("domU.cfg")]);
    expect(status).to.equal(0);
    expect(output).to.include("=> 4 LUNs on 1 virtual SCSI host,");
    expect(output).to.include("--dialect xend");
  });

  it("has a prompt afterwards: attach, look, detach, and the status of the last command", async () => {
    const script = [
      "# comments and empty lines are nothing",
      "",
      "scsi-attach small 0:0:3:0 1:0:0:9",
      "guest small -- lsscsi",
      "scsi-detach small '1:0:0:9'",
      'scsi-list "small"',
      "help",
      "exit",
      "destroy small",
    ];
    const { status, output, errors } = await run(
      ["demo", folder.path("domU.cfg"), "--shell"],
      `${script.join("\n")}\n`,
    );
    expect(errors).to.equal("");
    expect(status).to.equal(0);
    const after = output.slice(output.lastIndexOf("=> "));
    expect(after).to.include("[1:0:0:9]    disk");
    expect(after.match(/^[01] +0 +4 .*/gm)).to.have.length(2);
    expect(after)
      .to.match(/^scsi-attach DOM PDEV VDEV/m)
      .and.match(/^exit$/m);
    expect(after, "no prompt where nobody sits").not.to.include("pvscsi>");
  });

  for (const [what, script, expected, errors] of [
    ["a failed command", "list\nscsi-detach small 9:9:9:9\n", 1, /^pvscsi scsi-detach: vdev '9:9:9:9' is not attached/],
    ["an open quote", "guest small -- 'lsscsi\n", 2, /^pvscsi: a quote is not closed\n$/],
    ["an unknown command inside the guest", "guest small -- frobnicate\n", 127, /^$/],
    ["a good command after a bad one, without exit", "frobnicate\nlist", 0, /^pvscsi: unknown command/],
  ] as const) {
    it(`ends its prompt with the status of ${what}: ${expected}`, async () => {
      const result = await run(["demo", folder.path("domU.cfg"), "--shell"], script);
      expect(result.errors).to.match(errors);
      expect(result.status).to.equal(expected);
    });
  }

  describe("tells what is wrong in one line, with its place, and starts nothing: 1", () => {
    const words = () => ["demo", folder.path("domU.cfg")];

    async function expectLine(given: readonly string[], wanted: RegExp): Promise<void> {
      const { status, output, errors } = await run(given);
      expect(errors.replaceAll(folder.path(), "")).to.match(wanted);
      expect(errors.split("\n"), errors).to.have.length(2);
      expect(status).to.equal(1);
      expect(output, "no guest").not.to.include("Connected");
    }

    for (const [what, files, wanted] of [
      [
        "a wrong vdev",
        { "domU.cfg": "name = 's'\nvscsi = [\n '0:0:0:0, 0:0:0'\n]\n" },
        /^\/domU.cfg:3:12: invalid '0:0:0', expecting hst:chn:tgt:lun\n$/,
      ],
      [
        "an unknown pdev",
        { "domU.cfg": "name = 's'\nvscsi = [ '0:0:0:0,0:0:0:0',\n  '/dev/disk/by-id/none,0:0:0:1' ]\n" },
        /^\/domU.cfg:3:4: pdev '\/dev\/disk\/by-id\/none': no device \/dev\/disk\/by-id\/none: this host has 0:0:0:0 \(\/dev\/sda\)/,
      ],
      [
        "a duplicate vdev",
        { "domU.cfg": "name = 's'\nvscsi = [ '0:0:0:0,0:0:0:0',\n  '0:0:1:0,0:0:0:0' ]\n" },
        /^\/domU.cfg:3:12: vdev '0:0:0:0' is already used, first at 2:20\n$/,
      ],
      [
        "a backing file that is missing",
        { "domU.cfg": "name = 's'\nvscsi = [ '0:0:0:0,0:0:0:0', '0:0:2:0,0:0:0:1' ]\n" },
        /^pvscsi create: vdev '0:0:0:1': cannot open \/missing.img: no such file\n$/,
      ],
      ["a cfg with a string without an end", { "domU.cfg": "name = 'small\n" }, /^\/domU.cfg:1:\d+: /],
      ["a wrong host.yaml", { "host.yaml": "hosts:\n  - host: zero\n    luns: []\n" }, /^\/host.yaml:2:11: /],
      ["a host.yaml that is no YAML", { "host.yaml": "hosts: [\n" }, /^\/host.yaml:\d+:\d+: /],
      [
        "a backend domain that is not there (xend)",
        { "domU.cfg": "name = 's'\nvscsi = [ '0:0:0:0, 0:0:0:0, other' ]\n" },
        /^\/domU.cfg:2:12: backend domain 'other': scsiback runs in Domain-0 only\n$/,
      ],
    ] as const) {
      it(what, async () => {
        folder.write(files);
        await expectLine(what.endsWith("(xend)") ? [...words(), "--dialect", "xend"] : words(), wanted);
      });
    }

    it("a cfg that is missing, whatever else is missing", async () => {
      await expectLine(
        ["demo", folder.path("none", "none.cfg")],
        /^\/none\/none.cfg:1:1: cannot read: no such file\n$/,
      );
    });

    it("a cfg that is a folder", async () => {
      await expectLine(["demo", folder.path("tmp")], /^\/tmp:1:1: cannot read: it is a directory\n$/);
    });

    if (process.getuid?.() !== 0) {
      it("a cfg that may not be read", async () => {
        chmodSync(folder.path("domU.cfg"), 0);
        await expectLine(words(), /^\/domU.cfg:1:1: cannot read: permission denied\n$/);
      });
    }

    it("a host.yaml that is missing", async () => {
      folder.write({ "alone/domU.cfg": CFG });
      await expectLine(
        ["demo", folder.path("alone", "domU.cfg")],
        /^\/alone\/host.yaml:1:1: no such file, expected dom0's devices there or in the file named by --host\n$/,
      );
      await expectLine([...words(), "--host", folder.path("none")], /^\/none:1:1: cannot read: no such file\n$/);
    });
  });

  it("warns of an unknown option with its place, and attaches the LUN", async () => {
    folder.write({ "domU.cfg": "name = 's'\nvscsi = [ '0:0:0:0,0:0:0:0,fast' ]\n" });
    const { status, output, errors } = await run(["demo", folder.path("domU.cfg")]);
    expect(errors).to.match(
      /domU.cfg:2:28: warning: unknown option 'fast', expecting feature-host or backend=DOMAIN: left to the backend\n$/,
    );
    expect(errors.split("\n")).to.have.length(2);
    expect(output).to.include("=> 1 LUN on 1 virtual SCSI host,");
    expect(status).to.equal(0);
  });

  it("ends where its reader has read enough, without a word", async () => {
    const command = new RunningCommand(["demo", folder.path("domU.cfg")], { environment: { TMPDIR: temporary } });
    command.child.stdout?.destroy();
    const { status, errors } = await command.ended;
    expect(errors).to.equal("");
    expect(status).to.equal(141);
    expectNothingLeft();
  });

  it("takes along a guest that is paused, however it ends", async () => {
    const command = new RunningCommand(["demo", "--shell", folder.path("domU.cfg")], {
      environment: { TMPDIR: temporary },
      stays: true,
    });
    await command.ask("pause small\ndomname 0", /\nDomain-0\n/);
    command.child.stdout?.destroy();
    command.child.stdin?.write("list\n");
    expect((await command.ended).status).to.equal(141);
    for (const end = performance.now() + 10_000; performance.now() < end && processesOf(temporary).length > 0; ) {
      await setTimeout(20);
    }
    expectNothingLeft();
  });

  it("removes its folders when it is told to end", async () => {
    const command = new RunningCommand(["demo", "--serve", folder.path("domU.cfg")], {
      environment: { TMPDIR: temporary },
    });
    await command.printed(/== 1/);
    command.child.kill("SIGTERM");
    const { status } = await command.ended;
    expect(status).to.be.oneOf([0, 143]);
    expectNothingLeft();
  });
});

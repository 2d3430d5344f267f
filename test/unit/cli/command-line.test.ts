import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { PlugRow } from "@pvscsi/bench";
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

/** Of what bench tells in JSON. */
interface CountedRow {
  readonly workload: string;
  readonly contender: string;
  readonly notifications: number | null;
  readonly grantOperations: number | null;
  readonly copiedBytes: number | null;
}

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

describe("pvscsi", () => {
  const folder = temporaryFolder();

  it("has help for itself and each command, with an example", async () => {
    const [own, ...others] = await Promise.all(
      [["--help"], ["demo", "--help"], ["bench", "--help"]].map((words) => pvscsi(words)),
    );
    expect(own.status).to.equal(0);
    expect(own.output)
      .to.match(/Usage: pvscsi/)
      .and.match(/demo .*\[cfg\]/);
    for (const { status, output } of others) {
      expect(status).to.equal(0);
      expect(output)
        .to.match(/Usage: pvscsi/)
        .and.match(/\nExample: pvscsi /);
    }
  });

  const wrong: [words: string[], errors: RegExp][] = [
    [[], /^Usage: pvscsi/],
    [["dom0", "--certificate", "a.pem"], /^pvscsi: --certificate and --key are given together\n$/],
    [["dom0", "--listen", "1:2:3"], /^pvscsi: option '--listen <\[addr:\]port>' argument '1:2:3' is invalid/],
    [["demo", "--nonsense"], /^pvscsi: unknown option '--nonsense'\n/],
    [["demo", "--dialect", "xm"], /^pvscsi: option '--dialect <dialect>' argument 'xm' is invalid/],
    [["demo", "--shell", "--serve"], /^pvscsi: option '--shell' cannot be used with option '--serve'\n/],
    [["bench", "--transports", "pigeon"], /^pvscsi: option '--transports <names...>' argument 'pigeon' is invalid/],
    [["bench", "--workloads", "pigeon"], /^pvscsi: option '--workloads <words...>' argument 'pigeon' is invalid/],
    [["bench", "--rounds", "0"], /^pvscsi: option '--rounds <n>' argument '0' is invalid/],
  ];
  it("refuses wrong usage in its own name: 2", async () => {
    const results = await Promise.all(wrong.map(([words]) => pvscsi(words)));
    for (const [index, { status, output, errors }] of results.entries()) {
      const [words, expected] = wrong[index];
      expect(errors, words.join(" ")).to.match(expected);
      expect(output, words.join(" ")).to.equal("");
      expect(status, words.join(" ")).to.equal(2);
    }
  });

  it("bench measures what it is asked for, as a table, as JSON and into a file", async () => {
    const quick = ["--rounds", "2", "--milliseconds", "20"];
    const table = await pvscsi(["bench", ...quick, "--plugs", "0", "--workloads", "4k randread d1"]);
    expect(table.status).to.equal(0);
    expect(table.errors).to.equal("");
    const lines = table.output.trimEnd().split("\n");
    expect(lines[0]).to.match(/^workload +transport +IOPS +MB\/s/);
    expect(lines.slice(1).map((line) => line.slice(0, 36).trim().replace(/ {2,}/, "|"))).to.deep.equal([
      "4k randread d1|bare copy",
      "4k randread d1|direct",
      "4k randread d1|pvscsi",
      "4k randread d1|virtio-scsi",
      "4k randread d1|virtio-blk",
      "4k randread d1|ws",
      "4k randread d1|websocket",
      "4k randread d1|sab",
      "4k randread d1|worker",
      "4k randread d1|virtio-scsi-worker",
      "4k randread d1|virtio-blk-worker",
      "4k randread d16|bare copy",
      "4k randread d16|direct",
      "4k randread d16|pvscsi",
      "4k randread d16|virtio-scsi",
      "4k randread d16|virtio-blk",
      "4k randread d16|ws",
      "4k randread d16|websocket",
      "4k randread d16|sab",
      "4k randread d16|worker",
      "4k randread d16|virtio-scsi-worker",
      "4k randread d16|virtio-blk-worker",
    ]);
    const out = folder.path("out.json");
    const words = ["bench", ...quick, "--plugs", "2", "--workloads", "seqread d16"];
    words.push("--transports", "pvscsi", "virtio-scsi", "virtio-blk", "--json", "--out", out);
    const json = await pvscsi(words);
    expect(json.status).to.equal(0);
    const report = JSON.parse(json.output);
    expect(report).to.include.keys(
      "node",
      "processor",
      "processors",
      "rounds",
      "milliseconds",
      "size",
      "seed",
      "rows",
      "plugs",
    );
    expect(
      report.rows.map(({ contender, depth }: { contender: string; depth: number }) => [contender, depth]),
    ).to.deep.equal([
      ["bare copy", 16],
      ["pvscsi", 15],
      ["virtio-scsi", 16],
      ["virtio-blk", 16],
    ]);
    for (const row of report.rows) {
      expect(row).to.have.all.keys(
        ...["workload", "contender", "depth", "operations", "perSecond", "megabytesPerSecond"],
        ...["medianMicroseconds", "p99Microseconds", "processorMicroseconds", "ratio"],
        ...["notifications", "grantOperations", "copiedBytes"],
      );
      expect(row.operations).to.be.above(0);
      expect(row.ratio.least).to.be.at.most(row.ratio.median).and.at.most(row.ratio.most);
      expect(row.copiedBytes).to.be.closeTo(256 * 1024, 1);
    }
    expect(report.plugs.map(({ contender, plugs }: PlugRow) => [contender, plugs])).to.deep.equal([
      ["xenbus: scsi-attach", 2],
      ["virtio-scsi: event queue", 2],
      ["virtio-scsi: unit attention, a command each 100 ms", 2],
    ]);
    for (const { medianMilliseconds, p99Milliseconds } of report.plugs) {
      expect(medianMilliseconds).to.be.above(0).and.at.most(p99Milliseconds);
    }
    expect(readFileSync(out, "utf8")).to.equal(json.output);
  });

  it("bench counts what each transport does for an operation, at both ends", async () => {
    const words = ["bench", "--json", "--plugs", "0", "--rounds", "1", "--milliseconds", "30"];
    const { output } = await pvscsi([...words, "--workloads", "4k randread d1"]);
    const rows: CountedRow[] = JSON.parse(output).rows;
    const at1 = rows.filter(({ workload }) => workload === "4k randread d1");
    const counted = Object.fromEntries(at1.map((row) => [row.contender, row]));
    const wholes = at1.map(({ contender, grantOperations, copiedBytes }) => [
      contender,
      // What a round begins with may be counted in the one before.
      grantOperations && Math.round(grantOperations),
      copiedBytes && Math.round(copiedBytes / 4096),
    ]);
    expect(wholes).to.deep.equal([
      ["bare copy", null, 1],
      ["direct", null, 1],
      ["pvscsi", 4, 1],
      ["virtio-scsi", null, 1],
      ["virtio-blk", null, 1],
      ["ws", null, 3],
      ["websocket", 4, 3],
      ["sab", null, 1],
      ["worker", 4, 1],
      ["virtio-scsi-worker", null, 1],
      ["virtio-blk-worker", null, 1],
    ]);
    const { "bare copy": bare, direct, sab, ...others } = counted;
    expect([bare.notifications, direct.notifications]).to.deep.equal([null, null]);
    // Where the ends poll before they sleep, they may find what they would be woken for.
    expect(sab.notifications).to.be.within(0, 2.1);
    for (const row of Object.values(others)) expect(row.notifications, row.contender).to.be.within(1.5, 2.1);
  });

  it("bench says at once that it cannot write its file: 1", async () => {
    const hours = ["--milliseconds", "99999999"];
    const { status, errors } = await pvscsi(["bench", ...hours, "--out", folder.path("none", "out.json")]);
    expect(errors).to.match(/^pvscsi: ENOENT: no such file or directory, open '.*none\/out.json'\n$/);
    expect(status).to.equal(1);
  });
});

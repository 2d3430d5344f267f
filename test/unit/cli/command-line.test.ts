// What the command says to people: its help, its errors, and the figures of `bench`.

import { readFileSync } from "node:fs";
import type { PlugRow } from "@pvscsi/bench";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { pvscsi } from "./command.js";

/** Of what bench tells in JSON. */
interface CountedRow {
  readonly workload: string;
  readonly contender: string;
  readonly notifications: number | null;
  readonly grantOperations: number | null;
  readonly copiedBytes: number | null;
}

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

// The comparison with tgt: what is read of its clients and of Linux, and what is made of it.

import { expect } from "chai";
import { readBench, readPerf } from "../../bench/iscsi/clients.js";
import { summarise } from "../../bench/iscsi/comparison.js";
import { readStat } from "../../bench/iscsi/processor.js";
import { formatRows } from "../../bench/iscsi/report.js";
import { selectWorkloads, WORKLOADS } from "../../bench/iscsi/workloads.js";

describe("the comparison of iSCSI servers", () => {
  it("has a row for each store, size, direction and depth", () => {
    expect(new Set(WORKLOADS.map(({ name }) => name)).size).to.equal(16);
    const names = selectWorkloads(["file 4k", "null 256k seqwrite"]).map(({ name }) => name);
    expect(names).to.deep.equal([
      "null 256k seqwrite d1",
      "null 256k seqwrite d32",
      "file 4k randread d1",
      "file 4k randread d32",
      "file 4k randwrite d1",
      "file 4k randwrite d32",
    ]);
  });

  it("reads the last average of iscsi-perf, and the seconds of qemu-img", () => {
    const second = "00:00:01 - lba 7, iops current 9 (1 MB/s), iops average 9 (1 MB/s), in_flight 32, busy 0";
    expect(readPerf(`${second}   \r        iops average 5873 (1468 MB/s)   \n\nfinished.\n`)).to.equal(5873);
    expect(() => readPerf("iscsi_connect failed. ")).to.throw("iscsi_connect failed.");
    expect(readBench("Sending 5 write requests\nRun completed in 0.357 seconds.\n")).to.equal(0.357);
    expect(() => readBench("qemu-img: Could not open")).to.throw("Could not open");
  });

  it("reads a process' time behind a name that looks like more fields", () => {
    const stat = "7 (a) R 1 (b)) S 1 7 7 0 -1 4194560 100 0 0 0 35 398 0 0 20 0 17 0 5 0";
    expect(readStat(stat)).to.deep.equal({ user: 350_000, system: 3_980_000 });
  });

  it("takes ratios within a round, and medians of them", () => {
    const figures = (perSecond: number, user: number) => ({ perSecond, user, system: 2 });
    const our = [figures(200, 0), figures(90, 2), figures(300, 2)];
    const their = [figures(100, 2), figures(90, 2), figures(100, 6)];
    const row = summarise({ name: "row", depth: 4 }, our, their, 1.25);
    expect(row.perSecondRatio).to.deep.equal({ least: 1, median: 2, most: 3 });
    expect(row.processorRatio).to.deep.equal({ least: 0.5, median: 0.5, most: 1 });
    expect(row.ours.perSecond.median).to.equal(200);
    expect(row.ours.microseconds.median).to.equal(20_000);
    const [, line] = formatRows([row]).split("\n");
    expect(line.split(/ {2,}/)).to.deep.equal([
      "row",
      ...["100", "40000", "4.0 (2.0+2.0)"],
      ...["200", "20000", "4.0 (2.0+2.0)"],
      ...["2.00 (1.00..3.00)", "0.50 (0.50..1.00)", "1.3"],
    ]);
  });
});

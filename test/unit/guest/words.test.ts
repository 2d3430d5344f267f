// The names, numbers and sizes that an operating system and its programs make up.

import { byteCountText, KernelLog, LowestFree, rateText, secondsText, sizeText } from "@pvscsi/guest";
import { diskName } from "@pvscsi/scsi";
import { ProbeHub, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";

describe("names", () => {
  it("go from sda to sdz, sdaa to sdzz, and on", () => {
    const names = [0, 25, 26, 51, 52, 701, 702, 18277, 18278].map(diskName);
    expect(names).to.deep.equal(["sda", "sdz", "sdaa", "sdaz", "sdba", "sdzz", "sdaaa", "sdzzz", "sdaaaa"]);
  });

  it("are given again once they are free, the lowest first", () => {
    const numbers = new LowestFree();
    expect([numbers.take(), numbers.take(), numbers.take()]).to.deep.equal([0, 1, 2]);
    numbers.giveBack(1);
    numbers.giveBack(0);
    expect([numbers.take(), numbers.take(), numbers.take()]).to.deep.equal([0, 1, 3]);
  });
});

describe("the kernel's sizes", () => {
  // The first four are from real logs: two of Xen guests, one of virtio, one of a 2 TB disk.
  for (const [bytes, decimal, binary] of [
    [16_777_216, "16.8 MB", "16.0 MiB"],
    [33_554_432, "33.6 MB", "32.0 MiB"],
    [29_360_128 * 512, "15.0 GB", "14.0 GiB"],
    [3_907_029_168 * 512, "2.00 TB", "1.82 TiB"],
    [0, "0 B", "0 B"],
    [512, "512 B", "512 B"],
    [1000, "1.00 kB", "1000 B"],
    [1_048_576, "1.05 MB", "1.00 MiB"],
    [268_435_456, "268 MB", "256 MiB"],
    [999_999, "1000 kB", "977 KiB"],
  ] as const) {
    it(`${bytes} bytes are ${decimal}, ${binary}`, () => {
      expect(sizeText(bytes, "decimal")).to.equal(decimal);
      expect(sizeText(bytes, "binary")).to.equal(binary);
    });
  }
});

describe("the kernel's log", () => {
  it("stamps lines with the time since the guest began, and tells listeners", async () => {
    const time = new Simulation(seededRandom(1));
    time.after(1000, { run() {} });
    time.step();
    const probes = new ProbeHub();
    const heard: unknown[] = [];
    probes.listen((name, line) => heard.push([name, line]));
    const log = new KernelLog(time, probes);
    time.after(2751.955, { run() {} });
    time.step();
    log.print("scsi host0: Virtio SCSI HBA");
    expect(log.lines).to.deep.equal(["[    2.751955] scsi host0: Virtio SCSI HBA"]);
    expect(heard).to.deep.equal([["guest:dmesg", log.lines[0]]]);
  });

  it("keeps the last 4096 lines", () => {
    const log = new KernelLog(new Simulation(seededRandom(1)), new ProbeHub());
    for (let i = 0; i < 5000; i++) log.print(String(i));
    expect(log.lines).to.have.length(4096);
    expect(log.lines[0]).to.match(/ 904$/);
  });
});

describe("dd's words, as GNU dd 9.1 printed them", () => {
  for (const [bytes, text] of [
    [0, "0 bytes"],
    [1, "1 byte"],
    [100, "100 bytes"],
    [1000, "1000 bytes (1.0 kB)"],
    [4096, "4096 bytes (4.1 kB, 4.0 KiB)"],
    [1_024_000, "1024000 bytes (1.0 MB, 1000 KiB)"],
    [268_435_456, "268435456 bytes (268 MB, 256 MiB)"],
  ] as const) {
    it(text, () => expect(byteCountText(bytes)).to.equal(text));
  }

  for (const [bytes, seconds, time, rate] of [
    [4096, 4.5748e-5, "4.5748e-05", "89.5 MB/s"],
    [4096, 0.000406484, "0.000406484", "10.1 MB/s"],
    [4096, 3.345e-5, "3.345e-05", "122 MB/s"],
    [268_435_456, 0.695829, "0.695829", "386 MB/s"],
    [100, 3.6013e-5, "3.6013e-05", "2.8 MB/s"],
    [1, 0.000129392, "0.000129392", "7.7 kB/s"],
    [0, 4.3374e-5, "4.3374e-05", "0.0 kB/s"],
    [4096, 0, "0", "Infinity B/s"],
  ] as const) {
    it(`${bytes} bytes in ${time} s are ${rate}`, () => {
      expect(secondsText(seconds)).to.equal(time);
      expect(rateText(bytes, seconds)).to.equal(rate);
    });
  }
});

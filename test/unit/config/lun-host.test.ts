// Tests the host of LUNs that were named one by one.

import { formatAddress, hostOfLunWords } from "@pvscsi/config";
import { expect } from "chai";

describe("LUNs of a command line", () => {
  it("are 0:0:0:0 and on, in their order, with all that a word may say", () => {
    const { file, hosts } = hostOfLunWords(["mem:1MiB,ro", "disk.img,size=2MiB,serial=x"]);
    expect([file, hosts.length, hosts[0].host]).to.deep.equal(["--lun", 1, 0]);
    const { luns } = hosts[0];
    expect(luns.map(({ address }) => formatAddress(address))).to.deep.equal(["0:0:0:0", "0:0:0:1"]);
    expect(luns.map(({ readOnly, serial }) => [readOnly, serial])).to.deep.equal([
      [true, undefined],
      [false, "x"],
    ]);
    expect(luns[0].backing).to.include({ kind: "memory", size: 1024 * 1024 });
  });

  it("are told of at the place in the word that is wrong", () => {
    expect(() => hostOfLunWords(["mem:1MiB", "mem:1MiB,colour=red"])).to.throw(/^--lun:1:10: unknown key 'colour'/);
  });

  it("are no more than a target has", () => {
    const words = (count: number): string[] => new Array(count).fill("mem:1MiB");
    expect(hostOfLunWords(words(16384)).hosts[0].luns.at(-1)?.address.lun).to.equal(16383);
    expect(() => hostOfLunWords(words(16385))).to.throw("--lun:1:1: 16385 LUNs, and a target has 16384");
  });
});

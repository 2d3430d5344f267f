import { readFileSync, statSync } from "node:fs";
import { expect } from "chai";
import { Dom0Stand } from "./dom0-stand.js";

const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, file: a.img, size: 1MiB, create: true }
      - { address: 0:0:1:0, memory: 1MiB, shareable: true }
      - { address: 0:0:2:0, memory: 1MiB, readOnly: true }
      - { address: 0:0:3:0, memory: 1MiB, block: 4096 }
`;
const guest = (name: string, ...vscsi: readonly string[]): string =>
  `name = '${name}'\nvscsi = [ ${vscsi.map((entry) => `'${entry}'`).join(", ")} ]\n`;

describe("scsi-resize", () => {
  const dom0 = new Dom0Stand({
    "host.yaml": HOST,
    "domU.cfg": guest("domU", "0:0:0:0,0:0:0:0", "0:0:1:0,0:0:0:1", "0:0:2:0,0:0:0:2", "0:0:3:0,0:0:0:3"),
    "other.cfg": guest("other", "0:0:1:0,0:0:0:0"),
  });

  beforeEach(() => dom0.good("create", "domU.cfg"));

  const inGuest = (name: string, ...words: readonly string[]) => dom0.good("guest", name, "--", ...words);

  /** What the guest's log says of a disk since it was attached, without the time. */
  async function news(name: string, disk: string, device: string): Promise<string[]> {
    const lines = (await inGuest(name, "dmesg")).trimEnd().split("\n");
    const about = lines
      .map((line) => line.replace(/^\[.*?\] /, ""))
      .filter((line) => line.includes(disk) || line.includes(device));
    return about.slice(about.findIndex((line) => line.includes("Attached SCSI disk")) + 1);
  }

  it("grows a file: what was there stays, the rest is zeros, and the guest reads and logs it as Linux does", async () => {
    await inGuest("domU", "dd", "if=host.yaml", "of=/dev/sda", "bs=512", "seek=2047", "count=1", "conv=fsync");
    expect(await dom0.good("scsi-resize", "domU", "0:0:0:0", "2MiB")).to.equal("");
    expect(statSync(dom0.folder.path("a.img")).size).to.equal(2 * 1024 * 1024);
    await inGuest("domU", "dd", "if=/dev/sda", "of=/dev/null", "count=1", "status=none");
    await inGuest("domU", "dd", "if=/dev/sda", "of=copy.raw", "bs=1M", "status=none");
    const copy = readFileSync(dom0.folder.path("copy.raw"));
    expect(copy).to.have.length(2 * 1024 * 1024);
    expect(
      copy
        .subarray(2047 * 512)
        .toString("latin1")
        .replace(/\0+$/, ""),
    ).to.equal(HOST);
    await inGuest("domU", "dd", "if=host.yaml", "of=/dev/sda", "bs=512", "seek=4095", "count=1", "conv=fsync");
    expect(await news("domU", "sda", "0:0:0:0")).to.deep.equal([
      "sd 0:0:0:0: Capacity data has changed",
      "sd 0:0:0:0: [sda] 4096 512-byte logical blocks: (2.10 MB/2.00 MiB)",
      "sd 0:0:0:0: [sda] 4096-byte physical blocks",
      "sda: detected capacity change from 2048 to 4096",
    ]);
  });

  it("tells every guest that shares it, with its next command", async () => {
    await dom0.good("create", "other.cfg");
    await dom0.good("scsi-resize", "other", "0:0:0:0", "3M");
    for (const [name, disk, device] of [
      ["domU", "sdb", "0:0:0:1"],
      ["other", "sda", "0:0:0:0"],
    ] as const) {
      expect(await news(name, disk, device)).to.deep.equal([]);
      await inGuest(name, "dd", `if=/dev/${disk}`, "of=/dev/null", "bs=4k", "count=1");
      expect(await inGuest(name, "dd", `if=/dev/${disk}`, "of=sum.raw", "bs=1M")).to.include("3145728 bytes");
      expect((await news(name, disk, device)).at(-1)).to.equal(`${disk}: detected capacity change from 2048 to 6144`);
    }
  });

  it("says what is wrong with a size, a device, a domain, and changes nothing", async () => {
    for (const [words, message] of [
      [
        ["domU", "0:0:0:0", "512K"],
        "pvscsi scsi-resize: vdev '0:0:0:0': 0:0:0:0 (/dev/sda) has 1MiB: a LUN is not made smaller",
      ],
      [["domU", "0:0:0:2", "2M"], "pvscsi scsi-resize: vdev '0:0:0:2': 0:0:2:0 (/dev/sdc) is read-only"],
      [
        ["domU", "0:0:0:3", "1049088"],
        "pvscsi scsi-resize: vdev '0:0:0:3': invalid size 1049088, expected whole blocks of 4096 bytes",
      ],
      [
        ["domU", "0:0:0:0", "9999T"],
        "argument:1:9: invalid size '9999T', expected a size in bytes or such as 64M or 1GiB",
      ],
      [["domU", "0:0:0:0", "2M "], "argument:1:9: invalid size '2M ', expected a size in bytes or such as 64M or 1GiB"],
      [["domU", "0:0:0", "2M"], "argument:1:1: invalid '0:0:0', expecting hst:chn:tgt:lun"],
      [["domU", "0:0:0:9", "2M"], "pvscsi scsi-resize: vdev '0:0:0:9' is not attached to domain 1"],
      [["nobody", "0:0:0:0", "2M"], "pvscsi scsi-resize: nobody is an invalid domain identifier (rc=-6)"],
    ] as const) {
      expect(await dom0.bad("scsi-resize", ...words)).to.equal(message);
    }
    expect(await dom0.bad("scsi-resize", "domU", "0:0:0:0", "8191T")).to.match(/vdev '0:0:0:0': growing .*a.img: /);
    expect(await news("domU", "sda", "0:0:0:0")).to.deep.equal([]);
    expect(statSync(dom0.folder.path("a.img")).size).to.equal(1024 * 1024);
  });
});

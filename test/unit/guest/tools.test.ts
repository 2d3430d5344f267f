// The guest's commands: what the real programs printed for the same answers of a device, and dd.

import { type Files, type OpenFile, runGuestCommand } from "@pvscsi/guest";
import { createDisk, directAdapter, type Fault, faulty, MemoryStore, parseFault, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { goldenText } from "../../support/repository.js";
import { inquiryData, ScriptedAdapter } from "./scripted-adapter.js";
import { diskOptions, diskStand, MIB, pattern, Stand, submit } from "./stand.js";

const SG3_UTILS = "sg3-utils-1.46";

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(
    hex.split(/\s+/).filter((word) => word !== ""),
    (word) => Number.parseInt(word, 16),
  );
}

describe("sg_inq prints what sg_inq 1.46 printed", () => {
  const golden = JSON.parse(goldenText(`${SG3_UTILS}/sg_inq.json`)) as {
    devices: { [device: string]: { [request: string]: string } };
    cases: { device: string; command: string; output: string; status: number }[];
  };
  for (const { device, command, output, status } of golden.cases) {
    it(`${command}, ${device}`, async () => {
      const stand = new Stand();
      const adapter = new ScriptedAdapter();
      await stand.attach(adapter);
      adapter.script = ({ cdb }) => {
        const request = [cdb[0], cdb[1], cdb[2]].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        const data = golden.devices[device][request];
        return data === undefined ? null : { data: bytesOf(data) };
      };
      expect(await stand.run(...command.split(" "))).to.deep.equal({ output, status });
    });
  }

  it("says when a page is not there", async () => {
    const { stand } = await diskStand();
    expect(await stand.run("sg_inq", "--page=0xb5", "/dev/sda")).to.deep.equal({
      output: "    inquiry: Numerical argument out of domain\nsg_inq failed: Numerical argument out of domain\n",
      status: 83,
    });
    const bare = new Stand();
    await bare.attach(new ScriptedAdapter());
    expect(await bare.run("sg_inq", "--page=0xb5", "/dev/sg0")).to.deep.equal({
      output: "    inquiry: field in cdb illegal (page not supported)\nsg_inq failed: Illegal request\n",
      status: 5,
    });
  });
});

describe("sg_raw prints what sg_raw 1.46 printed", () => {
  type Case = {
    name: string;
    command: string;
    data: string;
    status: number;
    sense: string;
    hostByte: number;
    output: string;
    exit: number;
  };
  for (const golden of JSON.parse(goldenText(`${SG3_UTILS}/sg_raw.json`)) as Case[]) {
    it(golden.name, async () => {
      const stand = new Stand();
      const adapter = new ScriptedAdapter();
      await stand.attach(adapter);
      adapter.script = () => ({
        hostByte: golden.hostByte,
        status: golden.status,
        data: bytesOf(golden.data),
        ...(golden.sense === "" ? {} : { senseData: bytesOf(golden.sense) }),
      });
      expect(await stand.run(...golden.command.split(" "))).to.deep.equal({
        output: golden.output,
        status: golden.exit,
      });
    });
  }

  it("sends the bytes of a file", async () => {
    const stand = new Stand();
    const adapter = new ScriptedAdapter();
    await stand.attach(adapter);
    const words = "sg_raw -s 512 -i block /dev/sg0 2a 00 00 00 00 07 00 00 01 00".split(" ");
    const files = memoryFiles({ block: pattern(512) });
    const { status } = await stand.until(runGuestCommand(stand.guest, words, files));
    expect(status).to.equal(0);
    expect(adapter.memory.subarray(7 * 512, 8 * 512)).to.deep.equal(pattern(512));
    const short = await stand.until(runGuestCommand(stand.guest, words, memoryFiles({ block: pattern(3) })));
    expect(short).to.deep.equal({ output: "EOF on input file/stream at buffer offset 3\n", status: 99 });
  });

  it("says what is wrong with its words", async () => {
    const { stand } = await diskStand();
    for (const [words, first, status] of [
      ["", "No device specified", 1],
      ["/dev/sg0 12 00", "CDB too short (min. 6 bytes)", 1],
      ["/dev/sg0 12 zz 00 00 00 00", "Invalid command byte 'zz'", 1],
      ["/dev/sg0 12 100 00 00 00 00", "Invalid command byte '100'", 1],
      ["-r x /dev/sg0 12 00 00 00 00 00", "Invalid argument to '--request'", 1],
      ["--zz /dev/sg0", "sg_raw: unrecognized option '--zz'", 1],
      ["/dev/sg7 12 00 00 00 00 00", "/dev/sg7: No such file or directory", 52],
    ] as const) {
      const result = await stand.run("sg_raw", ...words.split(" ").filter((word) => word !== ""));
      expect([result.output.split("\n")[0], result.status]).to.deep.equal([first, status]);
    }
  });
});

describe("sg_readcap prints what sg_readcap 1.46 printed", () => {
  type Case = { command: string; capacity10: string; capacity16: string; output: string; status: number };
  for (const golden of JSON.parse(goldenText(`${SG3_UTILS}/sg_readcap.json`)) as Case[]) {
    it(`${golden.command} of ${golden.capacity16.slice(0, 35)}`, async () => {
      const stand = new Stand();
      const adapter = new ScriptedAdapter();
      await stand.attach(adapter);
      adapter.script = ({ cdb }) => {
        if (cdb[0] === 0x25) return { data: bytesOf(golden.capacity10) };
        return cdb[0] === 0x9e ? { data: bytesOf(golden.capacity16) } : null;
      };
      const { output, status } = golden;
      expect(await stand.run(...golden.command.split(" "))).to.deep.equal({ output, status });
    });
  }
});

describe("lsscsi", () => {
  it("prints the columns of lsscsi 0.31", async () => {
    const stand = new Stand();
    const target = new Target();
    target.add(
      0,
      createDisk(diskOptions(new MemoryStore(MIB), { vendor: "PVSCSI", product: "disk-with-16char", revision: "1" })),
    );
    target.add(10, createDisk(diskOptions(new MemoryStore(MIB), { vendor: "PVSCSI", product: "abc", revision: "1" })));
    await stand.attach(directAdapter(target));
    const enclosure = new ScriptedAdapter();
    enclosure.inquiry = inquiryData(6, 0x0d);
    await stand.attach(enclosure);
    expect((await stand.run("lsscsi", "-g")).output.split("\n")).to.deep.equal([
      "[0:0:0:0]    disk    PVSCSI   disk-with-16char 1     /dev/sda   /dev/sg0 ",
      "[0:0:0:10]   disk    PVSCSI   abc              1     /dev/sdb   /dev/sg1 ",
      "[1:0:0:0]    enclosu XENSIM   NODE-BACKEND     0001  -          /dev/sg2 ",
      "",
    ]);
    expect((await stand.run("lsscsi")).output.split("\n")[0]).to.equal(
      "[0:0:0:0]    disk    PVSCSI   disk-with-16char 1     /dev/sda ",
    );
  });
});

describe("the table of commands", () => {
  it("answers what it does not know, and lists what it has", async () => {
    const { stand } = await diskStand();
    const unknown = await stand.run("rm", "-rf", "/");
    expect(unknown).to.deep.equal({
      output: "rm: unknown command; there are dd, dmesg, help, lsscsi, scan, sg_inq, sg_raw, sg_readcap, sha256sum\n",
      status: 127,
    });
    expect((await stand.run("toString")).status).to.equal(127);
    expect((await stand.run("help")).output).to.contain("scan HOST [CHANNEL TARGET LUN]\n");
  });

  it("scans, and shows the log", async () => {
    const { stand } = await diskStand();
    expect(await stand.run("scan", "host0", "-", "-", "-")).to.deep.equal({ output: "", status: 0 });
    expect(await stand.run("scan", "0")).to.deep.equal({ output: "", status: 0 });
    expect(await stand.run("scan", "5")).to.deep.equal({ output: "scan: 5: No such host\n", status: 1 });
    for (const words of [["0", "-"], ["0", "-", "x", "-"], []]) {
      expect((await stand.run("scan", ...words)).output).to.equal("Usage: scan HOST [CHANNEL TARGET LUN]\n");
    }
    expect((await stand.run("dmesg")).output).to.equal(stand.guest.log.lines.map((line) => `${line}\n`).join(""));
  });
});

/** Files by name, in memory. */
function memoryFiles(contents: { [name: string]: Uint8Array }): Files {
  return {
    async open(path, access, truncate) {
      const name = path ?? "-";
      if (access === "read" && contents[name] === undefined) return "No such file or directory";
      if (access === "write" && truncate !== null)
        contents[name] = (contents[name] ?? new Uint8Array(0)).slice(0, truncate);
      const file: OpenFile = {
        async read(target, offset) {
          const bytes = contents[name].subarray(offset, offset + target.length);
          target.set(bytes);
          return bytes.length;
        },
        async write(source, offset) {
          const longer = new Uint8Array(Math.max(contents[name].length, offset + source.length));
          longer.set(contents[name]);
          longer.set(source, offset);
          contents[name] = longer;
          return source.length;
        },
        sync: async () => null,
        close: async () => {},
      };
      return file;
    },
  };
}

describe("dd", () => {
  it("copies from a file to a disk and back", async () => {
    const { stand, disk } = await diskStand();
    const contents: { [name: string]: Uint8Array } = { in: pattern(100_000) };
    const run = (text: string) => stand.until(runGuestCommand(stand.guest, text.split(" "), memoryFiles(contents)));
    const there = await run("dd if=in of=/dev/sda bs=4k seek=3 conv=fsync");
    expect(there.output).to.equal(
      "24+1 records in\n24+1 records out\n100000 bytes (100 kB, 98 KiB) copied, 0 s, Infinity B/s\n",
    );
    const back = await run("dd if=/dev/sda of=out bs=1000 skip=12 count=101");
    expect(back.status).to.equal(0);
    expect(contents.out).to.have.length(101_000);
    expect(contents.out.subarray(288, 100_288)).to.deep.equal(contents.in);
    const read = new Uint8Array(512);
    await stand.until(submit(disk, "read", { offset: 12_288, data: read }));
    expect(read).to.deep.equal(contents.in.subarray(0, 512));
  });

  it("stops at the end of a disk", async () => {
    const { stand } = await diskStand();
    const read = await stand.run("dd", "if=/dev/sda", "of=/dev/null", "bs=300k", "status=noxfer");
    expect(read).to.deep.equal({ output: "3+1 records in\n3+1 records out\n", status: 0 });
    const write = await stand.run("dd", "if=/dev/zero", "of=/dev/sda", "bs=512k", "status=noxfer");
    expect(write).to.deep.equal({
      output: "dd: error writing '/dev/sda': No space left on device\n3+0 records in\n2+0 records out\n",
      status: 1,
    });
  });

  it("says what fails, and keeps what it had", async () => {
    const store = new MemoryStore(MIB);
    const { stand } = await diskStand(
      faulty(store, [parseFault("read@20:medium-error", 512) as Fault], new Stand().time),
    );
    const result = await stand.run("dd", "if=/dev/sda", "of=/dev/null", "bs=4k", "iflag=direct", "status=noxfer");
    expect(result).to.deep.equal({
      output: "dd: error reading '/dev/sda': Input/output error\n2+0 records in\n2+0 records out\n",
      status: 1,
    });
  });

  it("never opens a device of the machine it runs on", async () => {
    const { stand } = await diskStand();
    const opened: unknown[] = [];
    const files: Files = {
      async open(path) {
        opened.push(path);
        return "Permission denied";
      },
    };
    for (const path of ["/dev/sdb", "/dev/mem", "//dev/sdb", "/tmp/../dev/./sdb"]) {
      const result = await stand.until(runGuestCommand(stand.guest, ["dd", `of=${path}`, "if=/dev/zero"], files));
      expect(result).to.deep.equal({ output: `dd: failed to open '${path}': No such file or directory\n`, status: 1 });
    }
    expect(opened).to.deep.equal([]);
  });

  it("refuses operands it does not understand, as dd does", async () => {
    const { stand } = await diskStand();
    for (const [operand, line] of [
      ["foo=bar", "dd: unrecognized operand 'foo=bar'"],
      ["foo", "dd: unrecognized operand 'foo'"],
      ["bs=zz", "dd: invalid number: 'zz'"],
      ["bs=0", "dd: invalid number: '0'"],
      ["iflag=blah", "dd: invalid input flag: 'blah'"],
      ["conv=bla", "dd: invalid conversion: 'bla'"],
    ]) {
      const { output, status } = await stand.run("dd", operand);
      expect([output.split("\n")[0], status]).to.deep.equal([line, 1]);
    }
    const direct = await stand.run("dd", "if=/dev/sda", "of=/dev/null", "bs=1000", "iflag=direct");
    expect(direct.output.split("\n")[0]).to.equal("dd: error reading '/dev/sda': Invalid argument");
  });
});

describe("sha256sum", () => {
  it("is that of the bytes, all or some", async () => {
    const { stand } = await diskStand();
    expect((await stand.run("sha256sum", "/dev/sda")).output).to.equal(
      "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58  /dev/sda\n",
    );
    expect((await stand.run("sha256sum", "/dev/sda", "0", "0")).output).to.equal(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  /dev/sda\n",
    );
    expect((await stand.run("sha256sum", "/dev/sdb")).status).to.equal(1);
  });
});

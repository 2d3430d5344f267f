// What a person sees of bytes: hex dumps and records printed from their table.

import { array, bytes, hexBytes, hexDump, i16, pad, printRecord, struct, u8, u16, u24be, u32, u64 } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

describe("hexDump", () => {
  it("shows sixteen bytes a line with their text", () => {
    const text = Uint8Array.from("The quick brown~\x7f\x00", (letter) => letter.charCodeAt(0));
    expect(hexDump(text, 0x100)).to.equal(
      [
        "00000100: 54 68 65 20 71 75 69 63 6b 20 62 72 6f 77 6e 7e  The quick brown~",
        "00000110: 7f 00                                            ..",
      ].join("\n"),
    );
  });

  it("shows a run of equal lines once, and always the last line", () => {
    const memory = new Uint8Array(16 * 6);
    memory[16 * 4] = 1;
    const shown = (length: number) =>
      hexDump(memory.subarray(0, length))
        .split("\n")
        .map((line) => line.slice(0, 12));
    expect(shown(16 * 6)).to.deep.equal(["00000000: 00", "*", "00000040: 01", "00000050: 00"]);
    expect(shown(16 * 4)).to.deep.equal(["00000000: 00", "*", "00000030: 00"]);
    expect(shown(16 * 2)).to.deep.equal(["00000000: 00", "00000010: 00"]);
  });

  it("shows nothing of nothing", () => {
    expect(hexDump(new Uint8Array(0))).to.equal("");
  });

  it("can be read back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (memory) => {
        const read: number[] = [];
        for (const line of hexDump(memory).split("\n")) {
          if (line === "*" || line === "") continue;
          const at = Number.parseInt(line.slice(0, 8), 16);
          const hex = line.slice(10, 57).trim().split(" ");
          while (read.length < at) read.push(read[read.length - 16]);
          read.push(...hex.map((byte) => Number.parseInt(byte, 16)));
        }
        expect(read).to.deep.equal([...memory]);
      }),
    );
  });
});

describe("hexBytes", () => {
  it("separates bytes by blanks", () => {
    expect(hexBytes(Uint8Array.of(0x28, 0, 0xff))).to.equal("28 00 ff");
  });
});

describe("printRecord", () => {
  const Segment = struct("segment", 8, { gref: u32(0), offset: u16(4), length: u16(6) });
  const Request = struct("request", 48, {
    id: u16(0),
    act: u8(2),
    long: u24be(3),
    status: i16(6),
    address: u64(8),
    command: bytes(16, 6),
    spare: pad(22, 2),
    segments: array(24, 3, Segment),
  });
  const memory = new Uint8Array(64);
  const request = new Request(memory, 16);
  request.id = 9;
  request.act = 10;
  request.long = 0x010203;
  request.status = -2;
  memory.fill(0xff, 24, 32);
  request.command = Uint8Array.of(0x28, 0, 1);
  Object.assign(request.segments.at(1), { gref: 300, length: 4096 });

  it("shows each field from the table, and leaves empty elements and padding out", () => {
    expect(printRecord(Request, memory, 16)).to.deep.equal([
      "   0 id               9",
      "   2 act              10 (0xa)",
      "   3 long             66051 (0x10203)",
      "   6 status           -2 (0xfffe)",
      "   8 address          18446744073709551615 (0xffffffffffffffff)",
      "  16 command          28 00 01 00 00 00",
      "  32 segments[1]",
      "       0 gref             300 (0x12c)",
      "       4 offset           0",
      "       6 length           4096 (0x1000)",
    ]);
  });

  it("shows padding that is not zero, and says of bytes only how many when they are", () => {
    const other = new Uint8Array(48);
    other[23] = 0xee;
    expect(printRecord(Request, other))
      .to.include("  22 spare            00 ee")
      .and.include("  16 command          6 zero bytes");
  });

  it("indents", () => {
    expect(printRecord(Segment, new Uint8Array(8), 0, "  ")[0]).to.equal("     0 gref             0");
  });

  it("leaves out what the bytes do not reach", () => {
    expect(printRecord(Request, memory.subarray(16, 16 + 7))).to.deep.equal([
      "   0 id               9",
      "   2 act              10 (0xa)",
      "   3 long             66051 (0x10203)",
    ]);
  });
});

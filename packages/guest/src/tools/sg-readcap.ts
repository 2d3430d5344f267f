// Knows sg_readcap: a disk's size as sg_readcap 1.46 prints it.

import { COMMANDS } from "@pvscsi/scsi";
import { Capacity10, Capacity16, padded, RangeCdb10, ReadCapacity16Cdb } from "../layouts.js";
import type { Outcome } from "../pass-through.js";
import { type OptionRow, optionUsage, parseOptions } from "./options.js";
import { NO_SG_IO, openCommands } from "./sg-device.js";
import { EXIT, exitStatus, exitText } from "./sg-status.js";
import { print, type Tool, type ToolResult } from "./tool.js";

const OPTIONS: readonly OptionRow[] = [{ long: "long", short: "l", value: null }];
const USAGE = `${optionUsage(OPTIONS)} DEVICE`;

export const sgReadcap: Tool = {
  usage: USAGE,
  summary: "asks a disk for its size",
  async run({ guest }, words) {
    const parsed = parseOptions("sg_readcap", OPTIONS, words);
    if (typeof parsed === "string" || parsed.rest.length !== 1) {
      const text = typeof parsed === "string" ? parsed : "No DEVICE argument given";
      return print([text, `Usage: sg_readcap ${USAGE}`], EXIT.syntax);
    }
    const path = openCommands(guest, parsed.rest[0], {
      absent: `open error: ${parsed.rest[0]}`,
      noCommands: [
        `read capacity(10): pass-through os error: ${NO_SG_IO}`,
        `READ CAPACITY (10) failed: ${NO_SG_IO}`,
        `sg_readcap failed: ${NO_SG_IO}`,
      ],
    });
    if ("output" in path) return path;
    const send = (cdb: Uint8Array, receive: number): Promise<Outcome> => path.send(cdb, { receive, timeout: 60_000 });
    const short = parsed.values.has("long") ? null : await send(shortCdb(), Capacity10.size);
    if (short !== null) {
      if (!short.good) return failure(10, short);
      if (lastBlock(short) !== TOO_LARGE) return print(shortLines(short));
    }
    const long = await send(longCdb(), Capacity16.size);
    return long.good ? print([...(short === null ? [] : TRYING_LONG), ...longLines(long)]) : failure(16, long);
  },
};

/** The last block of a disk that is too large for READ CAPACITY(10). */
const TOO_LARGE = 0xffff_ffff;
const TRYING_LONG = ["READ CAPACITY (10) indicates device capacity too large", "  now trying 16 byte cdb variant"];

function lastBlock({ data }: Outcome): number {
  return new Capacity10(padded(data, Capacity10.size)).lastBlock;
}

function failure(cdbLength: number, outcome: Outcome): ToolResult {
  const status = exitStatus(outcome);
  const text = exitText(status);
  return print([`READ CAPACITY (${cdbLength}) failed: ${text}`, `sg_readcap failed: ${text}`], status);
}

function shortCdb(): Uint8Array {
  const cdb = new RangeCdb10(new Uint8Array(RangeCdb10.size));
  cdb.opcode = COMMANDS.readCapacity10.opcode;
  return cdb.bytes;
}

function longCdb(): Uint8Array {
  const cdb = new ReadCapacity16Cdb(new Uint8Array(ReadCapacity16Cdb.size));
  cdb.opcode = COMMANDS.readCapacity16.opcode;
  cdb.serviceAction = COMMANDS.readCapacity16.serviceAction ?? 0;
  cdb.allocationLength = Capacity16.size;
  return cdb.bytes;
}

function shortLines({ data }: Outcome): string[] {
  const { lastBlock, blockLength } = new Capacity10(padded(data, Capacity10.size));
  return ["Read Capacity results:", ...sizeLines(lastBlock, blockLength), ...hence(lastBlock + 1, blockLength)];
}

function longLines({ data }: Outcome): string[] {
  const capacity = new Capacity16(padded(data, Capacity16.size));
  const last = capacity.lastBlockHigh * 0x1_0000_0000 + capacity.lastBlockLow;
  const exponent = capacity.exponents & 0x0f;
  const physical = exponent > 0 ? ` [so physical block length=${capacity.blockLength * 2 ** exponent} bytes]` : "";
  const { protection, provisioning } = capacity;
  return [
    "Read Capacity results:",
    `   Protection: prot_en=${protection & 1}, p_type=${(protection >> 1) & 7}, p_i_exponent=${capacity.exponents >> 4}`,
    `   Logical block provisioning: lbpme=${provisioning >> 15}, lbprz=${(provisioning >> 14) & 1}`,
    ...sizeLines(last, capacity.blockLength),
    `   Logical blocks per physical block exponent=${exponent}${physical}`,
    `   Lowest aligned LBA=${provisioning & 0x3fff}`,
    ...hence(last + 1, capacity.blockLength),
  ];
}

function sizeLines(last: number, blockLength: number): string[] {
  return [
    `   Last LBA=${last} (0x${last.toString(16)}), Number of logical blocks=${last + 1}`,
    `   Logical block length=${blockLength} bytes`,
  ];
}

function hence(blocks: number, blockLength: number): string[] {
  const bytes = blocks * blockLength;
  const terabytes = bytes >= 1e12 ? `, ${(bytes / 1e12).toFixed(2)} TB` : "";
  return [
    "Hence:",
    `   Device size: ${bytes} bytes, ${(bytes / 2 ** 20).toFixed(1)} MiB, ${(bytes / 1e9).toFixed(2)} GB${terabytes}`,
  ];
}

// Knows sg_inq: standard INQUIRY data and the common pages, as sg_inq 1.46 prints them. Pages are in vpd-text.ts.

import { HostByte } from "@pvscsi/scsi";
import type { CommandPath } from "../command-path.js";
import { inquiryCdb, readInquiry } from "../inquiry.js";
import { PageHeader, padded } from "../layouts.js";
import { longTypeName } from "../linux-words.js";
import type { Outcome } from "../pass-through.js";
import { readNumber } from "./numbers.js";
import { type OptionRow, optionUsage, parseOptions } from "./options.js";
import { NO_SG_IO, openCommands } from "./sg-device.js";
import { EXIT, exitStatus, exitText, transportLines } from "./sg-status.js";
import { print, type Tool, type ToolResult } from "./tool.js";
import { findPage, pageLines, serialNumber } from "./vpd-text.js";

const OPTIONS: readonly OptionRow[] = [
  { long: "id", short: "i", value: null },
  { long: "only", short: "o", value: null },
  { long: "page", short: "p", value: "PG" },
];
const USAGE = `${optionUsage(OPTIONS)} DEVICE`;
const STANDARD = 36;
const PAGE_LENGTH = 252;
const TIMEOUT = 60_000;

export const sgInq: Tool = {
  usage: USAGE,
  summary: "asks a device what it is",
  async run({ guest }, words) {
    const parsed = parseOptions("sg_inq", OPTIONS, words);
    if (typeof parsed === "string") return usageError(parsed);
    const { values, rest } = parsed;
    const page = values.has("id") ? 0x83 : readPage(values.get("page"));
    if (page === undefined) return usageError("Bad page code value after '--page' option");
    if (rest.length !== 1)
      return usageError(rest.length === 0 ? "No DEVICE argument given" : "Unexpected extra argument");
    const path = openCommands(guest, rest[0], {
      absent: `sg_inq: error opening file: ${rest[0]}`,
      noCommands:
        page === null ? FAILED : [`inquiry: pass-through os error: ${NO_SG_IO}`, `    inquiry: ${NO_SG_IO}`, ...FAILED],
    });
    if ("output" in path) return path;
    return page === null ? standard(path, values.has("only")) : showPage(path, page);
  },
};

function usageError(text: string): ToolResult {
  return print([text, `Usage: sg_inq ${USAGE}`], EXIT.syntax);
}

/** A page code from a number or an abbreviation; null for none, undefined for one that is wrong. */
function readPage(word: string | undefined): number | null | undefined {
  if (word === undefined) return null;
  const code = findPage(word) ?? readNumber(word);
  return code === null || code > 0xff ? undefined : code;
}

const FAILED = [`sg_inq failed: ${NO_SG_IO}`];

function inquire(path: CommandPath, page: number | null, length: number): Promise<Outcome> {
  return path.send(inquiryCdb(page, length), { receive: length, timeout: TIMEOUT });
}

function failure(outcome: Outcome, invalidField: string): ToolResult {
  const status = exitStatus(outcome);
  if (outcome.hostByte !== HostByte.ok) {
    const [first, ...others] = transportLines(outcome);
    return print([`inquiry: transport: ${first}`, ...others, `sg_inq failed: ${exitText(status)}`], status);
  }
  const lines = status === EXIT.illegalRequest && invalidField !== "" ? [invalidField] : [];
  return print([...lines, `sg_inq failed: ${exitText(status)}`], status);
}

/** A page that is not in the list of pages is not asked for. */
const NOT_LISTED = ["    inquiry: Numerical argument out of domain", "sg_inq failed: Numerical argument out of domain"];

async function showPage(path: CommandPath, page: number): Promise<ToolResult> {
  const list = await inquire(path, 0x00, PAGE_LENGTH);
  if (list.good && !list.data.subarray(PageHeader.size).includes(page)) {
    return print(NOT_LISTED, EXIT.outOfDomain);
  }
  const outcome = page === 0x00 ? list : await inquire(path, page, PAGE_LENGTH);
  if (!outcome.good) return failure(outcome, "    inquiry: field in cdb illegal (page not supported)");
  const { data } = outcome;
  if (data.length < PageHeader.size || data[1] !== page) {
    return print(["sg_inq failed: Malformed SCSI command"], EXIT.other);
  }
  const { length } = new PageHeader(data);
  return print(pageLines(page, data.subarray(0, PageHeader.size + length)));
}

async function standard(path: CommandPath, only: boolean): Promise<ToolResult> {
  let outcome = await inquire(path, null, STANDARD);
  if (!outcome.good) return failure(outcome, "");
  const length = (outcome.data[4] ?? 0) + 5;
  if (length > STANDARD) outcome = await inquire(path, null, Math.min(length, PAGE_LENGTH));
  if (!outcome.good) return failure(outcome, "");
  const lines = standardLines(padded(outcome.data, STANDARD), length);
  const serial = only ? null : await readSerial(path);
  if (serial !== null) lines.push(` Unit serial number: ${serial}`);
  return print(lines);
}

async function readSerial(path: CommandPath): Promise<string | null> {
  const list = await inquire(path, 0x00, PAGE_LENGTH);
  if (!list.good || !list.data.subarray(PageHeader.size).includes(0x80)) return null;
  const { good, data } = await inquire(path, 0x80, PAGE_LENGTH);
  const serial = good && data.length > PageHeader.size ? serialNumber(data) : "";
  return serial === "" ? null : serial;
}

const QUALIFIERS = [
  "",
  " [PQ indicates LU temporarily unavailable]",
  " [PQ indicates reserved]",
  " [PQ indicates LU not accessible via this port]",
];
const VERSIONS = ["no conformance claimed", "SCSI-1", "SCSI-2", "SPC", "SPC-2", "SPC-3", "SPC-4", "SPC-5"];

/** Standard INQUIRY data (SPC-4 6.6.2), at least 36 bytes, of which the device has `length`. */
function standardLines(data: Uint8Array, length: number): string[] {
  const bit = (byte: number, mask: number): number => (data[byte] & mask) / (mask & -mask);
  const { qualifier, type, vendor, product, revision } = readInquiry(data);
  const version = `version=0x${data[2].toString(16).padStart(2, "0")}  [${VERSIONS[data[2] & 0x07]}]`;
  const lines = [
    `standard INQUIRY:${QUALIFIERS[qualifier & 3]}`,
    `  PQual=${qualifier}  PDT=${type}  RMB=${bit(1, 0x80)}  LU_CONG=${bit(1, 0x40)}  hot_pluggable=${bit(1, 0x30)}  ${version}`,
    `  [AERC=${bit(3, 0x80)}]  [TrmTsk=${bit(3, 0x40)}]  NormACA=${bit(3, 0x20)}  HiSUP=${bit(3, 0x10)}  Resp_data_format=${bit(3, 0x0f)}`,
    `  SCCS=${bit(5, 0x80)}  ACC=${bit(5, 0x40)}  TPGS=${bit(5, 0x30)}  3PC=${bit(5, 0x08)}  Protect=${bit(5, 0x01)}  [BQue=${bit(6, 0x80)}]`,
    `  EncServ=${bit(6, 0x40)}  ${multiPort(bit(6, 0x10), bit(6, 0x20))}[MChngr=${bit(6, 0x08)}]  [ACKREQQ=${bit(6, 0x04)}]  Addr16=${bit(6, 0x01)}`,
    `  [RelAdr=${bit(7, 0x80)}]  WBus16=${bit(7, 0x20)}  Sync=${bit(7, 0x10)}  [Linked=${bit(7, 0x08)}]  [TranDis=${bit(7, 0x04)}]  CmdQue=${bit(7, 0x02)}`,
  ];
  if (data.length > 56) lines.push(`  [SPI: Clocking=0x${bit(56, 0x0c)}  QAS=${bit(56, 0x02)}  IUS=${bit(56, 0x01)}]`);
  lines.push(
    `    length=${length} (0x${length.toString(16)})   Peripheral device type: ${longTypeName(type)}`,
    ` Vendor identification: ${vendor}`,
    ` Product identification: ${product}`,
    ` Product revision level: ${revision}`,
  );
  return lines;
}

function multiPort(multiple: number, vendorSpecific: number): string {
  return multiple === 1 ? `MultiP=1 (VS=${vendorSpecific})  ` : "MultiP=0  ";
}

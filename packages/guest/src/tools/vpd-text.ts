// Knows how sg_inq 1.46 prints vital product data pages. Designators of page 83h are in designator-text.ts.

import { BlockCharacteristics, BlockLimits, PageHeader, padded } from "../layouts.js";
import { designatorLines } from "./designator-text.js";
import { asciiText, hexLines } from "./hex.js";

interface PageRow {
  /** sg3_utils' abbreviation, for --page. */
  readonly short: string;
  /** In the list of supported pages. */
  readonly listed: string;
  /** Above the page, and how its bytes are shown; absent where only hex is. */
  readonly title?: string;
  readonly lines?: (page: Uint8Array) => string[];
}

/** Pages by code. */
const PAGES = new Map<number, PageRow>([
  [0x00, { short: "sv", listed: "Supported VPD pages", title: "Supported VPD pages page", lines: supportedPages }],
  [0x80, { short: "sn", listed: "Unit serial number", title: "Unit serial number page", lines: serialPage }],
  [0x83, { short: "di", listed: "Device identification", title: "Device Identification page", lines: designatorLines }],
  [0xb0, { short: "bl", listed: "Block limits (sbc2)", title: "Block limits page (SBC)", lines: blockLimits }],
  [
    0xb1,
    {
      short: "bdc",
      listed: "Block device characteristics (sbc3)",
      title: "Block device characteristics page (SBC)",
      lines: blockCharacteristics,
    },
  ],
  [0xb2, { short: "lbpv", listed: "Logical block provisioning (sbc3)" }],
]);

/** The page with this abbreviation; null when there is none. */
export function findPage(short: string): number | null {
  for (const [code, row] of PAGES) if (row.short === short) return code;
  return null;
}

/** All lines about one page. */
export function pageLines(code: number, page: Uint8Array): string[] {
  const { title, lines } = PAGES.get(code) ?? {};
  if (title !== undefined && lines !== undefined) return [`VPD INQUIRY: ${title}`, ...lines(page)];
  const hex = code.toString(16);
  return [
    ` Only hex output supported. The sg_vpd utility decodes the ${hex.toUpperCase()}h page.`,
    `VPD INQUIRY, page code=0x${hex.padStart(2, "0")}:`,
    ...hexLines(page),
  ];
}

/** The serial number in page 80h, without what a C string would not have. */
export function serialNumber(page: Uint8Array): string {
  const { length } = new PageHeader(page);
  return asciiText(page.subarray(PageHeader.size, PageHeader.size + length));
}

function supportedPages(page: Uint8Array): string[] {
  const codes = [...page.subarray(PageHeader.size)];
  return [
    "   Supported VPD pages:",
    ...codes.map((code) => `     0x${code.toString(16)}\t${PAGES.get(code)?.listed ?? ""}`),
  ];
}

function serialPage(page: Uint8Array): string[] {
  return [`  Unit serial number: ${serialNumber(page)}`];
}

/** SBC-3 6.6.4. */
function blockLimits(page: Uint8Array): string[] {
  const limits = new BlockLimits(padded(page, BlockLimits.size));
  const blocks = (value: number, zero: string): string => `${value} blocks${value === 0 ? ` [${zero}]` : ""}`;
  const unmap = (value: number): string => {
    if (value === 0) return "0 [Unmap command not implemented]";
    return value === 0xffff_ffff ? "-1 [unbounded]" : String(value);
  };
  const or = (value: number, zero: string): string => (value === 0 ? `0 [${zero}` : String(value));
  const aligned = limits.unmapAlignment >= 0x8000_0000;
  const alignment = aligned ? String(limits.unmapAlignment - 0x8000_0000) : "0 [invalid]";
  const same = limits.maximumWriteSameHigh * 0x1_0000_0000 + limits.maximumWriteSameLow;
  return [
    `Maximum compare and write length: ${blocks(limits.maximumCompareAndWrite, "Command not implemented")}`,
    `Optimal transfer length granularity: ${blocks(limits.optimalGranularity, "not reported")}`,
    `Maximum transfer length: ${blocks(limits.maximumTransfer, "not reported")}`,
    `Optimal transfer length: ${blocks(limits.optimalTransfer, "not reported")}`,
    `Maximum prefetch transfer length: ${blocks(limits.maximumPrefetch, "ignored")}`,
    `Maximum unmap LBA count: ${unmap(limits.maximumUnmapBlocks)}`,
    `Maximum unmap block descriptor count: ${unmap(limits.maximumUnmapDescriptors)}`,
    `Optimal unmap granularity: ${blocks(limits.unmapGranularity, "not reported")}`,
    `Unmap granularity alignment valid: ${aligned}`,
    `Unmap granularity alignment: ${alignment}`,
    `Maximum write same length: ${same === 0 ? "0 blocks [not reported]" : `0x${same.toString(16)} blocks`}`,
    `Maximum atomic transfer length: ${blocks(limits.maximumAtomicTransfer, "not reported")}`,
    `Atomic alignment: ${or(limits.atomicAlignment, "unaligned atomic writes permitted]")}`,
    // The bracket is missing in the original, too.
    `Atomic transfer length granularity: ${or(limits.atomicGranularity, "no granularity requirement")}`,
    `Maximum atomic transfer length with atomic boundary: ${blocks(limits.maximumAtomicWithBoundary, "not reported")}`,
    `Maximum atomic boundary size: ${blocks(limits.maximumAtomicBoundary, "can only write atomic 1 block")}`,
  ].map((line) => `  ${line}`);
}

const FORM_FACTORS = [
  "is not reported",
  "5.25 inches",
  "3.5 inches",
  "2.5 inches",
  "1.8 inches",
  "less then 1.8 inches",
];
const ZONED = ["", "  [host-aware]", "  [host-managed]", ""];

/** SBC-4 6.6.2. */
function blockCharacteristics(page: Uint8Array): string[] {
  const { rotationRate, productType, formFactor, flags, depopulationTime } = new BlockCharacteristics(
    padded(page, BlockCharacteristics.size),
  );
  const zoned = (flags >> 4) & 3;
  return [
    rotationText(rotationRate),
    `Product type=${productType}`,
    `WABEREQ=${formFactor >> 6}`,
    `WACEREQ=${(formFactor >> 4) & 3}`,
    `Nominal form factor ${FORM_FACTORS[formFactor & 0x0f] ?? `reserved [0x${(formFactor & 0x0f).toString(16)}]`}`,
    `ZONED=${zoned}${ZONED[zoned]}`,
    // Two when it is set: the original prints the bit where it is.
    `FUAB=${flags & 0x02}`,
    `VBULS=${flags & 0x01}`,
    `DEPOPULATION_TIME=${depopulationTime} (seconds)`,
  ].map((line) => `  ${line}`);
}

function rotationText(rate: number): string {
  if (rate === 0) return "Medium rotation rate is not reported";
  if (rate === 1) return "Non-rotating medium (e.g. solid state)";
  return rate < 0x401 || rate === 0xffff ? `Reserved [0x${rate.toString(16)}]` : `Nominal rotation rate: ${rate} rpm`;
}

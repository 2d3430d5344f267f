// Knows how sg_inq 1.46 prints the designation descriptors of VPD page 83h (SPC-4 7.8.6).

import { hexDigits } from "@pvscsi/wire";
import { asciiText, hexLines } from "./hex.js";

const CODE_SETS = ["Reserved [0x0]", "Binary", "ASCII", "UTF-8"];
const ASSOCIATIONS = [
  "Addressed logical unit",
  "Target port",
  "Target device that contains addressed lu",
  "Reserved [0x3]",
];
const PROTOCOLS = [
  "Fibre Channel Protocol for SCSI (FCP-4)",
  "SCSI Parallel Interface (SPI-5)",
  "Serial Storage Architecture SCSI-3 Protocol (SSA-S3P)",
  "Serial Bus Protocol for IEEE 1394 (SBP-3)",
  "SCSI RDMA Protocol (SRP)",
  "Internet SCSI (iSCSI)",
  "Serial Attached SCSI Protocol (SPL-4)",
  "Automation/Drive Interface Transport (ADT-2)",
  "AT Attachment Interface (ACS-2)",
  "USB Attached SCSI (UAS-2)",
];

interface DesignatorRow {
  readonly name: string;
  readonly lines: (bytes: Uint8Array) => string[];
}

/** By designator type. */
const DESIGNATORS: readonly DesignatorRow[] = [
  { name: "vendor specific [0x0]", lines: (bytes) => [`vendor specific: ${asciiText(bytes)}`] },
  { name: "T10 vendor identification", lines: vendorIdentification },
  { name: "EUI-64 based", lines: extendedIdentifier },
  { name: "NAA", lines: nameAddressAuthority },
  { name: "Relative target port", lines: (bytes) => [`Relative target port: 0x${numberText(bytes.subarray(2))}`] },
  { name: "Target port group", lines: (bytes) => [`Target port group: 0x${numberText(bytes.subarray(2))}`] },
  { name: "Logical unit group", lines: (bytes) => [`Logical unit group: 0x${numberText(bytes.subarray(2))}`] },
  { name: "MD5 logical unit identifier", lines: (bytes) => ["MD5 logical unit identifier:", ...hexLines(bytes)] },
  { name: "SCSI name string", lines: (bytes) => ["SCSI name string:", asciiText(bytes)] },
];

const PAGE_HEADER = 4;
const DESCRIPTOR_HEADER = 4;

/** All descriptors of page 83h; one that does not end within the page ends the list. */
export function designatorLines(page: Uint8Array): string[] {
  const lines: string[] = [];
  let number = 1;
  for (let at = PAGE_HEADER; at + DESCRIPTOR_HEADER <= page.length; number++) {
    const end = at + DESCRIPTOR_HEADER + page[at + 3];
    if (end > page.length)
      return [...lines, "  VPD page error: designator length longer than", "     remaining response length"];
    lines.push(...descriptorLines(number, page.subarray(at, end)));
    at = end;
  }
  return lines;
}

function descriptorLines(number: number, descriptor: Uint8Array): string[] {
  const [codes, types] = descriptor;
  const row = DESIGNATORS[types & 0x0f];
  const bytes = descriptor.subarray(DESCRIPTOR_HEADER);
  const name = row?.name ?? `reserved [0x${(types & 0x0f).toString(16)}]`;
  const set = CODE_SETS[codes & 0x0f] ?? `Reserved [0x${(codes & 0x0f).toString(16)}]`;
  const association = (types >> 4) & 3;
  const lines = [`  Designation descriptor number ${number}, descriptor length: ${descriptor.length}`];
  if (types & 0x80 && association !== 0) {
    lines.push(`    transport: ${PROTOCOLS[codes >> 4] ?? `protocol identifier=0x${(codes >> 4).toString(16)}`}`);
  }
  lines.push(`    designator_type: ${name},  code_set: ${set}`, `    associated with the ${ASSOCIATIONS[association]}`);
  const said = row?.lines(bytes) ?? hexLines(bytes);
  // A dump of bytes is not indented.
  return [...lines, ...said.map((line) => (/^([0-9a-f]{2} ){7}/.test(line) ? line : `      ${line}`))];
}

function vendorIdentification(bytes: Uint8Array): string[] {
  const lines = [`vendor id: ${asciiText(bytes.subarray(0, 8))}`];
  if (bytes.length > 8) lines.push(`vendor specific: ${asciiText(bytes.subarray(8))}`);
  return lines;
}

/** Bytes as one number in hex, without leading zeros. */
function numberText(bytes: Uint8Array): string {
  return hexDigits(bytes).replace(/^0+(?=.)/, "");
}

/** Hex digits [from, to) as a number in hex. */
function field(bytes: Uint8Array, from: number, to: number): string {
  return `0x${hexDigits(bytes)
    .slice(from, to)
    .replace(/^0+(?=.)/, "")}`;
}

function extendedIdentifier(bytes: Uint8Array): string[] {
  const lines = [`EUI-64 based ${bytes.length} byte identifier`];
  const start = bytes.length === 16 ? 16 : 0;
  if (start > 0) lines.push(`Identifier extension: ${field(bytes, 0, 16)}`);
  lines.push(`IEEE Company_id: ${field(bytes, start, start + 6)}`);
  // Five bytes; the original reads a sixth, which is another field's or nobody's.
  lines.push(`Vendor Specific Extension Identifier: ${field(bytes, start + 6, start + 16)}`);
  if (bytes.length === 12) lines.push(`Directory ID: ${field(bytes, 16, 24)}`);
  return [...lines, `[0x${hexDigits(bytes)}]`];
}

/** SPC-4 7.8.6.6. */
function nameAddressAuthority(bytes: Uint8Array): string[] {
  const whole = `[0x${hexDigits(bytes)}]`;
  switch (bytes[0] >> 4) {
    case 2:
      return [
        `NAA 2, vendor specific identifier A: ${field(bytes, 1, 4)}`,
        `IEEE Company_id: ${field(bytes, 4, 10)}`,
        `vendor specific identifier B: ${field(bytes, 10, 16)}`,
        whole,
      ];
    case 3:
      return ["NAA 3, Locally assigned:", whole];
    case 5:
      return [
        `NAA 5, IEEE Company_id: ${field(bytes, 1, 7)}`,
        `Vendor Specific Identifier: ${field(bytes, 7, 16)}`,
        whole,
      ];
    case 6:
      return [
        `NAA 6, IEEE Company_id: ${field(bytes, 1, 7)}`,
        `Vendor Specific Identifier: ${field(bytes, 7, 16)}`,
        `Vendor Specific Identifier Extension: ${field(bytes, 16, 32)}`,
        whole,
      ];
    default:
      return [`NAA ${bytes[0] >> 4}, unexpected`, whole];
  }
}

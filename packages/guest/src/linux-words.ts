// Knows the names Linux prints for numbers of SCSI: device types, host bytes, operation codes, sense.
// Knows no device and no line; report.ts puts lines together.

import { additionalSenseText, COMMANDS, type DecodedSense, HostByte, senseKeyName } from "@pvscsi/scsi";
import { hexBytes } from "@pvscsi/wire";

/** Peripheral device types: as the kernel pads them in its log, as lsscsi shortens them, and as sg_inq says. */
type TypeNames = readonly [kernel: string, lsscsi: string, sgInq: string];

const DEVICE_TYPES = new Map<number, TypeNames>([
  [0x00, ["Direct-Access    ", "disk", "disk"]],
  [0x01, ["Sequential-Access", "tape", "tape"]],
  [0x02, ["Printer          ", "printer", "printer"]],
  [0x03, ["Processor        ", "process", "processor"]],
  [0x04, ["WORM             ", "worm", "write once optical disk"]],
  [0x05, ["CD-ROM           ", "cd/dvd", "cd/dvd"]],
  [0x06, ["Scanner          ", "scanner", "scanner"]],
  [0x07, ["Optical Device   ", "optical", "optical memory device"]],
  [0x08, ["Medium Changer   ", "mediumx", "medium changer"]],
  [0x09, ["Communications   ", "comms", "communications"]],
  [0x0a, ["ASC IT8          ", "(0xa)", "graphics [0xa]"]],
  [0x0b, ["ASC IT8          ", "(0xb)", "graphics [0xb]"]],
  [0x0c, ["RAID             ", "storage", "storage array controller"]],
  [0x0d, ["Enclosure        ", "enclosu", "enclosure services device"]],
  [0x0e, ["Direct-Access-RBC", "sim dsk", "simplified direct access device"]],
  [0x0f, ["Optical card     ", "opti rd", "optical card reader/writer device"]],
  [0x10, ["Bridge controller", "bridge", "bridge controller commands"]],
  [0x11, ["Object storage   ", "osd", "object based storage"]],
  [0x12, ["Automation/Drive ", "adi", "automation/driver interface"]],
  [0x13, ["Security Manager ", "sec man", "security manager device"]],
  [0x14, ["Direct-Access-ZBC", "zbc", "host managed zoned block"]],
  [0x1e, ["Well-known LUN   ", "wlun", "well known logical unit"]],
  [0x1f, ["No Device        ", "no dev", "unknown or no device type"]],
]);

export function kernelTypeName(type: number): string {
  return DEVICE_TYPES.get(type)?.[0] ?? "Unknown          ";
}

export function shortTypeName(type: number): string {
  return DEVICE_TYPES.get(type)?.[1] ?? `(0x${type.toString(16)})`;
}

export function longTypeName(type: number): string {
  return DEVICE_TYPES.get(type)?.[2] ?? `0x${type.toString(16)}`;
}

const HOST_BYTE_NAMES: { readonly [Name in keyof typeof HostByte]: string } = {
  ok: "DID_OK",
  noConnect: "DID_NO_CONNECT",
  busBusy: "DID_BUS_BUSY",
  timeOut: "DID_TIME_OUT",
  badTarget: "DID_BAD_TARGET",
  abort: "DID_ABORT",
  parity: "DID_PARITY",
  error: "DID_ERROR",
  reset: "DID_RESET",
  badInterrupt: "DID_BAD_INTR",
  passThrough: "DID_PASSTHROUGH",
  softError: "DID_SOFT_ERROR",
  immediateRetry: "DID_IMM_RETRY",
  requeue: "DID_REQUEUE",
  transportDisrupted: "DID_TRANSPORT_DISRUPTED",
  transportFailFast: "DID_TRANSPORT_FAILFAST",
  targetFailure: "DID_TARGET_FAILURE",
  nexusFailure: "DID_NEXUS_FAILURE",
  allocationFailure: "DID_ALLOC_FAILURE",
  mediumError: "DID_MEDIUM_ERROR",
  transportMarginal: "DID_TRANSPORT_MARGINAL",
};

const HOST_BYTE_BY_NUMBER = new Map(
  Object.entries(HostByte).map(([name, value]) => [value as number, HOST_BYTE_NAMES[name as keyof typeof HostByte]]),
);

/** `DID_OK`, or the number for one that has no name. */
export function hostByteName(hostByte: number): string {
  return HOST_BYTE_BY_NUMBER.get(hostByte) ?? `0x${hostByte.toString(16).padStart(2, "0")}`;
}

/** Linux's own spelling of the operation codes that its disk driver sends. */
const OPCODE_NAMES = new Map<number, string>([
  [COMMANDS.read10.opcode, "Read(10)"],
  [COMMANDS.write10.opcode, "Write(10)"],
  [COMMANDS.read16.opcode, "Read(16)"],
  [COMMANDS.write16.opcode, "Write(16)"],
  [COMMANDS.synchronizeCache10.opcode, "Synchronize Cache(10)"],
  [COMMANDS.unmap.opcode, "Unmap/Read sub-channel"],
  [COMMANDS.writeSame10.opcode, "Write same(10)"],
  [COMMANDS.writeSame16.opcode, "Write same(16)"],
]);

/** `Read(10) 28 00 ...`. */
export function cdbText(cdb: Uint8Array): string {
  const name = OPCODE_NAMES.get(cdb[0]) ?? `opcode=0x${cdb[0].toString(16)}`;
  return `${name} ${hexBytes(cdb)}`;
}

/** `Sense Key : Medium Error [current] `, with the blank at its end that Linux leaves there. */
export function senseKeyLine({ key, deferred, format }: DecodedSense): string {
  const about = deferred ? "[deferred] " : "[current] ";
  return `Sense Key : ${senseKeyName(key)} ${about}${format === "descriptor" ? "[descriptor] " : ""}`;
}

/** `Add. Sense: Unrecovered read error`, or the codes where there is no name. */
export function additionalSenseLine({ asc, ascq }: DecodedSense): string {
  const text = additionalSenseText(asc, ascq);
  if (text !== null) return `Add. Sense: ${text}`;
  const vendor = (code: number): string => (code >= 0x80 ? "<<vendor>>" : "");
  return `Add. Sense: ${vendor(asc)}ASC=0x${asc.toString(16)} ${vendor(ascq)}ASCQ=0x${ascq.toString(16)} `;
}

// Knows sg_raw: any CDB to any device, and the answer as sg_raw 1.46 prints it.

import { HostByte, MAX_CDB, SenseKey, Status } from "@pvscsi/scsi";
import type { Outcome } from "../pass-through.js";
import { sgHexDump } from "./hex.js";
import { readNumber } from "./numbers.js";
import { type OptionRow, optionUsage, parseOptions } from "./options.js";
import { NO_SG_IO, openCommands } from "./sg-device.js";
import { EXIT, exitStatus, senseLines, sgStatusName, transportLines } from "./sg-status.js";
import { print, type Tool, type ToolContext, type ToolResult } from "./tool.js";

const OPTIONS: readonly OptionRow[] = [
  { long: "infile", short: "i", value: "IFILE" },
  { long: "nosense", short: "n", value: null },
  { long: "request", short: "r", value: "RLEN" },
  { long: "send", short: "s", value: "SLEN" },
  { long: "timeout", short: "t", value: "SECS" },
];
const USAGE = `${optionUsage(OPTIONS)} DEVICE CDB0 CDB1 ...`;
const DEFAULT_TIMEOUT = 20;
const SHORTEST_CDB = 6;

export const sgRaw: Tool = {
  usage: USAGE,
  summary: "sends one SCSI command",
  async run(context, words) {
    const plan = readPlan(words);
    if (typeof plan === "string") return print([plan, `Usage: sg_raw ${USAGE}`], EXIT.syntax);
    const path = openCommands(context.guest, plan.device, {
      absent: plan.device,
      noCommands: [`do_scsi_pt: ${NO_SG_IO}`],
    });
    if ("output" in path) return path;
    if (Math.max(plan.receive, plan.send) > path.maxTransfer || plan.cdb.length > path.maxCdb) {
      return print(["do_scsi_pt: Invalid argument"], EXIT.other);
    }
    const send = plan.send > 0 ? await readInput(context, plan) : new Uint8Array(0);
    if (typeof send === "string") return print([send], EXIT.other);
    const { receive, timeout } = plan;
    return report(await path.send(plan.cdb, { receive, send, timeout }), plan);
  },
};

interface Plan {
  readonly device: string;
  readonly cdb: Uint8Array;
  readonly receive: number;
  readonly send: number;
  readonly input: string | null;
  /** Milliseconds. */
  readonly timeout: number;
  readonly showSense: boolean;
}

function readPlan(words: readonly string[]): Plan | string {
  const parsed = parseOptions("sg_raw", OPTIONS, words);
  if (typeof parsed === "string") return parsed;
  const { values, rest } = parsed;
  const [device, ...bytes] = rest;
  if (device === undefined) return "No device specified";
  const numbers = { request: 0, send: 0, timeout: DEFAULT_TIMEOUT };
  for (const name of ["request", "send", "timeout"] as const) {
    const value = readNumber(values.get(name) ?? String(numbers[name]));
    if (value === null) return `Invalid argument to '--${name}'`;
    numbers[name] = value;
  }
  const wrong = bytes.find((byte) => !/^(0x)?[0-9a-f]{1,2}$/i.test(byte));
  if (wrong !== undefined) return `Invalid command byte '${wrong}'`;
  if (bytes.length < SHORTEST_CDB) return `CDB too short (min. ${SHORTEST_CDB} bytes)`;
  if (bytes.length > MAX_CDB) return `CDB too long (max. ${MAX_CDB} bytes)`;
  if (numbers.request > 0 && numbers.send > 0) return "Bidirectional commands are not supported";
  return {
    device,
    cdb: Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)),
    receive: numbers.request,
    send: numbers.send,
    input: values.get("infile") ?? null,
    timeout: numbers.timeout * 1000,
    showSense: !values.has("nosense"),
  };
}

/** All of the data to be sent, or what is wrong with the file. */
async function readInput({ files }: ToolContext, { input, send }: Plan): Promise<Uint8Array | string> {
  const file = await files.open(input, "read", null);
  if (typeof file === "string") return `${input ?? "standard input"}: ${file}`;
  const bytes = new Uint8Array(send);
  let done = 0;
  while (done < send) {
    const count = await file.read(bytes.subarray(done), done);
    if (typeof count === "string") return `${input ?? "standard input"}: ${count}`;
    if (count === 0) break;
    done += count;
  }
  await file.close();
  return done === send ? bytes : `EOF on input file/stream at buffer offset ${done}`;
}

function report(outcome: Outcome, { receive, showSense }: Plan): ToolResult {
  const status = exitStatus(outcome);
  const lines: string[] = [];
  if (outcome.hostByte !== HostByte.ok) {
    const [first, ...others] = transportLines(outcome);
    lines.push(`>>> transport error: ${first}`, ...others);
  } else if (!outcome.good && outcome.status !== Status.checkCondition) {
    lines.push(">>> unknown pass through result category (1)");
  }
  lines.push(`SCSI Status: ${sgStatusName(outcome.status)} `, "");
  if (outcome.status === Status.checkCondition && showSense) {
    if (outcome.sense === null) lines.push(">>> Strange: status is CHECK CONDITION but no Sense Information");
    else lines.push("Sense Information:", ...senseLines(outcome), "");
  }
  if (receive > 0) lines.push(...dataLines(outcome, status));
  return print(lines, status);
}

/** Recovered errors and no sense at all leave the data good. */
function mild({ sense }: Outcome): boolean {
  return sense !== null && sense.key <= SenseKey.recoveredError;
}

function dataLines(outcome: Outcome, status: number): string[] {
  if (status !== 0 && !mild(outcome)) return [`Error ${status} occurred, no data received`];
  if (outcome.data.length === 0) return ["No data received"];
  return [`Received ${outcome.data.length} bytes of data:`, ...sgHexDump(outcome.data)];
}

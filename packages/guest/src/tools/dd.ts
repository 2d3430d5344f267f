// Knows dd: its operands, how it copies, and the lines of GNU dd 9.1. Where bytes come from, it is given.

import type { Clock } from "@pvscsi/wire";
import { byteCountText, rateText, secondsText } from "./dd-text.js";
import { type FileAccess, type Files, guestFiles, type OpenFile } from "./files.js";
import { readNumber } from "./numbers.js";
import { print, type Tool, type ToolResult } from "./tool.js";

/** What dd was asked for. */
interface Plan {
  if: string | null;
  of: string | null;
  bs: number;
  count: number | null;
  skip: number;
  seek: number;
  iflag: readonly string[];
  oflag: readonly string[];
  conv: readonly string[];
  status: "default" | "none" | "noxfer";
}

const DEFAULT_BLOCK = 512;
/** Bytes of the largest block: it is held in memory. */
const LARGEST_BLOCK = 1 << 30;
const SECTOR = 512;
const TRY_HELP = "Try 'dd --help' for more information.";

type Reader = (plan: Plan, value: string) => string | null;

/** Reads one operand into the plan; the answer is what is wrong. */
const number =
  (name: "bs" | "count" | "skip" | "seek", least: number): Reader =>
  (plan, value) => {
    const read = readNumber(value);
    if (read === null || read < least || (name === "bs" && read > LARGEST_BLOCK)) return `invalid number: '${value}'`;
    plan[name] = read;
    return null;
  };

const words =
  (name: "iflag" | "oflag" | "conv", what: string, known: readonly string[]): Reader =>
  (plan, value) => {
    const list = value.split(",");
    const unknown = list.find((word) => !known.includes(word));
    if (unknown !== undefined) return `invalid ${what}: '${unknown}'\n${TRY_HELP}`;
    plan[name] = list;
    return null;
  };

const path =
  (name: "if" | "of"): Reader =>
  (plan, value) => {
    plan[name] = value;
    return null;
  };

/** The operands: the parser's table, and what the usage line shows. */
const OPERANDS: { readonly [name: string]: { readonly value: string; readonly read: Reader } } = {
  if: { value: "FILE", read: path("if") },
  of: { value: "FILE", read: path("of") },
  bs: { value: "BYTES", read: number("bs", 1) },
  count: { value: "N", read: number("count", 0) },
  skip: { value: "N", read: number("skip", 0) },
  seek: { value: "N", read: number("seek", 0) },
  iflag: { value: "direct,fullblock", read: words("iflag", "input flag", ["direct", "fullblock"]) },
  oflag: { value: "direct,dsync,sync", read: words("oflag", "output flag", ["direct", "dsync", "sync"]) },
  conv: { value: "fsync,fdatasync,notrunc", read: words("conv", "conversion", ["fsync", "fdatasync", "notrunc"]) },
  status: { value: "none|noxfer", read: readStatus },
};

function readStatus(plan: Plan, value: string): string | null {
  if (value !== "none" && value !== "noxfer") return `invalid status level: '${value}'\n${TRY_HELP}`;
  plan.status = value;
  return null;
}

export const dd: Tool = {
  usage: Object.entries(OPERANDS)
    .map(([name, { value }]) => `[${name}=${value}]`)
    .join(" "),
  summary: "copies between disks and files",
  async run({ guest, files }, operands) {
    const plan = readPlan(operands);
    if (typeof plan === "string") return print([`dd: ${plan}`], 1);
    return new Copy(plan, guestFiles(guest, files), guest.clock).run();
  },
};

function readPlan(operands: readonly string[]): Plan | string {
  const plan: Plan = {
    if: null,
    of: null,
    bs: DEFAULT_BLOCK,
    count: null,
    skip: 0,
    seek: 0,
    iflag: [],
    oflag: [],
    conv: [],
    status: "default",
  };
  for (const operand of operands) {
    const equals = operand.indexOf("=");
    const name = operand.slice(0, Math.max(0, equals));
    if (!Object.hasOwn(OPERANDS, name)) return `unrecognized operand '${operand}'\n${TRY_HELP}`;
    const wrong = OPERANDS[name].read(plan, operand.slice(equals + 1));
    if (wrong !== null) return wrong;
  }
  return plan;
}

/** Whole and partial blocks. */
class Records {
  whole = 0;
  partial = 0;

  count(bytes: number, blockSize: number): void {
    if (bytes === blockSize) this.whole += 1;
    else if (bytes > 0) this.partial += 1;
  }

  toString(): string {
    return `${this.whole}+${this.partial}`;
  }
}

class Copy {
  readonly #plan: Plan;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #in = new Records();
  readonly #out = new Records();
  #bytes = 0;
  readonly #lines: string[] = [];

  constructor(plan: Plan, files: Files, clock: Clock) {
    this.#plan = plan;
    this.#files = files;
    this.#clock = clock;
  }

  async run(): Promise<ToolResult> {
    const plan = this.#plan;
    const input = await this.#open(plan.if, "read", null, "standard input");
    if (input === null) return print(this.#lines, 1);
    const cut = plan.conv.includes("notrunc") ? null : plan.seek * plan.bs;
    const output = await this.#open(plan.of, "write", cut, "standard output");
    if (output === null) {
      await input.close();
      return print(this.#lines, 1);
    }
    const begun = this.#clock.now();
    const copied = (await this.#copy(input, output)) && (await this.#synchronize(output));
    await input.close();
    await output.close();
    this.#summarize((this.#clock.now() - begun) / 1000);
    return print(this.#lines, copied ? 0 : 1);
  }

  async #open(path: string | null, access: FileAccess, cut: number | null, standard: string): Promise<OpenFile | null> {
    const file = await this.#files.open(path, access, cut);
    if (typeof file !== "string") return file;
    this.#lines.push(`dd: failed to open '${path ?? standard}': ${file}`);
    return null;
  }

  #fail(what: string, path: string | null, standard: string, reason: string): false {
    this.#lines.push(`dd: ${what} '${path ?? standard}': ${reason}`);
    return false;
  }

  /** Block by block, until the input ends, the count is reached, or one side fails. */
  async #copy(input: OpenFile, output: OpenFile): Promise<boolean> {
    const { bs, count, skip, seek, iflag, oflag } = this.#plan;
    const block = new Uint8Array(bs);
    // Direct I/O moves whole sectors only.
    const direct = bs % SECTOR !== 0;
    for (let n = 0; count === null || n < count; n++) {
      const from = this.#plan.if;
      const refused = direct && iflag.includes("direct");
      const read = refused ? "Invalid argument" : await fill(input, block, skip * bs + this.#readBytes(n));
      if (typeof read === "string") return this.#fail("error reading", from, "standard input", read);
      if (read === 0) return true;
      this.#in.count(read, bs);
      const misfit = oflag.includes("direct") && read % SECTOR !== 0;
      const wrong = misfit
        ? "Invalid argument"
        : await this.#write(output, block.subarray(0, read), seek * bs + this.#bytes);
      if (wrong !== null) return this.#fail("error writing", this.#plan.of, "standard output", wrong);
      if (read < bs) return true;
    }
    return true;
  }

  #readBytes(blocks: number): number {
    return blocks * this.#plan.bs;
  }

  async #write(output: OpenFile, bytes: Uint8Array, offset: number): Promise<string | null> {
    const { bs, oflag } = this.#plan;
    let done = 0;
    while (done < bytes.length) {
      const written = await output.write(bytes.subarray(done), offset + done);
      if (typeof written === "string") {
        this.#bytes += done;
        this.#out.count(done, bs);
        return written;
      }
      done += written;
    }
    this.#bytes += done;
    this.#out.count(done, bs);
    return oflag.includes("dsync") || oflag.includes("sync") ? output.sync() : null;
  }

  async #synchronize(output: OpenFile): Promise<boolean> {
    const { conv, of } = this.#plan;
    const call = conv.includes("fdatasync") ? "fdatasync" : conv.includes("fsync") ? "fsync" : null;
    if (call === null) return true;
    const reason = await output.sync();
    return reason === null || this.#fail(`${call} failed for`, of, "standard output", reason);
  }

  #summarize(seconds: number): void {
    const { status } = this.#plan;
    if (status === "none") return;
    this.#lines.push(`${this.#in} records in`, `${this.#out} records out`);
    if (status === "noxfer") return;
    this.#lines.push(
      `${byteCountText(this.#bytes)} copied, ${secondsText(seconds)} s, ${rateText(this.#bytes, seconds)}`,
    );
  }
}

/** Reads until the block is full or the file ends; an error after some bytes comes with the next block. */
async function fill(file: OpenFile, block: Uint8Array, offset: number): Promise<number | string> {
  let done = 0;
  while (done < block.length) {
    const read = await file.read(block.subarray(done), offset + done);
    if (typeof read === "string") return done > 0 ? done : read;
    if (read === 0) break;
    done += read;
  }
  return done;
}

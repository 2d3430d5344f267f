// Knows one of those who share a disk, and by which programs it is asked: the domU's own commands, or sg3_utils in a guest of QEMU.

import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { MAIN } from "../../support/repository.js";
import type { Guest } from "../qemu/guest.js";
import type { SuiteContext } from "../suite.js";

/** Service actions of PERSISTENT RESERVE OUT (SPC-4 table 215). */
export const ACTION = { register: 0, reserve: 1, release: 2, clear: 3, preempt: 4, preemptAndAbort: 5 } as const;
export type Action = keyof typeof ACTION;

/** What sg3_utils end with, ours as well. */
export const EXIT = { good: 0, unitAttention: 6, reservationConflict: 24 } as const;

export interface Change {
  /** The key it is registered under; 0 where it is not yet. */
  readonly key: number;
  readonly serviceKey?: number;
  readonly type?: number;
}

export interface Party {
  readonly name: string;
  /** PERSISTENT RESERVE OUT; gives the exit status. */
  change(action: Action, change: Change): Promise<number>;
  /** Reads block 8; gives the exit status. */
  read(): Promise<number>;
  /** Writes block 8 with zeros; gives the exit status. */
  write(): Promise<number>;
  /** TEST UNIT READY, until it ends with GOOD: the additional sense that was told meanwhile, in words. */
  told(): Promise<string[]>;
  /** Bytes of the disk, by READ CAPACITY(10). */
  size(): Promise<number>;
  /** How often its kernel has logged that the capacity has changed. */
  logged(): Promise<number>;
  /** The SHA-256 of the first bytes of the disk. */
  sum(mebibytes: number): Promise<string>;
  /** Fills the first bytes with what nobody has written before. */
  fill(mebibytes: number): Promise<void>;
}

/** As sg_persist has them. */
const WORDS: { readonly [action in Action]: string } = {
  register: "--register",
  reserve: "--reserve",
  release: "--release",
  clear: "--clear",
  preempt: "--preempt",
  preemptAndAbort: "--preempt-abort",
};
/** The domU's only one. */
const DISK = "/dev/sda";
const MIB = 1024 * 1024;
const READ = "28 00 00 00 00 08 00 00 01 00";
const WRITE = "2a 00 00 00 00 08 00 00 01 00";
const READ_CAPACITY = "25 00 00 00 00 00 00 00 00 00";
/** What kernels log for the unit attention, ours as Linux. */
const CHANGED = "Capacity data has changed";
const TEST_UNIT_READY = "00 00 00 00 00 00";
const BLOCK = 512;
/** Unit attentions that one may owe. */
const MOST = 8;

interface Ended {
  readonly status: number | string;
  readonly output: string;
  readonly errors: string;
}

/** What is common to both: everything is asked by sg_raw, whose words and texts are the same for the domU's. */
abstract class RawParty implements Party {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  abstract change(action: Action, change: Change): Promise<number>;
  abstract sum(mebibytes: number): Promise<string>;
  abstract fill(mebibytes: number): Promise<void>;
  protected abstract raw(options: readonly string[], cdb: string): Promise<Ended>;
  /** What its kernel has logged. */
  protected abstract log(): Promise<string>;
  /** A file with a block of zeros, where its sg_raw finds it. */
  protected abstract zeros(): Promise<string>;

  async read(): Promise<number> {
    return exitOf(await this.raw([`--request=${BLOCK}`], READ));
  }

  async write(): Promise<number> {
    return exitOf(await this.raw([`--send=${BLOCK}`, `--infile=${await this.zeros()}`], WRITE));
  }

  async size(): Promise<number> {
    const { status, output, errors } = await this.raw(["--request=8"], READ_CAPACITY);
    // sg_raw prints what it received on standard error.
    const digits = /^ ?00 +((?:[0-9a-f]{2} +){8})/m.exec(`${output}\n${errors}`)?.[1].replaceAll(" ", "");
    if (digits === undefined) throw new Error(`READ CAPACITY ended with ${status}: ${output}${errors}`);
    return (Number.parseInt(digits.slice(0, 8), 16) + 1) * Number.parseInt(digits.slice(8), 16);
  }

  async logged(): Promise<number> {
    return (await this.log()).split("\n").filter((line) => line.includes(CHANGED)).length;
  }

  async told(): Promise<string[]> {
    const heard: string[] = [];
    for (let i = 0; i < MOST; i++) {
      const ended = await this.raw([], TEST_UNIT_READY);
      if (exitOf(ended) === EXIT.good) return heard;
      heard.push(/Additional sense: (.*)/.exec(`${ended.output}${ended.errors}`)?.[1] ?? `status ${ended.status}`);
    }
    throw new Error(`no end of ${heard.join(", ")}`);
  }
}

function exitOf({ status, errors }: Ended): number {
  if (typeof status === "number") return status;
  throw new Error(`${status}: ${errors.trim()}`);
}

/** A guest of the dom0, which is asked by the verb `guest`. */
export class DomainParty extends RawParty {
  readonly #context: SuiteContext;
  readonly #domain: string;

  constructor(context: SuiteContext, domain: string) {
    super("domU over PVSCSI");
    this.#context = context;
    this.#domain = domain;
  }

  async change(action: Action, { key, serviceKey = 0, type = 0 }: Change): Promise<number> {
    const list = Buffer.alloc(24);
    list.writeBigUInt64BE(BigInt(key), 0);
    list.writeBigUInt64BE(BigInt(serviceKey), 8);
    const file = this.#context.freshPath("parameters");
    await writeFile(file, list);
    const cdb = `5f ${ACTION[action].toString(16)} ${type.toString(16)} 00 00 00 00 00 18 00`;
    return exitOf(await this.raw([`--send=${list.length}`, `--infile=${file}`], cdb));
  }

  async sum(mebibytes: number): Promise<string> {
    const copy = this.#context.freshPath("copy");
    await this.#succeed("dd", `if=${DISK}`, `of=${copy}`, "bs=1M", `count=${mebibytes}`, "iflag=direct");
    return sumOf(await readFile(copy));
  }

  async fill(mebibytes: number): Promise<void> {
    const file = this.#context.freshPath("data");
    await writeFile(file, randomBytes(mebibytes * MIB));
    await this.#succeed("dd", `if=${file}`, `of=${DISK}`, "bs=1M", "oflag=direct", "conv=fsync");
  }

  protected raw(options: readonly string[], cdb: string): Promise<Ended> {
    return this.#ask("sg_raw", ...options, "/dev/sg0", ...cdb.split(" "));
  }

  protected async log(): Promise<string> {
    return (await this.#ask("dmesg")).output;
  }

  protected async zeros(): Promise<string> {
    const file = this.#context.path("zeros");
    await writeFile(file, new Uint8Array(BLOCK));
    return file;
  }

  #ask(...command: readonly string[]): Promise<Ended> {
    const state = ["--state", this.#context.path("state")];
    return this.#context.run(process.execPath, MAIN, "guest", ...state, this.#domain, "--", ...command);
  }

  async #succeed(...command: readonly string[]): Promise<void> {
    const { status, errors } = await this.#ask(...command);
    if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${errors.trim()}`);
  }
}

/** A device of a guest of QEMU, which is asked by sg3_utils in it. */
export class GuestParty extends RawParty {
  readonly #guest: Guest;
  readonly #disk: string;
  readonly #generic: string;

  constructor(name: string, guest: Guest, disk: string, generic: string) {
    super(name);
    this.#guest = guest;
    this.#disk = disk;
    this.#generic = generic;
  }

  async change(action: Action, { key, serviceKey = 0, type = 0 }: Change): Promise<number> {
    const keys = [`--param-rk=${key.toString(16)}`, `--param-sark=${serviceKey.toString(16)}`];
    const words = ["sg_persist --no-inquiry --out", WORDS[action], ...keys, `--prout-type=${type.toString(16)}`];
    return (await this.#guest.attempt(`${words.join(" ")} ${this.#generic}`)).status;
  }

  /** What READ FULL STATUS says, as sg_persist has it. */
  fullStatus(): Promise<string> {
    return this.#guest.run(`sg_persist --no-inquiry --in --read-full-status ${this.#generic}`);
  }

  async sum(mebibytes: number): Promise<string> {
    const output = await this.#guest.run(
      `dd if=${this.#disk} bs=1M count=${mebibytes} iflag=direct 2> /dev/null | sha256sum`,
    );
    return output.split(" ")[0];
  }

  async fill(mebibytes: number): Promise<void> {
    await this.#guest.run(
      `dd if=/dev/urandom of=${this.#disk} bs=1M count=${mebibytes} iflag=fullblock oflag=direct conv=fsync`,
    );
  }

  protected async raw(options: readonly string[], cdb: string): Promise<Ended> {
    const { status, output } = await this.#guest.attempt(`sg_raw ${options.join(" ")} ${this.#generic} ${cdb} 2>&1`);
    return { status, output, errors: "" };
  }

  protected log(): Promise<string> {
    return this.#guest.run("dmesg");
  }

  protected async zeros(): Promise<string> {
    return "/dev/zero";
  }
}

function sumOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

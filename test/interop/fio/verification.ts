// Knows what fio is asked to write, read back and verify, and how its report is read.

import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import { DISK_SIZE } from "./guest-disk.js";
import { type JudgedDisk, serveDisk } from "./served-disk.js";

/** The run that is to fail, at one flipped bit in so many writes. */
const FLIP_SECONDS = 10;
const FLIP_EVERY = 500;

/** Of fio's JSON, what is looked at. */
interface FioReport {
  readonly "fio version": string;
  readonly jobs: readonly [{ readonly error: number; readonly read: FioDirection; readonly write: FioDirection }];
}

interface FioDirection {
  readonly io_bytes: number;
  readonly iops: number;
  /** Bytes a second. */
  readonly bw_bytes: number;
  readonly total_ios: number;
}

export async function judgeContents(context: SuiteContext, disk: JudgedDisk, seconds: number): Promise<void> {
  await context.check(`random mix of 4 to 256 KiB at depth 16 for ${seconds} s of fio, every write verified`, () =>
    verifyContents(context, disk.uri, seconds, 1000),
  );
}

/** Blocks that fio writes before it reads them back. */
const BACKLOG = 256;

/** Runs fio, which must find all it wrote, at least so many times; gives its figures. */
export async function verifyContents(
  context: SuiteContext,
  uri: string,
  seconds: number,
  writes: number,
  backlog = BACKLOG,
): Promise<string> {
  const { status, errors, report } = await runFio(context, uri, seconds, backlog);
  expect(`${status}${errors}`, "fio's end").to.equal("0");
  const [{ error, read, write }] = report.jobs;
  expect(error).to.equal(0);
  expect(write.total_ios, "writes").to.be.above(writes);
  // Reads and writes are half and half; what is read beyond that is what was written, on its way to be verified.
  expect(read.io_bytes / write.io_bytes, "bytes read for each written").to.be.above(1.5);
  return `read ${figuresOf(read)}, write ${figuresOf(write)}`;
}

/** The judge is judged: it has to find what a spoiled disk does. */
export async function judgeNotice(context: SuiteContext): Promise<void> {
  await context.check(`fio must notice one flipped bit in ${FLIP_EVERY} writes`, async () => {
    const flipping = await serveDisk(context, "memory", FLIP_EVERY);
    const { status, errors } = await runFio(context, flipping.uri, FLIP_SECONDS);
    expect(status, "fio's status").not.to.equal(0);
    expect(errors).to.match(/verify/);
    await flipping.finish();
    return errors.trim().split("\n")[0];
  });
}

/** Reads and writes at random while it goes on reading back what it wrote, `backlog` blocks behind at most. */
async function runFio(context: SuiteContext, uri: string, seconds: number, backlog = BACKLOG) {
  const path = join(await mkdtemp(context.path("fio-")), "report.json");
  const words = {
    name: "guest",
    ioengine: "nbd",
    uri,
    rw: "randrw",
    bsrange: "4k-256k",
    iodepth: 16,
    size: DISK_SIZE,
    time_based: 1,
    runtime: seconds,
    randseed: 1,
    verify: "crc32c",
    verify_backlog: backlog,
    verify_fatal: 1,
    "output-format": "json",
    output: path,
  };
  const options = Object.entries(words).map(([name, value]) => `--${name}=${value}`);
  const { status, errors } = await context.run("fio", ...options);
  const text = await readFile(path, "utf8");
  const report: FioReport = JSON.parse(text.slice(text.indexOf("{")));
  return { status, errors, report };
}

function figuresOf({ iops, bw_bytes }: FioDirection): string {
  return `${Math.round(iops)} IOPS ${(bw_bytes / 1e6).toFixed(0)} MB/s`;
}

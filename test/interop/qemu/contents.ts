// Knows how a guest's disk is filled and read by programs of others: dd and md5sum, fio with sums in each block.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { expect } from "chai";
import type { Ended, Guest } from "./guest.js";

const MIB = 1024 * 1024;
const DEPTH = 32;
/** Seconds that a disk may take to be written and read once. */
const ONCE = 180;
/** MiB that are written slowly. */
const SLOW = 32;
const FIO = `fio --name=guest --direct=1 --ioengine=libaio --iodepth=${DEPTH} --verify=md5 --verify_fatal=1 --randseed=1`;
/** Blocks that fio writes before it goes back to read them. */
const BACKLOG = 256;
/** MiB that are spoiled, and the byte of them in which a bit is turned over. */
const SPOILED_MEBIBYTES = 8;
const SPOILED_BYTE = 5 * MIB + 1234;

/** Writes so many MiB at random, past the page cache, and gives their MD5 when it is that of what is read back. */
export async function copy(guest: Guest, disk: string, mebibytes: number): Promise<string> {
  const written = await guest.run(`
dd if=/dev/urandom of=/tmp/random bs=1M count=${mebibytes} 2> /dev/null
dd if=/tmp/random of=${disk} bs=256k oflag=direct conv=fsync 2> /dev/null || exit 1
md5sum < /tmp/random
rm /tmp/random`);
  expect(await sumOnDisk(guest, disk, mebibytes), "what was read is not what was written").to.equal(sumIn(written));
  return sumIn(written);
}

/** The MD5 of a disk's first MiB. */
export async function sumOnDisk(guest: Guest, disk: string, mebibytes: number): Promise<string> {
  const text = `dd if=${disk} of=/tmp/read bs=64k count=${mebibytes * 16} iflag=direct 2> /dev/null || exit 1
md5sum < /tmp/read
rm /tmp/read`;
  return sumIn(await guest.run(text));
}

/** The MD5 of a file's first MiB here. */
export async function sumOfFile(path: string, mebibytes: number): Promise<string> {
  const hash = createHash("md5");
  await pipeline(createReadStream(path, { end: mebibytes * MIB - 1 }), hash);
  return hash.digest("hex");
}

export interface Verification {
  readonly seconds: number;
  /** Shell text for the meantime. */
  readonly meanwhile?: string;
  /** MiB before the 32 that are written. */
  readonly offset?: number;
}

/** Lets fio write at random and read back what it wrote, at a depth of 32. Gives its figures. */
export async function verifyAtDepth(
  guest: Guest,
  disk: string,
  { seconds, meanwhile = ":", offset = 0 }: Verification,
): Promise<string> {
  const place = `--filename=${disk} --offset=${offset}m --size=32m`;
  const words = `${place} --rw=randwrite --bsrange=4k-64k --verify_backlog=${BACKLOG}`;
  const runtime = `--time_based --runtime=${seconds} --output-format=json --output=/tmp/report`;
  const text = `${FIO} ${words} ${runtime} & fio=$!
{ ${meanwhile}; } || { kill $fio; exit 1; }
wait $fio || exit 1
cat /tmp/report`;
  const output = await guest.run(text, seconds + 60);
  const { read, write, error, iodepth_level } = JSON.parse(output.slice(output.indexOf("{"))).jobs[0];
  expect(error, "fio's error").to.equal(0);
  expect(read.io_bytes, "bytes verified").to.be.above(0.8 * write.io_bytes);
  expect(iodepth_level[">=64"] + iodepth_level[DEPTH], "per cent at the depth").to.be.above(10);
  return `${figuresOf(write.total_ios, write.io_bytes)} written, ${figuresOf(read.total_ios, read.io_bytes)} read`;
}

/** Lets fio write so many MiB at random, each block once, and read all of it back, at a depth of 32. Gives its figures. */
export async function verifyOnce(guest: Guest, disk: string, mebibytes: number): Promise<string> {
  const words = `--filename=${disk} --size=${mebibytes}m --rw=randwrite --bsrange=4k-512k --do_verify=1`;
  const output = await guest.run(`${FIO} ${words} --output-format=json`, ONCE);
  const { read, write, error } = JSON.parse(output.slice(output.indexOf("{"))).jobs[0];
  expect(error, "fio's error").to.equal(0);
  expect([write.io_bytes, read.io_bytes], "bytes written and verified").to.deep.equal([
    mebibytes * MIB,
    mebibytes * MIB,
  ]);
  return `${figuresOf(write.total_ios, write.io_bytes)} written, ${figuresOf(read.total_ios, read.io_bytes)} read`;
}

/**
 * Lets fio write 32 MiB at random, 2 MiB a second at most, and read back what it wrote: however long that takes, most of it comes behind
 * whatever happens in its first seconds. Gives its figures.
 */
export async function verifySlowly(guest: Guest, disk: string): Promise<string> {
  const words = `--filename=${disk} --size=${SLOW}m --rw=randwrite --bsrange=4k-64k --rate=,2m --verify_backlog=${BACKLOG}`;
  const output = await guest.run(`${FIO} ${words} --output-format=json`, ONCE);
  const { read, write, error } = JSON.parse(output.slice(output.indexOf("{"))).jobs[0];
  expect(error, "fio's error").to.equal(0);
  expect([write.io_bytes, read.io_bytes], "bytes written and verified").to.deep.equal([SLOW * MIB, SLOW * MIB]);
  return `${figuresOf(write.total_ios, write.io_bytes)} written and read in ${(write.runtime / 1000).toFixed(0)} s`;
}

/** The judge is judged: fio writes, a bit of the file behind the disk is turned over, fio has to notice; it is turned back, and all is well. */
export async function noticeSpoiled(guest: Guest, disk: string, file: string): Promise<string> {
  const words = `${FIO} --filename=${disk} --rw=write --bs=64k --size=${SPOILED_MEBIBYTES}m`;
  await guest.run(`${words} --do_verify=0`);
  await turnOver(file);
  const spoiled = await guest.attempt(`${words} --verify_only`);
  await turnOver(file);
  expectNotice(spoiled);
  await guest.run(`${words} --verify_only`);
  return /^md5: verify failed.*/m.exec(spoiled.output)?.[0] ?? spoiled.output;
}

function expectNotice({ status, output }: Ended): void {
  expect(status, "fio's status").not.to.equal(0);
  expect(output).to.match(/verify failed at file/);
}

async function turnOver(path: string): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, SPOILED_BYTE);
  byte[0] ^= 1;
  await file.write(byte, 0, 1, SPOILED_BYTE);
  await file.close();
}

function figuresOf(commands: number, bytes: number): string {
  return `${commands} commands ${(bytes / 1e6).toFixed(0)} MB`;
}

function sumIn(text: string): string {
  return /\b[0-9a-f]{32}\b/.exec(text)?.[0] ?? expect.fail(`no sum in ${text}`);
}

// Tests system calls against this machine's kernel: memory that is mapped and survives its end, ioctl, poll, and what is
// said where koffi is missing.

import { spawnSync } from "node:child_process";
import { closeSync, constants, cpSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadNative, type Native, NativeMissing, SystemCallError } from "@pvscsi/native";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const PAGE = 4096;
const MIB = 1024 * 1024;
/** asm-generic/ioctls.h: bytes that wait to be read, as an int. */
const FIONREAD = 0x541b;
const PACKAGE = join(repositoryRoot, "packages", "native");

describe("native calls", () => {
  const folder = temporaryFolder();
  let native: Native;
  let opened: number[] = [];

  before(async function () {
    try {
      native = await loadNative();
    } catch (error) {
      if (!(error instanceof NativeMissing)) throw error;
      // As on any machine without it.
      this.skip();
    }
  });
  afterEach(() => {
    for (const descriptor of opened) closeSync(descriptor);
    opened = [];
  });

  function open(name: string, flags: number = constants.O_RDWR): number {
    const descriptor = openSync(folder.path(name), flags);
    opened.push(descriptor);
    return descriptor;
  }

  /** A pipe with a name, open at both ends. */
  function pipe(): number {
    spawnSync("mkfifo", [folder.path("pipe")]);
    return open("pipe", constants.O_RDWR | constants.O_NONBLOCK);
  }

  function failure(body: () => unknown): string {
    try {
      body();
    } catch (error) {
      expect(error).to.be.instanceOf(SystemCallError);
      return `${error}`;
    }
    return "none";
  }

  it("makes holes in a file and finds them, in threads, many at a time", async () => {
    folder.write({ file: "x".repeat(MIB) });
    const descriptor = open("file");
    const { blocks } = fstatSync(descriptor);
    let called = false;
    const made = Array.from({ length: 40 }, (_, i) => {
      return new Promise((resolve) => native.holes.punch(descriptor, i * 2 * PAGE, PAGE, resolve)).then((error) => {
        called = true;
        return error;
      });
    });
    expect(called).to.equal(false);
    expect(await Promise.all(made)).to.deep.equal(new Array(40).fill(null));
    expect(blocks - fstatSync(descriptor).blocks).to.equal((40 * PAGE) / 512);
    const seek = (offset: number, wanted: "data" | "hole", of = descriptor) => {
      return new Promise((resolve) => {
        native.holes.seek(of, offset, wanted, (error, result) => resolve(error ?? result));
      });
    };
    expect(await seek(0, "data")).to.equal(PAGE);
    expect(await seek(PAGE, "hole")).to.equal(2 * PAGE);
    expect(await seek(100 * PAGE, "hole")).to.equal(MIB);
    expect(await seek(MIB, "data")).to.include({ name: "SystemCallError", code: "ENXIO" });
    expect(await seek(0, "data", 9999)).to.include({ code: "EBADF" });
  });

  it("map a file, from an offset, so that both see what either writes", () => {
    folder.write({ file: "a".repeat(PAGE) + "b".repeat(PAGE) });
    const memory = native.map(open("file"), PAGE, PAGE, "read-write");
    expect([memory.bytes.length, memory.bytes[0], memory.address % PAGE]).to.deep.equal([PAGE, 0x62, 0]);
    memory.bytes[1] = 0x63;
    expect(readFileSync(folder.path("file"), "latin1").slice(PAGE - 1, PAGE + 3)).to.equal("abcb");
    writeSync(opened[0], "d", PAGE + 2);
    expect(memory.bytes[2]).to.equal(0x64);
  });

  it("leave a view of what has been released, of zeros that are nobody else's", () => {
    folder.write({ file: "a".repeat(PAGE) });
    const memory = native.map(open("file"), 0, PAGE, "read-only");
    const view = memory.bytes.subarray(0, 8);
    expect(view[0]).to.equal(0x61);
    memory.release();
    expect([...view]).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0]);
    view[0] = 9;
    memory.release();
    expect([view[0], readFileSync(folder.path("file"), "latin1")[0]]).to.deep.equal([9, "a"]);
  });

  it("give memory that is zero, and stays where it is", () => {
    const memory = native.allocate(3 * PAGE);
    expect(memory.bytes.every((byte) => byte === 0)).to.equal(true);
    expect(memory.address % PAGE).to.equal(0);
  });

  it("end a mapping for good when nobody has a view of it any more", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const size = () => Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
    const before = size();
    for (let i = 0; i < 64; i++) native.allocate(16 * MIB).release();
    expect(size() - before).to.be.above(900);
    for (let i = 0; i < 100 && size() - before > 100; i++) {
      collect();
      await sleep(10);
    }
    expect(size() - before).to.be.below(100);
  });

  it("say which call has failed, and how", () => {
    expect(failure(() => native.map(-1, 0, PAGE, "read-only"))).to.equal("SystemCallError: mmap: EBADF");
    folder.write({ file: "" });
    expect(failure(() => native.ioctl(open("file"), 0x184700, new Uint8Array(24)))).to.equal(
      "SystemCallError: ioctl: ENOTTY",
    );
    for (const length of [0, -1, Number.NaN, 2 ** 33]) expect(() => native.allocate(length)).to.throw(RangeError);
  });

  it("let the kernel write into the struct of an ioctl", () => {
    const end = pipe();
    writeSync(end, "five!");
    const bytes = new Uint8Array(8);
    expect(native.ioctl(end, FIONREAD, bytes)).to.equal(0);
    expect([...bytes]).to.deep.equal([5, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("tell of a file that can be read, until that is closed", async () => {
    const end = pipe();
    const read: string[] = [];
    const bytes = new Uint8Array(16);
    const poll = native.poll(end, () => {
      read.push(Buffer.from(bytes.subarray(0, readSync(end, bytes))).toString());
    });
    for (const text of ["one", "two"]) {
      writeSync(end, text);
      for (let i = 0; i < 500 && read.at(-1) !== text; i++) await sleep(2);
    }
    poll.close();
    poll.close();
    writeSync(end, "three");
    await sleep(20);
    expect(read).to.deep.equal(["one", "two"]);
  });

  it("lose nothing that is thrown when a file can be read", () => {
    const script = `
      import { openSync, constants, writeSync } from "node:fs";
      import { loadNative } from ${JSON.stringify(join(PACKAGE, "dist", "index.js"))};
      const end = openSync(${JSON.stringify(folder.path("pipe"))}, constants.O_RDWR | constants.O_NONBLOCK);
      (await loadNative()).poll(end, () => { throw new Error("thrown by a handler"); });
      writeSync(end, "x");`;
    pipe();
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(status).to.equal(1);
    expect(stderr).to.include("thrown by a handler");
  });
});

describe("native calls without koffi", () => {
  const folder = temporaryFolder();

  it("say what is missing", () => {
    cpSync(PACKAGE, folder.path("native"), { recursive: true });
    const script = `
      const { loadNative } = await import(${JSON.stringify(folder.path("native", "dist", "index.js"))});
      await loadNative().catch((error) => console.log(String(error)));`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(stdout).to.equal("NativeMissing: the optional package koffi is not installed: npm install koffi\n");
  });
});

// Tests what two processes need of each other beside bytes: sockets that carry descriptors, events, and memory without a
// name, against this machine's kernel.

import { closeSync, ftruncateSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { loadNative, type Native, NativeMissing, SystemCallError, type UnixConnection } from "@pvscsi/native";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";

const PAGE = 4096;
const text = (bytes: Uint8Array, length: number): string => Buffer.from(bytes.subarray(0, length)).toString();

describe("native sockets", () => {
  const folder = temporaryFolder();
  let native: Native;

  before(async function () {
    try {
      native = await loadNative();
    } catch (error) {
      if (!(error instanceof NativeMissing)) throw error;
      // As on any machine without it.
      this.skip();
    }
  });

  const openFiles = (): number => readdirSync("/proc/self/fd").length;

  it("carry bytes and descriptors, which are the same files at the other end", () => {
    const before = openFiles();
    const [one, other] = native.sockets.pair();
    const memory = native.newMemory("test", PAGE);
    const event = native.events.create();
    expect(one.send(Buffer.from("hello"), [memory, event])).to.equal(5);
    const bytes = new Uint8Array(100);
    const descriptors: number[] = [];
    expect(text(bytes, other.receive(bytes, descriptors))).to.equal("hello");
    expect(descriptors).to.have.length(2);
    native.mapFile(descriptors[0], 0, PAGE).bytes[7] = 9;
    expect(native.mapFile(memory, 0, PAGE).bytes[7]).to.equal(9);
    native.events.signal(descriptors[1]);
    expect([native.events.drain(event), native.events.drain(event)]).to.deep.equal([true, false]);
    for (const descriptor of [...descriptors, memory, event]) native.close(descriptor);
    one.close();
    other.close();
    expect(openFiles()).to.equal(before);
  });

  it("say that there is nothing, and that there will be nothing any more", () => {
    const [one, other] = native.sockets.pair();
    const bytes = new Uint8Array(8);
    expect(other.receive(bytes, [])).to.equal(-1);
    one.close();
    one.close();
    expect(other.receive(bytes, [])).to.equal(0);
    expect(() => other.send(bytes)).to.throw(SystemCallError, "EPIPE");
    other.close();
    expect([other.receive(bytes, []), other.send(bytes)]).to.deep.equal([0, -1]);
  });

  it("keep the descriptors of one message from the bytes of the next", () => {
    const [one, other] = native.sockets.pair();
    const event = native.events.create();
    one.send(Buffer.from("a"), [event]);
    one.send(Buffer.from("b"));
    const descriptors: number[] = [];
    const bytes = new Uint8Array(1);
    expect(text(bytes, other.receive(bytes, descriptors))).to.equal("a");
    expect(descriptors).to.have.length(1);
    expect(text(bytes, other.receive(bytes, descriptors))).to.equal("b");
    expect(descriptors).to.have.length(1);
    for (const descriptor of [event, ...descriptors]) native.close(descriptor);
    one.close();
    other.close();
  });

  it("say how much went when the peer does not read", () => {
    const [one, other] = native.sockets.pair();
    const bytes = new Uint8Array(64 * 1024);
    let sent = 0;
    for (let some = one.send(bytes); some > 0; some = one.send(bytes)) sent += some;
    expect(sent).to.be.within(64 * 1024, 1 << 24);
    one.close();
    other.close();
  });

  it("listen at a path until they are closed, and leave nothing there", async () => {
    const before = openFiles();
    const path = folder.path("socket");
    const accepted: UnixConnection[] = [];
    const listener = native.sockets.listen(path, (connection) => accepted.push(connection));
    expect(() => native.sockets.listen(path, () => {})).to.throw(SystemCallError, "EADDRINUSE");
    const one = native.sockets.connect(path);
    let heard = "";
    for (let i = 0; i < 100 && accepted.length === 0; i++) await sleep(5);
    const [other] = accepted;
    other.listen(() => {
      const bytes = new Uint8Array(8);
      heard += text(bytes, Math.max(0, other.receive(bytes, [])));
    });
    one.send(Buffer.from("hello"));
    for (let i = 0; i < 100 && heard === ""; i++) await sleep(5);
    expect(heard).to.equal("hello");
    listener.close();
    // The number is another file's by now.
    const event = native.events.create();
    listener.close();
    native.events.signal(event);
    native.close(event);
    one.close();
    other.close();
    expect(() => native.sockets.connect(path)).to.throw(SystemCallError, "ENOENT");
    await sleep(10);
    expect(openFiles()).to.equal(before);
  });

  it("tell of nothing while they are ignored, and of what came meanwhile afterwards", async () => {
    const [one, other] = native.sockets.pair();
    let heard = 0;
    const readable = (): void => {
      heard += other.receive(new Uint8Array(8), []);
    };
    other.listen(readable);
    other.ignore();
    one.send(Buffer.from("hello"));
    await sleep(10);
    expect(heard).to.equal(0);
    other.listen(readable);
    for (let i = 0; i < 100 && heard === 0; i++) await sleep(5);
    expect(heard).to.equal(5);
    one.close();
    other.close();
  });

  it("refuse a path that is too long", () => {
    for (const path of ["", "x".repeat(108), "\u00e9".repeat(54)]) {
      expect(() => native.sockets.connect(path)).to.throw(RangeError, "expected 1 to 107 for a socket");
    }
    expect(() => native.sockets.connect(folder.path("x").padEnd(107, "x"))).to.throw("ENOENT");
  });

  it("map no more of a file than there is", () => {
    const memory = native.newMemory("test", PAGE);
    expect(() => native.mapFile(memory, 0, 2 * PAGE)).to.throw(RangeError, "0+8192 of a file of 4096 bytes");
    expect(() => native.mapFile(memory, PAGE, PAGE)).to.throw(RangeError);
    ftruncateSync(memory, 2 * PAGE);
    expect(native.mapFile(memory, PAGE, PAGE).bytes).to.have.length(PAGE);
    closeSync(memory);
  });

  it("say when there is no such event", () => {
    expect(() => native.events.signal(-1)).to.throw(SystemCallError, "eventfd_write: EBADF");
    expect(() => native.events.drain(-1)).to.throw(SystemCallError, "eventfd_read: EBADF");
  });
});

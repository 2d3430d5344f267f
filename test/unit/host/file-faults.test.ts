// What the file store does when the operating system's calls are interrupted, short, or fail: they are replaced one by one.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { FileStore, OpenFiles, openFileStore } from "@pvscsi/host";
import type { StoreError } from "@pvscsi/scsi";
import { expect } from "chai";
import { ask, bytesOf, placesOf, temporaryFolder } from "./support.js";

type Call = "read" | "write" | "writev" | "fdatasync";
type Callback = (error: Error | null, count?: number) => void;
type AnyCall = (...args: unknown[]) => void;

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe("the file store, when calls fail", () => {
  const folder = temporaryFolder();
  const real = { read: fs.read, write: fs.write, writev: fs.writev, fdatasync: fs.fdatasync };
  let openFiles = new OpenFiles();

  beforeEach(() => {
    openFiles = new OpenFiles();
  });
  afterEach(() => {
    Object.assign(fs, real);
    syncBuiltinESMExports();
  });

  const open = (sync: "writeback" | "writethrough" = "writeback"): Promise<FileStore> =>
    openFileStore(join(folder(), "disk.img"), { access: "read-write", sync, createSize: 1 << 20, openFiles });

  /** Replaces a call; what is put in its place may call the real one. */
  function replace(name: Call, make: (call: AnyCall) => AnyCall): void {
    Object.assign(fs, { [name]: make(real[name] as unknown as AnyCall) });
    syncBuiltinESMExports();
  }

  /** Lets the first `count` calls fail. */
  function failing(name: Call, count: number, code: string): void {
    let left = count;
    replace(name, (call) => (...args) => {
      if (left-- <= 0) return call(...args);
      const callback = args.at(-1) as Callback;
      setImmediate(() => callback(errno(code)));
    });
  }

  /** A store of 512 bytes over a descriptor whose calls can be replaced. */
  async function growing(path: string): Promise<{ store: FileStore; handle: fs.promises.FileHandle }> {
    fs.writeFileSync(path, "x".repeat(512));
    const handle = await fs.promises.open(path, "r+");
    const sizeNow = async (): Promise<number> => (await handle.stat()).size;
    const file = { path, handle, size: 512, growable: true, readOnly: false, writeBack: true, sizeNow };
    return { store: new FileStore({ ...file, closed: () => {} }), handle };
  }

  it("reads again what a signal interrupted", async () => {
    const store = await open();
    const data = Buffer.alloc(4096, 7);
    await ask(store, { operation: "write", places: placesOf(data) });
    failing("read", 2, "EINTR");
    const places = placesOf(4096);
    const { error } = await ask(store, { operation: "read", places });
    expect(error).to.equal(null);
    expect(bytesOf(places).equals(data)).to.equal(true);
    await store.close();
  });

  it("goes on after short writes, and tells where the device was full", async () => {
    const store = await open();
    let room = 3000;
    replace("write", (call) => (descriptor, bytes, offset, length, position, callback) => {
      const size = Math.min(length as number, room, 700);
      room -= size;
      if (size > 0) return call(descriptor, bytes, offset, size, position, callback);
      setImmediate(() => (callback as Callback)(errno("ENOSPC")));
    });
    const { error } = await ask(store, { operation: "write", offset: 512, places: placesOf(4096) });
    expect(error).to.include({ failure: "no-space", offset: 3512 });
    await store.close();
  });

  for (const [name, asked] of [
    ["a flush", [{ operation: "write" as const, places: placesOf(512) }, { operation: "flush" as const }]],
    ["an FUA write", [{ operation: "write" as const, places: placesOf(512), fua: true }]],
    ["FUA zeroes", [{ operation: "write-zeroes" as const, length: 512, fua: true }]],
  ] as const) {
    it(`ends ${name} only after fdatasync has, which begins after the write has ended`, async () => {
      const store = await open();
      const order: string[] = [];
      for (const call of ["write", "fdatasync"] as const) {
        replace(call, (original) => (...args) => {
          const callback = args.pop() as Callback;
          order.push(`${call} begins`);
          original(...args, (...results: [Error | null, number?]) => {
            order.push(`${call} ends`);
            callback(...results);
          });
        });
      }
      for (const one of asked) expect((await ask(store, one)).error).to.equal(null);
      order.push("acknowledged");
      const written = asked[0].operation === "write-zeroes" ? [] : ["write begins", "write ends"];
      expect(order).to.deep.equal([...written, "fdatasync begins", "fdatasync ends", "acknowledged"]);
      await store.close();
    });
  }

  it("begins a second fdatasync for a write that ended while one ran", async () => {
    const store = await open();
    let running: (() => void)[] = [];
    replace(
      "fdatasync",
      (call) =>
        (...args) =>
          void running.push(() => call(...args)),
    );
    await ask(store, { operation: "write", places: placesOf(512) });
    const first = ask(store, { operation: "flush" });
    await ask(store, { operation: "write", offset: 512, places: placesOf(512) });
    let ended = false;
    const second = ask(store, { operation: "flush" }).then(() => {
      ended = true;
    });
    for (const run of running.splice(0)) run();
    await first;
    expect([ended, running.length]).to.deep.equal([false, 1]);
    for (const run of running.splice(0)) run();
    await second;
    running = [];
    await store.close();
  });

  it("fails every flush and FUA write after an fdatasync has failed, though a later one would succeed", async () => {
    const store = await open();
    await ask(store, { operation: "write", places: placesOf(512) });
    failing("fdatasync", 1, "EIO");
    expect((await ask(store, { operation: "flush" })).error?.failure).to.equal("medium");
    expect((await ask(store, { operation: "flush" })).error?.failure).to.equal("medium");
    const write = await ask(store, { operation: "write", places: placesOf(512), fua: true });
    expect(write.error?.failure).to.equal("medium");
    const thrown = await store.close().catch((error: StoreError) => error.failure);
    expect(thrown).to.equal("medium");
  });

  it("lets go of the file when its descriptor cannot be closed, and says so", async () => {
    const path = join(folder(), "disk.img");
    fs.writeFileSync(path, "x".repeat(512));
    const handle = await fs.promises.open(path, "r+");
    const { close } = handle;
    handle.close = async () => {
      await close();
      throw errno("EIO");
    };
    let closed = 0;
    const file = { path, handle, size: 512, growable: true, readOnly: false, writeBack: true };
    const store = new FileStore({ ...file, sizeNow: async () => 512, closed: () => (closed += 1) });
    const reason = await store.close().catch((error: Error) => error.message);
    expect([reason, closed]).to.deep.equal([`close of ${path}: input/output error`, 1]);
  });

  it("tells of a new size when it is durable, not while it is made so", async () => {
    const path = join(folder(), "disk.img");
    const { store, handle } = await growing(path);
    const order: string[] = [];
    store.resized = () => order.push("told");
    const { sync } = handle;
    handle.sync = async () => {
      await store.refresh();
      await sync.call(handle);
      order.push("durable");
    };
    await store.grow(4096);
    expect(order).to.deep.equal(["durable", "told"]);
    await store.close();
  });

  it("has its old size when the new one cannot be made durable, and believes no flush afterwards", async () => {
    const path = join(folder(), "disk.img");
    const { store, handle } = await growing(path);
    handle.sync = async () => {
      throw errno("EIO");
    };
    const reason = await store.grow(4096).catch((error: Error) => error.message);
    expect(reason).to.equal(`growing ${path}: input/output error`);
    expect([store.size, fs.statSync(path).size]).to.deep.equal([512, 512]);
    expect((await ask(store, { operation: "flush" })).error?.message).to.equal(`flush of ${path}: input/output error`);
    const closed = await store.close().catch((error: Error) => error.message);
    expect(closed).to.equal(`flush of ${path}: input/output error`);
  });
});

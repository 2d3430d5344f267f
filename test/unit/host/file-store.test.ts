import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { open as openHandle } from "node:fs/promises";
import { join } from "node:path";
import { FileStore, type FileStoreOptions, OpenFiles, openFileStore } from "@pvscsi/host";
import type { StoreError, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import { ask, bytesOf, placesOf, prepared, temporaryFolder } from "./support.js";

const MIB = 1024 * 1024;

/** Why something failed; "" when it did not. */
async function reasonOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "",
    (error: StoreError) => (error.name === "StoreError" ? error.message : expect.fail(String(error))),
  );
}

describe("the file store", () => {
  const folder = temporaryFolder();
  let openFiles = new OpenFiles();
  let store: FileStore | null = null;

  beforeEach(() => {
    openFiles = new OpenFiles();
  });
  afterEach(async () => {
    await store?.close();
    store = null;
  });

  function path(name = "disk.img"): string {
    return join(folder(), name);
  }

  async function open(options: Partial<FileStoreOptions> = {}): Promise<FileStore> {
    store = await openFileStore(path(), { access: "read-write", sync: "writeback", openFiles, ...options });
    return store;
  }

  async function refusal(name: string, options: Partial<FileStoreOptions> = {}): Promise<string> {
    try {
      await (
        await openFileStore(path(name), { access: "read-write", sync: "writeback", openFiles, ...options })
      ).close();
    } catch (error) {
      return (error as StoreError).message.replace(folder(), "");
    }
    throw new Error("it was not refused");
  }

  it("writes and reads in one piece and in many, at the places it was given", async () => {
    const made = await open({ createSize: MIB });
    const data = randomBytes(100_000);
    const cuts = [
      data.subarray(0, 4096),
      data.subarray(4096, 4099),
      data.subarray(4099, 90_000),
      data.subarray(90_000),
    ];
    expect((await ask(made, { operation: "write", offset: 5000, places: placesOf(...cuts) })).error).to.equal(null);
    const one = placesOf(data.length);
    await ask(made, { operation: "read", offset: 5000, places: one });
    expect(bytesOf(one).equals(data)).to.equal(true);
    const many = placesOf(1, 70_000, 29_999);
    await ask(made, { operation: "read", offset: 5000, places: many });
    expect(bytesOf(many).equals(data)).to.equal(true);
    expect(many.page(0).filter((byte) => byte !== 0).length).to.be.at.most(1);
    expect(readFileSync(path()).subarray(5000, 105_000).equals(data)).to.equal(true);
  });

  it("reads and writes shared memory, and more pieces than one system call takes", async () => {
    const made = await open({ createSize: 8 * MIB });
    const memory = new SharedArrayBuffer(2000 * 4096);
    const places = new Places();
    for (let i = 0; i < 2000; i++) places.add(new Uint8Array(memory, i * 4096, 4096), 0, 4096);
    for (let i = 0; i < 2000; i++) places.page(i).fill(i % 251);
    await ask(made, { operation: "write", places });
    places.fill(255);
    const { error } = await ask(made, { operation: "read", places });
    expect(error).to.equal(null);
    for (let i = 0; i < 2000; i++) expect(places.page(i)[4095]).to.equal(i % 251);
  });

  it("makes a sparse file, and its folders, where a size is given", async () => {
    const made = await openFileStore(path("a/b/new.img"), {
      access: "read-only",
      sync: "writeback",
      createSize: 256 * MIB,
      openFiles,
    });
    expect(made.size).to.equal(256 * MIB);
    expect(statSync(path("a/b/new.img")).blocks).to.equal(0);
    await made.close();
  });

  it("lets a file that exists keep its size and its bytes", async () => {
    writeFileSync(path(), "hello");
    expect((await open({ createSize: MIB })).size).to.equal(5);
  });

  it("says why a file cannot be opened, and leaves nothing behind", async () => {
    writeFileSync(path("file"), "");
    mkdirSync(path("folder"));
    symlinkSync("loop", path("loop"));
    expect(await refusal("missing.img")).to.equal("cannot open /missing.img: no such file");
    expect(await refusal("folder")).to.equal("cannot open /folder: it is a directory");
    expect(await refusal("file/x")).to.equal("cannot open /file/x: a part of the path is no directory");
    expect(await refusal("loop")).to.equal("cannot open /loop: too many symbolic links");
    expect(await refusal("huge.img", { createSize: Number.MAX_SAFE_INTEGER })).to.match(/^cannot open \/huge\.img: /);
    expect(() => statSync(path("huge.img"))).to.throw(/ENOENT/);
    const device = openFileStore("/dev/null", { access: "read-write", sync: "writeback", openFiles });
    const error = await device.catch((thrown: Error) => thrown.message);
    expect(error).to.equal("cannot open /dev/null: it is neither a regular file nor a block device");
  });

  it("gives a file to one writer or many readers, whatever name it was opened by", async () => {
    const writer = await open({ createSize: MIB });
    symlinkSync(path(), path("link"));
    expect(await refusal("link")).to.equal("cannot open /link: another LUN has it open");
    expect(await refusal("link", { access: "read-only" })).to.equal("cannot open /link: another LUN has it open");
    await writer.close();
    store = null;
    const options = { access: "read-only", sync: "writeback", openFiles } as const;
    const readers = [await openFileStore(path(), options), await openFileStore(path("link"), options)];
    expect(await refusal("link")).to.equal("cannot open /link: another LUN has it open");
    await readers[0].close();
    expect(await refusal("link")).to.equal("cannot open /link: another LUN has it open");
    await readers[1].close();
    await open();
  });

  it("refuses what is out of range, and writes when it is read-only, before the kernel sees them", async () => {
    writeFileSync(path(), "x".repeat(4096));
    const made = await open({ access: "read-only" });
    expect(made.features.readOnly).to.equal(true);
    expect((await ask(made, { operation: "read", offset: 4000, places: placesOf(97) })).error?.failure).to.equal(
      "out-of-range",
    );
    expect((await ask(made, { operation: "write", places: placesOf(512) })).error?.failure).to.equal("read-only");
    expect((await ask(made, { operation: "write-zeroes", length: 512 })).error?.failure).to.equal("read-only");
    expect((await ask(made, { operation: "flush" })).error).to.equal(null);
  });

  it("says how many bytes are data honestly: all, for Node cannot ask", async () => {
    const made = await open({ createSize: MIB });
    const { extents } = await ask(made, { operation: "extents", offset: 512, length: 1024 });
    expect(extents).to.deep.equal([{ offset: 512, length: 1024, state: "data" }]);
    expect(made.features.discard).to.equal(false);
  });

  for (const operation of ["write-zeroes", "discard"] as const) {
    it(`makes zeros by ${operation}, over many pieces, and leaves holes as they are`, async () => {
      const made = await open({ createSize: 4 * MIB });
      const data = randomBytes(100_000);
      await ask(made, { operation: "write", offset: MIB, places: placesOf(data) });
      await ask(made, { operation: "flush" });
      const before = statSync(path()).blocks;
      expect((await ask(made, { operation, offset: 1000, length: 3 * MIB, fua: true })).error).to.equal(null);
      expect(readFileSync(path()).every((byte) => byte === 0)).to.equal(true);
      expect(statSync(path()).blocks - before).to.be.at.most(2 * 512);
    });
  }

  it("makes zeros in a file without holes, and only there", async () => {
    writeFileSync(path(), Buffer.alloc(2 * MIB, 7));
    const made = await open();
    await ask(made, { operation: "write-zeroes", offset: 1, length: MIB });
    const bytes = readFileSync(path());
    expect([bytes[0], bytes[1], bytes[MIB], bytes[MIB + 1]]).to.deep.equal([7, 0, 0, 7]);
  });

  it("stops a long write-zeroes between two pieces when it is cancelled", async () => {
    writeFileSync(path(), Buffer.alloc(16 * MIB, 7));
    const made = await open();
    const ended = new Promise<StoreRequest>((resolve) => {
      const request = prepared({ operation: "write-zeroes", length: 16 * MIB }, resolve);
      made.submit(request);
      made.cancel(request);
    });
    expect((await ended).error?.failure).to.equal("cancelled");
    expect(readFileSync(path())[16 * MIB - 1]).to.equal(7);
  });

  for (const sync of ["writeback", "writethrough"] as const) {
    it(`ends flushes and FUA writes in mode ${sync}, many at a time`, async () => {
      const made = await open({ createSize: MIB, sync });
      expect(made.features.writeBack).to.equal(sync === "writeback");
      const requests = Array.from({ length: 64 }, (_, i) =>
        i % 2 === 0
          ? ask(made, { operation: "write", offset: i * 512, places: placesOf(randomBytes(512)), fua: true })
          : ask(made, { operation: "flush" }),
      );
      for (const { error } of await Promise.all(requests)) expect(error).to.equal(null);
    });
  }

  it("reports a resize once, and serves the new bytes", async () => {
    const made = await open({ createSize: MIB });
    let told = 0;
    made.resized = () => {
      told += 1;
    };
    await made.refresh();
    truncateSync(path(), 2 * MIB);
    await made.refresh();
    await made.refresh();
    expect([told, made.size]).to.deep.equal([1, 2 * MIB]);
    expect((await ask(made, { operation: "read", offset: 2 * MIB - 512, places: placesOf(512) })).error).to.equal(null);
  });

  it("grows: what it holds stays, the new bytes are zeros and can be written", async () => {
    const made = await open({ createSize: MIB });
    const data = randomBytes(4096);
    await ask(made, { operation: "write", offset: MIB - 4096, places: placesOf(data) });
    const told: number[] = [];
    made.resized = () => told.push(made.size);
    await made.grow(2 * MIB);
    expect([told, statSync(path()).size]).to.deep.equal([[2 * MIB], 2 * MIB]);
    const read = placesOf(8192);
    await ask(made, { operation: "read", offset: MIB - 4096, places: read });
    expect(bytesOf(read).equals(Buffer.concat([data, Buffer.alloc(4096)]))).to.equal(true);
    expect((await ask(made, { operation: "write", offset: 2 * MIB - 512, places: placesOf(512) })).error).to.equal(
      null,
    );
  });

  it("grows to no size that would cut off what somebody else has put there since", async () => {
    const made = await open({ createSize: MIB });
    truncateSync(path(), 4 * MIB);
    expect(await reasonOf(made.grow(2 * MIB))).to.equal(`${path()}: it has ${4 * MIB} bytes by now`);
    expect([made.size, statSync(path()).size]).to.deep.equal([MIB, 4 * MIB]);
  });

  it("says why it cannot grow: too large, read-only, growing already, closed", async () => {
    const made = await open({ createSize: MIB });
    expect(await reasonOf(made.grow(2 ** 53 - 4096))).to.match(
      /^growing .*disk.img: (the file would be too large|EINVAL)/,
    );
    expect(made.size).to.equal(MIB);
    const both = await Promise.all([2, 3].map((size) => reasonOf(made.grow(size * MIB))));
    expect(both).to.deep.equal(["", `${path()}: its size is being changed already`]);
    await made.close();
    store = null;
    expect(await reasonOf(made.grow(4 * MIB))).to.equal(`${path()}: it was closed`);
    expect(await reasonOf((await open({ access: "read-only" })).grow(4 * MIB))).to.include("is open read-only");
    expect(statSync(path()).size).to.equal(2 * MIB);
  });

  it("fails with the place when the file has become shorter", async () => {
    const made = await open({ createSize: MIB });
    truncateSync(path(), 1000);
    const { error } = await ask(made, { operation: "read", offset: 512, places: placesOf(1024) });
    expect(error).to.include({ failure: "medium", offset: 1000 });
  });

  it("believes no flush after one has failed, and tells a full device from a broken one", async () => {
    // Every write to /dev/full fails with ENOSPC, every fdatasync with EINVAL.
    const handle = await openHandle("/dev/full", "r+");
    let closed = 0;
    const file = { path: "/dev/full", handle, size: MIB, growable: true, readOnly: false, writeBack: true };
    const full = new FileStore({ ...file, sizeNow: async () => MIB, closed: () => (closed += 1) });
    const { error } = await ask(full, { operation: "write", offset: 512, places: placesOf(512) });
    expect(error).to.include({ failure: "no-space", offset: 512 });
    expect((await ask(full, { operation: "flush" })).error?.failure).to.equal("hardware");
    expect((await ask(full, { operation: "flush" })).error?.failure).to.equal("hardware");
    const thrown = await full.close().catch((reason: StoreError) => reason);
    expect(thrown).to.include({ name: "StoreError", failure: "hardware" });
    expect(closed).to.equal(1);
  });

  it("waits at close for what is under way, and takes nothing afterwards", async () => {
    const made = await open({ createSize: 4 * MIB });
    let ended = 0;
    for (let i = 0; i < 32; i++) {
      made.submit(prepared({ operation: "write", offset: i * 65_536, places: placesOf(65_536) }, () => (ended += 1)));
    }
    await made.close();
    store = null;
    expect(ended).to.equal(32);
    expect((await ask(made, { operation: "read", places: placesOf(512) })).error?.failure).to.equal("hardware");
  });

  it("keeps what a model of the file keeps, under random requests at depth", async () => {
    const size = 512 * 1024;
    const made = await open({ createSize: size });
    const model = Buffer.alloc(size);
    // Each worker has a stripe of its own: concurrent requests that overlap have no defined order.
    const worker = async (stripe: number): Promise<void> => {
      for (let round = 0; round < 60; round++) {
        const offset = stripe + ((round * 7919) % 50_000);
        const length = 1 + ((round * 104_729) % 10_000);
        const kind = round % 3;
        if (kind === 0) {
          const data = randomBytes(length);
          data.copy(model, offset);
          const middle = Math.floor(length / 2);
          await ask(made, {
            operation: "write",
            offset,
            places: placesOf(data.subarray(0, middle), data.subarray(middle)),
          });
        } else if (kind === 1) {
          model.fill(0, offset, offset + length);
          await ask(made, { operation: "write-zeroes", offset, length });
        } else {
          const places = placesOf(length);
          await ask(made, { operation: "read", offset, places });
          expect(bytesOf(places).equals(model.subarray(offset, offset + length))).to.equal(true);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, i) => worker(i * 65_536)));
    await made.close();
    store = null;
    expect(readFileSync(path()).equals(model)).to.equal(true);
  });
});

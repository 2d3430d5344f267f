// Holes of a file: made by discard and told by extents where something native is there, and what a LUN says where it is not.

import fs, { readFileSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { parseHostConfig } from "@pvscsi/config";
import { type FileStore, type FileStoreOptions, type Holes, OpenFiles, openFileStore, openHost } from "@pvscsi/host";
import { NativeMissing } from "@pvscsi/native";
import { Nexus, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { nativeHoles } from "../../support/native-holes.js";
import { realClock } from "../../support/node-platform.js";
import { hex, Initiator, pattern, type Sent } from "../scsi/initiator.js";
import { ask, bytesOf, placesOf, temporaryFolder } from "./support.js";

const MIB = 1024 * 1024;

describe("holes of a file", () => {
  const folder = temporaryFolder();
  const path = (): string => join(folder(), "disk.img");
  let found: Holes;
  let store: FileStore | null = null;

  before(async function () {
    const native = await nativeHoles();
    // As on any machine without it.
    if (native === null) this.skip();
    found = native;
  });
  afterEach(async () => {
    await store?.close();
    store = null;
  });

  async function open(options: Partial<FileStoreOptions> = {}): Promise<FileStore> {
    const openFiles = new OpenFiles();
    const all = {
      access: "read-write",
      sync: "writeback",
      openFiles,
      createSize: 4 * MIB,
      holes: found,
      ...options,
    } as const;
    store = await openFileStore(path(), all);
    return store;
  }

  /** Holes that fail, as a file system would that has none, or that breaks. */
  function failing(code: string, after: number): Holes {
    let left = after;
    return {
      punch: (descriptor, offset, length, done) => {
        if (left-- > 0) found.punch(descriptor, offset, length, done);
        else setImmediate(() => done(Object.assign(new Error(code), { code })));
      },
      seek: (...words) => found.seek(...words),
    };
  }

  it("are made by discard, read as zeros, and take no space", async () => {
    const made = await open();
    expect(made.features.discard).to.equal(true);
    await ask(made, { operation: "write", offset: MIB, places: placesOf(pattern(MIB)) });
    await ask(made, { operation: "flush" });
    const before = statSync(path()).blocks;
    expect((await ask(made, { operation: "discard", offset: MIB + 100, length: MIB - 100 })).error).to.equal(null);
    await ask(made, { operation: "flush" });
    expect(before - statSync(path()).blocks).to.be.at.least((MIB - 4096) / 512);
    const places = placesOf(MIB);
    await ask(made, { operation: "read", offset: MIB, places });
    expect(
      bytesOf(places)
        .subarray(100)
        .every((byte) => byte === 0),
    ).to.equal(true);
    expect(bytesOf(places).subarray(0, 100)).to.deep.equal(Buffer.from(pattern(MIB).subarray(0, 100)));
    expect(statSync(path()).size).to.equal(4 * MIB);
  });

  it("are told as extents, from the byte that was asked for on", async () => {
    const made = await open();
    const told = async (offset: number, length: number) => {
      const { extents } = await ask(made, { operation: "extents", offset, length });
      return extents.map((extent) => [extent.offset, extent.length, extent.state]);
    };
    expect(await told(512, MIB)).to.deep.equal([[512, MIB, "hole"]]);
    await ask(made, { operation: "write", offset: MIB, places: placesOf(pattern(MIB)) });
    expect(await told(0, 4 * MIB)).to.deep.equal([
      [0, MIB, "hole"],
      [MIB, MIB, "data"],
      [2 * MIB, 2 * MIB, "hole"],
    ]);
    expect(await told(MIB + 512, 1024)).to.deep.equal([[MIB + 512, 1024, "data"]]);
    await ask(made, { operation: "discard", offset: MIB + 65_536, length: 65_536 });
    expect(await told(MIB, 3 * 65_536)).to.deep.equal([
      [MIB, 65_536, "data"],
      [MIB + 65_536, 65_536, "hole"],
      [MIB + 131_072, 65_536, "data"],
    ]);
    expect(await told(4 * MIB, 0)).to.deep.equal([[4 * MIB, 0, "data"]]);
  });

  it("end an answer after 256 extents", async () => {
    const made = await open();
    for (let i = 0; i < 200; i++) {
      await ask(made, { operation: "write", offset: i * 8192, places: placesOf(Buffer.alloc(4096, 1)) });
    }
    const { extents } = await ask(made, { operation: "extents", length: 4 * MIB });
    expect(extents.length).to.equal(256);
    expect(extents.at(-1)).to.deep.equal({ offset: 127 * 8192 + 4096, length: 4096, state: "hole" });
  });

  for (const sync of ["writeback", "writethrough"] as const) {
    it(`are durable by fdatasync in mode ${sync}: after a flush, with FUA, and at once where every write is`, async () => {
      const made = await open({ sync });
      const { fdatasync } = fs;
      let syncs = 0;
      fs.fdatasync = Object.assign((descriptor: number, done: fs.NoParamCallback) => {
        syncs += 1;
        fdatasync(descriptor, done);
      }, fdatasync);
      syncBuiltinESMExports();
      try {
        await ask(made, { operation: "discard", length: 4096 });
        expect(syncs).to.equal(sync === "writeback" ? 0 : 1);
        await ask(made, { operation: "flush" });
        expect(syncs).to.equal(1);
        await ask(made, { operation: "discard", length: 4096, fua: true });
        expect(syncs).to.equal(2);
      } finally {
        fs.fdatasync = fdatasync;
        syncBuiltinESMExports();
      }
    });
  }

  it("are not there where the file system has none, nor in what is only read", async () => {
    const without = await open({ holes: failing("EOPNOTSUPP", 0) });
    expect(without.features.discard).to.equal(false);
    expect((await ask(without, { operation: "discard", length: 4096 })).error).to.equal(null);
    await without.close();
    expect((await open({ access: "read-only" })).features.discard).to.equal(false);
  });

  it("that cannot be made say so, with the place", async () => {
    const made = await open({ holes: failing("ENOSPC", 1) });
    const { error } = await ask(made, { operation: "discard", offset: 4096, length: 4096 });
    expect(error).to.include({ failure: "no-space", offset: 4096 });
  });

  describe("behind a LUN", () => {
    const UNMAP = "42 00 00 00 00 00 00 00 18 00";
    const RANGE = hex("00 16 00 10 00 00 00 00 00 00 00 00 00 00 08 00 00 00 08 00 00 00 00 00");
    const STATUS = "9e 12 00 00 00 00 00 00 08 00 00 00 00 18 00 00";

    async function opened(options: { native?: () => Promise<{ holes: Holes }> }) {
      const text = `hosts:\n  - host: 0\n    luns:\n      - { address: "0:0:0:0", file: disk.img, size: 4MiB, create: true }\n`;
      const settings = { directory: folder(), clock: realClock, ...options };
      const device = await openHost(parseHostConfig(text, "h"), settings).open("0:0:0:0", {
        domain: 1,
        virtualDevice: "0:0:0:0",
      });
      if (typeof device === "string") throw new Error(device);
      const target = new Target();
      target.add(0, device.logicalUnit);
      const initiator = new Initiator(target, new Nexus(target, { initiator: "test" })).settle();
      const done = async (cdb: string, data = {}): Promise<Sent> => {
        const sent = initiator.send(cdb, data);
        while (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
        return sent;
      };
      return { done, end: () => initiator.nexus.close().then(() => device.release()) };
    }

    it("make it thin: UNMAP gives space back, GET LBA STATUS tells, VPD pages say so", async () => {
      const { done, end } = await opened({});
      (await done("2a 08 00 00 08 00 00 08 00 00", { out: pattern(MIB) })).good();
      expect((await done(STATUS, { room: 24 })).bytes[20]).to.equal(0);
      (await done(UNMAP, { out: RANGE })).good();
      (await done("35 00 00 00 00 00 00 00 00 00")).good();
      expect((await done(STATUS, { room: 24 })).data).to.equal(
        "00 00 00 14 00 00 00 00 00 00 00 00 00 00 08 00 00 00 18 00 01 00 00 00",
      );
      expect(readFileSync(path()).every((byte) => byte === 0)).to.equal(true);
      expect((await done("9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", { room: 32 })).bytes[14]).to.equal(0xc0);
      expect((await done("12 01 b2 00 08 00", { room: 8 })).bytes[6]).to.equal(2);
      await end();
    });

    it("are not promised where nothing native is there", async () => {
      const { done, end } = await opened({ native: () => Promise.reject(new NativeMissing("not installed")) });
      expect((await done("9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", { room: 32 })).bytes[14]).to.equal(0);
      expect((await done("12 01 b2 00 08 00", { room: 8 })).bytes[6]).to.equal(0);
      (await done(UNMAP, { out: RANGE })).checked(SENSE.invalidOpcode);
      expect((await done(STATUS, { room: 24 })).bytes[20]).to.equal(0);
      await end();
    });
  });
});

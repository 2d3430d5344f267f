// Block requests: which commands they become, what they do to the disk, and that it all is a store of bytes.

import { BlockRequest, type Disk } from "@pvscsi/guest";
import {
  type ByteStore,
  HostByte,
  MemoryStore,
  SENSE,
  type StoreError,
  type StoreOperation,
  StoreRequest,
} from "@pvscsi/scsi";
import { expect } from "chai";
import { byteStoreContract, STORE_SIZE } from "../../contract/byte-store.js";
import { capacityData, invalid, ScriptedAdapter } from "./scripted-adapter.js";
import { diskStand, MIB, pattern, placesOf, Stand, submit } from "./stand.js";

/** A stand with a scripted disk, whose record of CDBs begins after it was attached. */
async function scripted(change: (adapter: ScriptedAdapter) => void = () => {}, adapter = new ScriptedAdapter()) {
  const stand = new Stand();
  change(adapter);
  await stand.attach(adapter);
  adapter.seen.length = 0;
  return { stand, adapter, disk: stand.disk() };
}

function thin(adapter: ScriptedAdapter, flags: number, { unmap = 0x1000, same = 0x2000 } = {}): void {
  const limits = new DataView(new ArrayBuffer(64));
  limits.setUint32(0, 0x00b0003c);
  limits.setUint32(20, unmap);
  limits.setUint32(40, same);
  adapter.capacity16 = capacityData(2048, 512, 0, 0xc0);
  adapter.pages.set(0x00, Uint8Array.of(0, 0, 0, 3, 0x00, 0xb0, 0xb2));
  adapter.pages.set(0xb0, new Uint8Array(limits.buffer));
  adapter.pages.set(0xb2, Uint8Array.of(0, 0xb2, 0, 4, 0, flags, 2, 0));
  adapter.script = ({ cdb }) => (cdb[0] === 0xa3 ? { data: Uint8Array.of(0, 3, 0, 6, 0, 0, 0, 0, 0, 0) } : null);
}

describe("block requests", () => {
  it("read what was written", async () => {
    const { stand, disk } = await scripted();
    const data = pattern(4096);
    expect((await stand.until(submit(disk, "write", { offset: 4096, data }))).failure).to.equal(null);
    const back = new Uint8Array(8192);
    await stand.until(submit(disk, "read", { offset: 4096, data: back }));
    expect(back.subarray(0, 4096)).to.deep.equal(data);
    expect(back.subarray(4096).every((byte) => byte === 0)).to.equal(true);
  });

  it("use READ(10) and WRITE(10) up to 2^32 blocks, the long ones above", async () => {
    for (const [blocks, cdbs] of [
      [0x1_0000_0000 - 1, ["2a 00 ff ff ff fd 00 00 01 00", "28 00 ff ff ff fd 00 00 01 00"]],
      [
        0x1_0000_0001,
        ["8a 00 00 00 00 00 ff ff ff fd 00 00 00 01 00 00", "88 00 00 00 00 00 ff ff ff fd 00 00 00 01 00 00"],
      ],
    ] as const) {
      const { stand, adapter, disk } = await scripted((each) => {
        each.capacity16 = capacityData(blocks, 512);
      });
      adapter.script = () => ({});
      for (const operation of ["write", "read"] as const) {
        await stand.until(submit(disk, operation, { offset: 0xffff_fffd * 512, data: new Uint8Array(512) }));
      }
      expect(adapter.seen).to.deep.equal(cdbs);
    }
  });

  it("are cut at the adapter's limits", async () => {
    const adapter = new ScriptedAdapter({ maxTransfer: 64 * 1024, maxSegments: 8 });
    const { stand, disk } = await scripted(() => {}, adapter);
    const data = pattern(100 * 1024);
    await stand.until(submit(disk, "write", { data }));
    expect(adapter.seen).to.deep.equal([
      "2a 00 00 00 00 00 00 00 40 00",
      "2a 00 00 00 00 40 00 00 40 00",
      "2a 00 00 00 00 80 00 00 40 00",
      "2a 00 00 00 00 c0 00 00 08 00",
    ]);
    expect(adapter.memory.subarray(0, data.length)).to.deep.equal(data);
    adapter.seen.length = 0;
    // Pieces of pages count one by one, and a command ends at a whole block.
    const pages = disk.allocate(3);
    const request = new BlockRequest();
    request.adapterPages = true;
    for (let i = 0; i < 12; i++) request.places.add(pages[i % 3], 1024 * (i % 4), 768);
    request.length = 12 * 768;
    await stand.until(
      new Promise((resolve) => {
        request.completed = resolve;
        disk.submit(request);
      }),
    );
    expect(adapter.seen).to.deep.equal(["28 00 00 00 00 00 00 00 0c 00", "28 00 00 00 00 0c 00 00 06 00"]);
  });

  it("never have more commands under way than the adapter takes", async () => {
    const { stand, adapter, disk } = await scripted();
    let most = 0;
    adapter.script = () => {
      most = Math.max(most, adapter.held.size + 1);
      return "never";
    };
    const all = Array.from({ length: 20 }, (_, i) =>
      submit(disk, "read", { offset: i * 512, data: new Uint8Array(512) }),
    );
    for (let ended = 0; ended < 20; ended++) adapter.end([...adapter.held][0], {});
    await stand.until(Promise.all(all));
    expect(most).to.equal(4);
  });

  it("end once, when the tag of one piece goes to the next while it ends", async () => {
    const adapter = new ScriptedAdapter({ queueDepth: 1, maxTransfer: 4096 });
    const { disk } = await scripted(() => {}, adapter);
    adapter.script = () => (adapter.seen.length === 1 ? "never" : null);
    let ends = 0;
    const request = new BlockRequest();
    Object.assign(request, { length: 8192, places: placesOf(new Uint8Array(8192)) });
    request.completed = () => {
      ends += 1;
    };
    disk.submit(request);
    adapter.end([...adapter.held][0], {});
    expect([ends, adapter.seen.length]).to.deep.equal([1, 2]);
  });

  it("point straight into the adapter's pages where they may", async () => {
    const { adapter, disk } = await scripted();
    const [page] = disk.allocate(1);
    const request = new BlockRequest();
    Object.assign(request, { adapterPages: true, length: 4096, places: placesOf(page) });
    let seen: Uint8Array | null = null;
    adapter.script = ({ data }) => {
      seen = data.page(0);
      return null;
    };
    disk.submit(request);
    expect(seen).to.equal(page);
  });

  it("end without a command where there is nothing to do, and are refused where they make no sense", async () => {
    const { stand, adapter, disk } = await scripted((each) => {
      each.modes = Uint8Array.of(3, 0, 0, 0);
    });
    const failure = async (...parameters: Parameters<typeof submit> extends [unknown, ...infer Rest] ? Rest : never) =>
      (await stand.until(submit(disk, ...parameters))).failure?.failure ?? null;
    expect(await failure("flush")).to.equal(null);
    expect(await failure("read")).to.equal(null);
    expect(await failure("read", { offset: MIB, data: new Uint8Array(512) })).to.equal("out-of-range");
    expect(await failure("read", { offset: 100, data: new Uint8Array(512) })).to.equal("out-of-range");
    expect(await failure("discard", { length: 512 })).to.equal("hardware");
    expect(adapter.seen).to.deep.equal([]);
  });

  it("are not written to a write-protected disk", async () => {
    const { stand, adapter, disk } = await scripted((each) => {
      each.modes = Uint8Array.of(3, 0, 0x80, 0);
    });
    for (const operation of ["write", "write-zeroes"] as const) {
      const { failure } = await stand.until(submit(disk, operation, { data: new Uint8Array(512) }));
      expect(failure?.failure).to.equal("read-only");
    }
    expect(adapter.seen).to.deep.equal([]);
  });
});

describe("durability", () => {
  it("is the FUA bit where the disk has it, a flush behind the write where not, nothing without a cache", async () => {
    for (const [device, cache, cdbs] of [
      [0x10, 0x04, ["2a 08 00 00 00 00 00 00 01 00"]],
      [0x00, 0x04, ["2a 00 00 00 00 00 00 00 01 00", "35 00 00 00 00 00 00 00 00 00"]],
      [0x00, 0x00, ["2a 00 00 00 00 00 00 00 01 00"]],
    ] as const) {
      const { stand, adapter, disk } = await scripted((each) => {
        each.modes = Uint8Array.of(0x17, 0, device, 0, 8, 18, cache, ...new Array(17).fill(0));
      });
      await stand.until(submit(disk, "write", { data: new Uint8Array(512), fua: true }));
      expect(adapter.seen).to.deep.equal(cdbs);
    }
  });

  it("a flush is SYNCHRONIZE CACHE", async () => {
    const { stand, adapter, disk } = await scripted();
    expect((await stand.until(submit(disk, "flush"))).failure).to.equal(null);
    expect(adapter.seen).to.deep.equal(["35 00 00 00 00 00 00 00 00 00"]);
  });
});

describe("giving blocks back, and zeros", () => {
  for (const [flags, cdb] of [
    [0xe4, "42 00 00 00 00 00 00 00 18 00"],
    [0x64, "93 08 00 00 00 00 00 00 00 08 00 00 00 10 00 00"],
    [0x24, "41 08 00 00 00 08 00 00 10 00"],
  ] as const) {
    it(`discards as page B2h with ${flags.toString(16)} asks: ${cdb}`, async () => {
      const { stand, adapter, disk } = await scripted((each) => thin(each, flags));
      const data: number[] = [];
      adapter.script = ({ data: places }) => {
        const bytes = new Uint8Array(places.length);
        places.read(bytes);
        data.push(...bytes);
        return {};
      };
      await stand.until(submit(disk, "discard", { offset: 4096, length: 8192 }));
      expect(adapter.seen).to.deep.equal([cdb]);
      const list = [0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0, 0, 0];
      expect(data).to.deep.equal(flags === 0xe4 ? list : new Array(512).fill(0));
    });
  }

  it("takes as many commands as the limits of page B0h want", async () => {
    const { stand, adapter, disk } = await scripted((each) => thin(each, 0xe4, { unmap: 100, same: 300 }));
    adapter.script = () => ({});
    await stand.until(submit(disk, "discard", { length: 250 * 512 }));
    await stand.until(submit(disk, "write-zeroes", { length: 500 * 512 }));
    expect(adapter.seen.map((cdb) => cdb.slice(0, 2)).join(" ")).to.equal("42 42 42 93 93");
  });

  it("stops asking for what the disk does not know after all", async () => {
    const { stand, adapter, disk } = await scripted((each) => thin(each, 0xe4));
    adapter.script = ({ cdb }) => (cdb[0] === 0x42 || cdb[0] === 0x93 ? invalid(0x20) : null);
    const discard = await stand.until(submit(disk, "discard", { length: 4096 }));
    expect(discard.failure?.words).to.equal("operation not supported");
    adapter.memory.fill(1);
    const zeroes = await stand.until(submit(disk, "write-zeroes", { offset: 512, length: 1024 }));
    expect(zeroes.failure).to.equal(null);
    expect([...adapter.memory.subarray(511, 513), ...adapter.memory.subarray(1535, 1537)]).to.deep.equal([1, 0, 0, 1]);
    await stand.until(submit(disk, "discard", { length: 4096 }));
    expect(adapter.seen.map((cdb) => cdb.slice(0, 2)).join(" ")).to.equal("42 93 2a");
  });

  it("gives a thin disk's blocks back for good", async () => {
    const store = new MemoryStore(MIB);
    const { stand, disk } = await diskStand(store);
    await stand.until(submit(disk, "write", { data: pattern(MIB) }));
    await stand.until(submit(disk, "discard", { offset: 8192, length: 16_384 }));
    const back = new Uint8Array(MIB);
    await stand.until(submit(disk, "read", { data: back }));
    expect(back).to.deep.equal(pattern(MIB).fill(0, 8192, 24_576));
  });
});

describe("a guest's disk as a store", () => {
  byteStoreContract("a guest's disk, blocks of 512 bytes", async () => {
    const { stand, disk } = await diskStand(new MemoryStore(STORE_SIZE, { writeBack: true }));
    return { store: stand.guest.store(disk), pump: () => void stand.time.step() };
  });

  byteStoreContract("a guest's disk, blocks of 4096 bytes", async () => {
    const { stand, disk } = await diskStand(new MemoryStore(STORE_SIZE), { blockSize: 4096 });
    return { store: stand.guest.store(disk), pump: () => void stand.time.step() };
  });

  it("zeroes by writing what it is asked to discard when the disk does not know UNMAP after all", async () => {
    const { stand, adapter, disk } = await scripted((each) => thin(each, 0xe4));
    adapter.script = ({ cdb }) => (cdb[0] === 0x42 || cdb[0] === 0x93 ? invalid(0x20) : null);
    adapter.memory.fill(1);
    const { error } = await stand.until(asked(stand.guest.store(disk), "discard", 0, 4096));
    expect(error).to.equal(null);
    expect([adapter.memory[0], adapter.memory[4095], adapter.memory[4096]]).to.deep.equal([0, 0, 1]);
  });

  it("flushes when it is closed, after all that is under way, and says so when it cannot", async () => {
    const { stand, adapter, disk } = await scripted();
    const store = stand.guest.store(disk);
    const opcodes = (): string => adapter.seen.map((cdb) => cdb.slice(0, 2)).join(" ");
    // Part of a block: read, then written. The close comes between the two.
    const write = asked(store, "write", 100, 100, pattern(100));
    await stand.until(store.close());
    expect((await write).error).to.equal(null);
    expect(opcodes()).to.equal("28 2a 35");
    expect((await asked(store, "read", 0, 512, new Uint8Array(512))).error?.failure).to.equal("hardware");
    const other = stand.guest.store(disk);
    adapter.script = ({ cdb }) => (cdb[0] === 0x35 ? { sense: SENSE.internalTargetFailure } : null);
    const failure = await stand.until(other.close().catch((error: StoreError) => error.failure));
    expect(failure).to.equal("hardware");
  });

  it("has the disk's features", async () => {
    const { stand, disk } = await diskStand(new MemoryStore(MIB, { writeBack: true }));
    const { readOnly, writeBack, discard } = stand.guest.store(disk).features;
    expect({ readOnly, writeBack, discard }).to.deep.equal({ readOnly: false, writeBack: true, discard: true });
    const protectedDisk = await diskStand(new MemoryStore(MIB), { readOnly: true, thin: false });
    const features = protectedDisk.stand.guest.store(protectedDisk.disk).features;
    expect([features.readOnly, features.writeBack, features.discard]).to.deep.equal([true, false, false]);
  });

  it("takes the physical block for the size of write that is natural to it", async () => {
    const { stand, disk } = await diskStand(new MemoryStore(MIB));
    expect([disk.parameters.blockSize, stand.guest.store(disk).features.optimalIo]).to.deep.equal([512, 4096]);
  });

  it("shows the holes of a thin disk, which it asks GET LBA STATUS for", async () => {
    const { stand, disk } = await diskStand(new MemoryStore(MIB));
    await stand.until(submit(disk, "write", { offset: 65_536, data: pattern(8192) }));
    expect(await extentsOf(stand, disk, 60_000, 40_000)).to.deep.equal([
      [60_000, 5536, "hole"],
      [65_536, 8192, "data"],
      [73_728, 26_272, "hole"],
    ]);
    expect(await extentsOf(stand, disk, 66_000, 1000)).to.deep.equal([[66_000, 1000, "data"]]);
  });

  it("is data all over where the disk is not thin, or does not answer", async () => {
    const thick = await diskStand(new MemoryStore(MIB), { thin: false });
    expect(await extentsOf(thick.stand, thick.disk, 0, MIB)).to.deep.equal([[0, MIB, "data"]]);
    const { stand, disk, adapter } = await scripted((each) => thin(each, 0xe4));
    adapter.script = ({ cdb }) => (cdb[0] === 0x9e ? invalid(0x20) : null);
    expect(await extentsOf(stand, disk, 512, 4096)).to.deep.equal([[512, 4096, "data"]]);
    expect(adapter.seen.at(-1)).to.match(/^9e 12 00 00 00 00 00 00 00 01/);
  });

  it("believes no LBA status that goes backwards or ends nowhere", async () => {
    const { stand, disk, adapter } = await scripted((each) => thin(each, 0xe4));
    const data = new DataView(new ArrayBuffer(40));
    data.setUint32(12, 8); // blocks 8 and 9, deallocated; then block 0 again
    data.setUint32(16, 2);
    data.setUint8(20, 1);
    data.setUint32(32, 1);
    adapter.script = ({ cdb }) => (cdb[0] === 0x9e ? { data: new Uint8Array(data.buffer) } : null);
    expect(await extentsOf(stand, disk, 8 * 512, 4096)).to.deep.equal([[4096, 1024, "hole"]]);
    expect(await extentsOf(stand, disk, 0, 4096)).to.deep.equal([[0, 4096, "data"]]);
  });
});

function asked(
  store: ByteStore,
  operation: StoreOperation,
  offset: number,
  length: number,
  data: Uint8Array = new Uint8Array(0),
): Promise<StoreRequest> {
  const request = Object.assign(new StoreRequest(), { operation, offset, length, places: placesOf(data) });
  return new Promise((resolve) => {
    request.completed = resolve;
    store.submit(request);
  });
}

async function extentsOf(stand: Stand, disk: Disk, offset: number, length: number) {
  const request = new StoreRequest();
  request.operation = "extents";
  request.offset = offset;
  request.length = length;
  const ended = new Promise<StoreRequest>((resolve) => {
    request.completed = resolve;
  });
  stand.guest.store(disk).submit(request);
  const { error, extents } = await stand.until(ended);
  expect(error).to.equal(null);
  return extents.map((extent) => [extent.offset, extent.length, extent.state]);
}

describe("an adapter that goes away", () => {
  it("gives its pages back and refuses what comes later", async () => {
    const { stand, adapter, disk } = await scripted();
    await stand.until(submit(disk, "read", { data: new Uint8Array(8192) }));
    adapter.script = () => "never";
    const pending = submit(disk, "read", { data: new Uint8Array(512) });
    const [host] = stand.guest.hosts;
    const closing = stand.guest.detach(host);
    adapter.script = () => null;
    adapter.end([...adapter.held][0], { hostByte: HostByte.noConnect });
    expect((await stand.until(pending)).failure?.words).to.equal("I/O");
    await stand.until(closing);
    expect(adapter.freed).to.be.greaterThan(0);
    expect((await stand.until(submit(disk, "read", { data: new Uint8Array(512) }))).failure?.words).to.equal("I/O");
    expect(stand.guest.hosts).to.deep.equal([]);
  });
});

// Judges the virtio-blk device by the normative rules of virtio 1.3, 5.2, and by requests that are none.

import { MemoryStore, readOnly, StoreError } from "@pvscsi/scsi";
import { BlockRange, BlockResult, BlockType, Feature } from "@pvscsi/virtio";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BlockWorld, headerOf, pattern, rangesOf, SECTORS, UNTOUCHED } from "./block-world.js";

const { ok, ioError, unsupported } = BlockResult;

describe("a virtio-blk device: what it says of itself", () => {
  it("5.2.4: has the store's size in sectors, and its limits", () => {
    const { config, device } = new BlockWorld({ limits: { segments: 30, segmentSize: 8192, ranges: 3 } });
    expect(config).to.include({ capacityLow: SECTORS, capacityHigh: 0, sizeMax: 8192, segMax: 30, blkSize: 512 });
    expect(config).to.include({ maxDiscardSeg: 3, maxWriteZeroesSeg: 3, writeZeroesMayUnmap: 1, numQueues: 1 });
    expect(config.maxDiscardSectors).to.equal(config.maxWriteZeroesSectors).and.to.be.greaterThan(0);
    expect(device.queues).to.equal(1);
  });

  it("5.2.4: has a physical block of the store's natural size", () => {
    expect(new BlockWorld().config).to.include({ physicalBlockExponent: 3, minIoSize: 8, discardSectorAlignment: 8 });
    expect(new BlockWorld({ blockSize: 4096 }).config).to.include({ blkSize: 4096, physicalBlockExponent: 0 });
  });

  it("5.2.5.2: offers FLUSH always, RO where nothing can be written, and then no way to change anything", () => {
    const changing = Feature.blockDiscard | Feature.blockWriteZeroes;
    const features = (world: BlockWorld) =>
      world.device.features & (changing | Feature.blockReadOnly | Feature.blockFlush);
    expect(features(new BlockWorld())).to.equal(changing | Feature.blockFlush);
    expect(features(new BlockWorld({ readOnly: true }))).to.equal(Feature.blockReadOnly | Feature.blockFlush);
    const store = readOnly(new MemoryStore(4096));
    expect(features(new BlockWorld({ store }))).to.equal(Feature.blockReadOnly | Feature.blockFlush);
  });

  it("5.2.3: offers DISCARD only where the store can give space back", () => {
    const store = new HeldStore(4096);
    Object.assign(store, { features: { ...store.features, discard: false } });
    const world = new BlockWorld({ store });
    expect(world.offers(Feature.blockDiscard)).to.equal(false);
    expect(world.offers(Feature.blockWriteZeroes)).to.equal(true);
    expect(world.config).to.include({ maxDiscardSectors: 0, writeZeroesMayUnmap: 0 });
  });

  it("5.2.3: offers several queues where it has them", () => {
    const world = new BlockWorld({ limits: { queues: 4 } });
    expect(world.offers(Feature.blockMultiQueue)).to.equal(true);
    expect(world.config.numQueues).to.equal(4);
    expect(new BlockWorld().offers(Feature.blockMultiQueue)).to.equal(false);
  });

  it("5.2.5: changes the capacity when the store grows, and says so; nothing is the driver's to write", () => {
    const store = new MemoryStore(SECTORS * 512);
    const world = new BlockWorld({ store });
    let changes = 0;
    world.device.config.changed = () => {
      changes += 1;
    };
    store.resize(SECTORS * 1024 + 100);
    expect(world.config.capacityLow).to.equal(2 * SECTORS);
    world.device.config.write();
    expect([world.config.capacityLow, changes]).to.deep.equal([2 * SECTORS, 1]);
    world.device.close();
    store.resize(0);
    expect(changes).to.equal(1);
  });
});

describe("a virtio-blk device: requests", () => {
  let world: BlockWorld;
  beforeEach(() => {
    world = new BlockWorld({ serial: "disk-1" }).start();
  });

  it("5.2.6: writes sectors and reads them back, whatever lies around them", () => {
    const bytes = pattern(1024);
    expect(world.run({ type: BlockType.out, sector: 3, out: bytes })).to.deep.include({ status: ok, written: 1 });
    const answer = world.run({ type: BlockType.in, sector: 2, in: 2048 });
    expect(answer).to.deep.include({ status: ok, written: 2049 });
    expect([...answer.data]).to.deep.equal([...new Uint8Array(512), ...bytes, ...new Uint8Array(512)]);
  });

  it("5.2.6: reads and writes up to the last sector", () => {
    const out = pattern(512);
    expect(world.run({ type: BlockType.out, sector: SECTORS - 1, out }).status).to.equal(ok);
    expect([...world.run({ type: BlockType.in, sector: SECTORS - 1, in: 512 }).data]).to.deep.equal([...out]);
  });

  it("2.7.4: takes a request that is cut anywhere", () => {
    const header = headerOf(world.bytes(16), BlockType.out, 5);
    const data = world.bytes(512);
    data.set(pattern(512));
    const status = world.bytes(1);
    world.send([header.subarray(0, 3), header.subarray(3), data.subarray(0, 7), data.subarray(7)], [status], {
      data,
      status,
    });
    expect(world.answers()[0].status).to.equal(ok);
    expect([...world.run({ type: BlockType.in, sector: 5, in: 512 }).data]).to.deep.equal([...data]);
  });

  it("5.2.6: gives its identity with NULs behind it, cut where there is less room", () => {
    const name = (length: number) => Buffer.from(world.run({ type: BlockType.getId, in: length }).data).toString();
    expect(name(20)).to.equal(`disk-1${"\0".repeat(14)}`);
    expect(name(4)).to.equal("disk");
    expect(world.run({ type: BlockType.getId, in: 20 }).written).to.equal(21);
  });

  it("5.2.6.2: writes zeros, and gives blocks back", () => {
    world.run({ type: BlockType.out, out: pattern(4096) });
    expect(world.run({ type: BlockType.writeZeroes, out: rangesOf([0, 1], [2, 1, 1]) }).status).to.equal(ok);
    expect(world.run({ type: BlockType.discard, out: rangesOf([4, 1], [6, 2]) }).status).to.equal(ok);
    const { data } = world.run({ type: BlockType.in, in: 4096 });
    const used = Array.from({ length: 8 }, (_, sector) =>
      data.subarray(sector * 512, sector * 512 + 512).some((b) => b !== 0),
    );
    expect(used).to.deep.equal([false, true, false, true, false, true, false, false]);
  });

  it("5.2.6.2: takes no flag that it does not know, and no UNMAP for DISCARD", () => {
    const status = (type: number, flags: number) => world.run({ type, out: rangesOf([0, 1], [1, 1, flags]) }).status;
    expect(status(BlockType.writeZeroes, 2)).to.equal(unsupported);
    expect(status(BlockType.writeZeroes, 0x8000_0001)).to.equal(unsupported);
    expect(status(BlockType.discard, 1)).to.equal(unsupported);
  });

  it("5.2.6.2: changes no range when one of them is wrong", () => {
    const out = pattern(512);
    world.run({ type: BlockType.out, out });
    const wrong = [
      rangesOf([0, 1], [SECTORS, 1]),
      rangesOf([0, 1], [0, 0xffff_ffff]),
      rangesOf([0, 1], [2 ** 60, 1]),
      rangesOf(...Array.from({ length: 17 }, () => [0, 1] as const)),
      rangesOf([0, 1]).subarray(0, BlockRange.size - 1),
    ];
    for (const ranges of wrong) {
      for (const type of [BlockType.writeZeroes, BlockType.discard]) {
        expect(world.run({ type, out: ranges }).status).to.equal(ioError);
      }
    }
    for (const type of [BlockType.writeZeroes, BlockType.discard])
      expect(world.run({ type, in: 16 }).status).to.equal(ioError);
    expect([...world.run({ type: BlockType.in, in: 512 }).data]).to.deep.equal([...out]);
  });

  it("5.2.6.2: does not know what was not negotiated", () => {
    const plain = new BlockWorld().start(Feature.version1);
    expect(plain.run({ type: BlockType.discard, out: rangesOf([0, 1]) }).status).to.equal(unsupported);
    expect(plain.run({ type: BlockType.writeZeroes, out: rangesOf([0, 1]) }).status).to.equal(unsupported);
  });

  for (const type of [
    BlockType.scsiCommand,
    BlockType.scsiCommandOut,
    BlockType.getLifetime,
    BlockType.secureErase,
    99,
    0xffff_ffff,
  ]) {
    it(`5.2.6.2: answers UNSUPP for type ${type}`, () => {
      expect(world.run({ type, in: 32 })).to.deep.include({ status: unsupported, written: 33 });
    });
  }

  it("5.2.6.2: fails every write of a read-only device, and writes nothing", () => {
    const store = new MemoryStore(SECTORS * 512);
    const fixed = new BlockWorld({ store, readOnly: true }).start();
    expect(fixed.run({ type: BlockType.out, out: pattern(512) }).status).to.equal(ioError);
    expect(fixed.run({ type: BlockType.in, in: 512 }).data.some((byte) => byte !== 0)).to.equal(false);
  });

  it("tells a failure of the store, and zeros stand where nothing came", () => {
    const store = new HeldStore(SECTORS * 512);
    const held = new BlockWorld({ store }).start();
    held.request({ type: BlockType.in, in: 512 });
    held.request({ type: BlockType.flush });
    held.request({ type: BlockType.discard, out: rangesOf([0, 1], [1, 1]) });
    for (let i = 0; i < 3; i++) store.release(new StoreError("medium", "a bad day"));
    const answers = held.answers();
    expect(answers.map(({ status }) => status)).to.deep.equal([ioError, ioError, ioError]);
    expect([...answers[0].data]).to.deep.equal([...new Uint8Array(512)]);
    expect(answers[0].written).to.equal(513);
  });
});

describe("a virtio-blk device: durability (5.2.6.2)", () => {
  it("FLUSH is the store's flush, and its status waits for that", () => {
    const store = new HeldStore(SECTORS * 512, { writeBack: true });
    const world = new BlockWorld({ store }).start();
    world.request({ type: BlockType.out, out: pattern(512) });
    store.release();
    world.request({ type: BlockType.flush });
    expect(store.seen).to.deep.equal(["write", "flush"]);
    expect(world.answers()).to.have.length(1);
    store.release();
    expect(world.answers().map(({ status }) => status)).to.deep.equal([ok]);
  });

  it("without FLUSH each write is durable when it ends", () => {
    const store = new HeldStore(SECTORS * 512, { writeBack: true, holding: false });
    const world = new BlockWorld({ store }).start(Feature.version1 | Feature.blockWriteZeroes | Feature.blockDiscard);
    world.run({ type: BlockType.out, out: pattern(512) });
    world.run({ type: BlockType.in, in: 512 });
    world.run({ type: BlockType.writeZeroes, out: rangesOf([0, 1]) });
    world.run({ type: BlockType.discard, out: rangesOf([0, 1]) });
    expect(store.seen).to.deep.equal(["write+fua", "read", "write-zeroes+fua", "discard+fua"]);
  });

  it("a store without a cache is not asked for more", () => {
    const store = new HeldStore(SECTORS * 512, { holding: false });
    new BlockWorld({ store }).start(Feature.version1).run({ type: BlockType.out, out: pattern(512) });
    expect(store.seen).to.deep.equal(["write"]);
  });
});

describe("a virtio-blk device: hostile requests", () => {
  let world: BlockWorld;
  beforeEach(() => {
    world = new BlockWorld().start();
  });

  for (const [what, words] of [
    ["a sector behind the end", { type: BlockType.in, sector: SECTORS, in: 512 }],
    ["a range over the end", { type: BlockType.in, sector: SECTORS - 1, in: 1024 }],
    ["a sector past all numbers", { type: BlockType.in, sector: 2 ** 63, in: 512 }],
    ["a length that is no multiple of a sector", { type: BlockType.in, in: 700 }],
    ["a write over the end", { type: BlockType.out, sector: SECTORS - 1, out: pattern(1024) }],
    ["a write of half a sector", { type: BlockType.out, out: pattern(256) }],
    ["a read with data to send", { type: BlockType.in, out: pattern(512) }],
    ["a write with room", { type: BlockType.out, in: 512 }],
    ["data both ways", { type: BlockType.out, out: pattern(512), in: 512 }],
  ] as const) {
    it(`fails ${what}, and goes on`, () => {
      expect(world.run(words).status).to.equal(ioError);
      expect(world.failures).to.deep.equal([]);
      expect(world.run({ type: BlockType.in, in: 512 }).status).to.equal(ok);
      expect(world.run({ type: BlockType.in, in: SECTORS * 512 }).data.some((byte) => byte !== 0)).to.equal(false);
    });
  }

  for (const [what, readable, writable] of [
    ["a short header", 15, 1],
    ["no header at all", 0, 1],
    ["no byte for the status", 16, 0],
  ] as const) {
    it(`needs a reset after ${what}`, () => {
      const pieces = (length: number) => (length === 0 ? [] : [world.bytes(length).fill(0)]);
      world.send(pieces(readable), pieces(writable));
      world.settle();
      expect(world.failures).to.have.length(1);
      expect(world.failures[0]).to.match(/^a virtio-blk request of /);
    });
  }

  it("needs a reset after more data than it said that it takes", () => {
    world = new BlockWorld({ limits: { segments: 2, segmentSize: 4096 } }).start();
    expect(world.run({ type: BlockType.in, in: 8192 }).status).to.equal(ok);
    world.request({ type: BlockType.in, in: 8193 });
    expect(world.answers()).to.deep.equal([]);
    expect(world.failures).to.have.length(1);
  });

  it("looks at the header once: what the driver writes into it later changes nothing", () => {
    const store = new HeldStore(SECTORS * 512);
    const held = new BlockWorld({ store }).start();
    const header = headerOf(held.bytes(16), BlockType.out, 2);
    const [data, status] = [held.bytes(512), held.bytes(1)];
    held.send([header, data], [status], { data, status });
    headerOf(header, BlockType.in, 9);
    store.release();
    expect(held.answers()[0].status).to.equal(ok);
    expect(store.seen).to.deep.equal(["write"]);
  });

  it("answers each of a flood once, a ring full in a turn", () => {
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 16; i++) world.request({ type: i % 2 === 0 ? BlockType.in : 99, sector: i, in: 512 });
      const answers = world.answers();
      expect(answers).to.have.length(16);
      for (const { status } of answers) expect(status).to.not.equal(UNTOUCHED);
    }
    expect(world.failures).to.deep.equal([]);
  });

  it("ends what is under way at a reset, and serves the next driver", async () => {
    const store = new HeldStore(SECTORS * 512);
    const held = new BlockWorld({ store }).start();
    held.request({ type: BlockType.in, in: 512 });
    held.device.reset();
    expect(store.cancelled).to.have.length(1);
    const stopped = held.device.stop(0);
    store.release(new StoreError("cancelled", "by the reset"));
    await stopped;
    store.holding = false;
    held.start();
    expect(held.run({ type: BlockType.in, in: 512 }).status).to.equal(ok);
  });
});

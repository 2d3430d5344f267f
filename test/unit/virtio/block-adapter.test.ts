// Driver and device of virtio-blk together: what is written arrives, what fails is told, and SCSI commands pass where
// the device is a `lun`.

import {
  type BlockAdapterEvent,
  Command,
  HostByte,
  type LogicalUnit,
  MemoryStore,
  SENSE,
  StoreError,
  type StoreOperation,
  StoreRequest,
} from "@pvscsi/scsi";
import {
  Arena,
  type BlockAdapterOptions,
  type BlockDeviceOptions,
  DeviceUnusable,
  Feature,
  InProcessTransport,
  type RingAreas,
  VirtioBlkAdapter,
  VirtioBlkDevice,
  type VirtioDevice,
} from "@pvscsi/virtio";
import { Places, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { memoryDisk } from "../../support/scsi-devices.js";

const SECTORS = 512;

/** A transport that keeps the rings, for a test that plays the device. */
class WatchedTransport extends InProcessTransport {
  readonly areas: RingAreas[] = [];

  override async setUpQueue(queue: number, size: number, areas: RingAreas): Promise<void> {
    this.areas[queue] = areas;
    await super.setUpQueue(queue, size, areas);
  }
}

class Stand {
  readonly simulation = new Simulation(seededRandom(1));
  readonly memory = new Arena(new ArrayBuffer(8 << 20));
  readonly events: BlockAdapterEvent[] = [];
  transport!: WatchedTransport;
  adapter!: VirtioBlkAdapter;

  /** A device on `store` and its driver. */
  static async make(
    device: Partial<BlockDeviceOptions> = {},
    driver: Partial<BlockAdapterOptions> = {},
  ): Promise<Stand> {
    const stand = new Stand();
    const store = device.store ?? new MemoryStore(SECTORS * 512, { writeBack: true });
    await stand.probe(new VirtioBlkDevice({ scheduler: stand.simulation, ...device, store }), driver);
    return stand;
  }

  async probe(device: VirtioDevice, driver: Partial<BlockAdapterOptions> = {}): Promise<void> {
    const scheduler = this.simulation;
    this.transport = new WatchedTransport({ device, memory: this.memory, scheduler });
    this.adapter = await VirtioBlkAdapter.probe({ transport: this.transport, scheduler, ...driver });
    this.adapter.listen((event) => void this.events.push(event));
  }

  settle(): void {
    while (this.simulation.busy) this.simulation.step();
  }

  /** Submits a request over pages of its own; `ended` is null until it has. */
  submit(operation: StoreOperation, offset: number, bytes: Uint8Array | number): Submitted {
    const submitted = new Submitted(this.adapter, operation, offset, bytes);
    this.adapter.submit(submitted.request);
    return submitted;
  }

  run(operation: StoreOperation, offset = 0, bytes: Uint8Array | number = 0): Submitted {
    const submitted = this.submit(operation, offset, bytes);
    this.settle();
    return submitted;
  }

  pass(cdb: readonly number[], fields: Partial<Command> = {}, bytes = 0): Command & { ended: number } {
    const command = Object.assign(new Command(), { ended: 0 }, fields);
    command.cdb.set(cdb);
    command.cdbLength = cdb.length;
    const [page] = this.adapter.allocate(1);
    command.data.add(page.fill(0xa5), 0, bytes);
    command.completed = () => {
      command.ended += 1;
    };
    this.adapter.pass(command);
    this.settle();
    return command;
  }
}

class Submitted {
  readonly request = new StoreRequest();
  readonly #pages: Uint8Array[];
  readonly #adapter: VirtioBlkAdapter;
  ends = 0;

  constructor(adapter: VirtioBlkAdapter, operation: StoreOperation, offset: number, bytes: Uint8Array | number) {
    const { request } = this;
    const length = typeof bytes === "number" ? bytes : bytes.length;
    this.#adapter = adapter;
    request.operation = operation;
    request.offset = offset;
    request.length = length;
    request.places = new Places();
    const moves = operation === "read" || operation === "write";
    this.#pages = adapter.allocate(moves ? Math.ceil(length / 4096) : 0);
    for (const [i, page] of this.#pages.entries()) request.places.add(page, 0, Math.min(4096, length - 4096 * i));
    if (typeof bytes !== "number") request.places.write(bytes);
    request.completed = () => {
      this.ends += 1;
    };
  }

  get error(): StoreError | null | "not ended" {
    return this.ends === 1 ? this.request.error : "not ended";
  }

  get data(): Uint8Array {
    const bytes = new Uint8Array(this.request.places.length);
    this.request.places.read(bytes);
    this.#adapter.free(this.#pages);
    return bytes;
  }
}

/** A legacy device with a disk behind SG_IO, as libvirt's `lun`. */
function lun(store = new MemoryStore(SECTORS * 512)): Promise<Stand> {
  const unit: LogicalUnit = memoryDisk(store);
  return Stand.make({ store, unit });
}

const INQUIRY = [0x12, 0, 0, 0, 36, 0];

describe("a virtio-blk driver", () => {
  it("finds a disk as the device says it is", async () => {
    const { adapter } = await Stand.make({ serial: "0123456789abcdefghij" }, { device: "virtio3" });
    expect(adapter).to.include({ driver: "virtio_blk", device: "virtio3", letters: "vd", size: SECTORS * 512 });
    expect(adapter.features).to.deep.equal({ readOnly: false, writeBack: true, discard: false, optimalIo: 4096 });
    expect(adapter.limits).to.deep.equal({
      queueDepth: 128,
      maxTransfer: 126 * 4096,
      maxSegments: 126,
      maxDiscard: 1 << 30,
      maxWriteZeroes: 1 << 30,
      blockSize: 512,
      physicalBlockSize: 4096,
      discardGranularity: 4096,
    });
  });

  it("reads the identity", async () => {
    const stand = await Stand.make({ serial: "0123456789abcdefghij" });
    const identity = stand.adapter.identity();
    stand.settle();
    expect(await identity).to.equal("0123456789abcdefghij");
  });

  for (const queues of [1, 4]) {
    it(`moves what it is given against a model, more than the ring holds, on ${queues} queues`, async () => {
      const stand = await Stand.make({ limits: { queues } }, { queues });
      const random = seededRandom(3, "blocks");
      const model = new Uint8Array(SECTORS * 512);
      for (let round = 0; round < 6; round++) {
        const busy = new Uint8Array(SECTORS);
        const all: { submitted: Submitted; at: number; expected: Uint8Array | null }[] = [];
        for (let i = 0; i < 300; i++) {
          const sectors = 1 + random.below(16);
          const sector = random.below(SECTORS - sectors);
          if (busy.subarray(sector, sector + sectors).some((taken) => taken !== 0)) continue;
          busy.fill(1, sector, sector + sectors);
          const [at, length] = [sector * 512, sectors * 512];
          const operation = (["read", "write", "write", "write-zeroes", "discard"] as const)[random.below(5)];
          const bytes = Uint8Array.from({ length }, () => random.below(256));
          const expected = operation === "read" ? model.slice(at, at + length) : null;
          if (operation !== "read") model.set(operation === "write" ? bytes : new Uint8Array(length), at);
          all.push({ submitted: stand.submit(operation, at, operation === "write" ? bytes : length), at, expected });
        }
        stand.settle();
        expect(all.length).to.be.greaterThan(30);
        for (const { submitted, expected } of all) {
          expect(submitted.error).to.equal(null);
          const { data } = submitted;
          if (expected !== null) expect(Buffer.compare(data, expected)).to.equal(0);
        }
      }
      const whole = stand.run("read", 0, SECTORS * 512);
      expect(Buffer.compare(whole.data, model)).to.equal(0);
    });
  }

  it("keeps more requests than the ring has room for, and ends each once", async () => {
    const store = new HeldStore(SECTORS * 512);
    const stand = await Stand.make({ store }, { features: 0n });
    const all = Array.from({ length: 200 }, (_, i) => stand.submit("read", i * 512, 512));
    stand.settle();
    expect(store.held.length).to.be.lessThan(128);
    while (store.held.length > 0) {
      store.release();
      stand.settle();
    }
    expect(all.map(({ ends }) => ends)).to.deep.equal(new Array(200).fill(1));
  });

  it("tells which requests fail, and that a flush has ended only when the store's has", async () => {
    const store = new HeldStore(SECTORS * 512, { writeBack: true });
    const stand = await Stand.make({ store });
    const [write, flush] = [stand.submit("write", 0, new Uint8Array(512)), stand.submit("flush", 0, 0)];
    stand.settle();
    store.release(new StoreError("medium", "a bad day"));
    stand.settle();
    expect(write.error).to.be.instanceOf(StoreError).and.include({ failure: "hardware" });
    expect(flush.error).to.equal("not ended");
    store.release();
    stand.settle();
    expect(flush.error).to.equal(null);
  });

  it("is without a cache where FLUSH is not used", async () => {
    const store = new HeldStore(SECTORS * 512, { writeBack: true, holding: false });
    const stand = await Stand.make({ store }, { features: Feature.blockSize });
    expect(stand.adapter.features.writeBack).to.equal(false);
    stand.run("write", 0, new Uint8Array(512));
    expect(store.seen).to.deep.equal(["write+fua"]);
  });

  it("hears of another size", async () => {
    const store = new MemoryStore(SECTORS * 512);
    const stand = await Stand.make({ store });
    store.resize(2 * SECTORS * 512);
    stand.settle();
    await Promise.resolve();
    await Promise.resolve();
    expect(stand.events).to.deep.equal([{ kind: "resized" }]);
    expect(stand.adapter.size).to.equal(2 * SECTORS * 512);
    expect(stand.run("read", SECTORS * 512, 512).error).to.equal(null);
  });

  it("ends everything when it is closed, and takes nothing any more", async () => {
    const store = new HeldStore(SECTORS * 512);
    const stand = await Stand.make({ store });
    const read = stand.submit("read", 0, 512);
    stand.settle();
    const closed = stand.adapter.close();
    while (store.held.length > 0) store.release(new StoreError("cancelled", "reset"));
    await closed;
    expect(read.error).to.be.instanceOf(StoreError);
    expect(stand.run("read", 0, 512).error).to.be.instanceOf(StoreError);
    expect(stand.events.map(({ kind }) => kind)).to.deep.equal(["closed"]);
  });

  it("believes nothing of a device that gives a request back without a status", async () => {
    const stand = await Stand.make({ store: new HeldStore(SECTORS * 512) });
    const [read, other] = [stand.submit("read", 0, 512), stand.submit("read", 512, 512)];
    stand.settle();
    const used = new DataView(stand.transport.areas[0].device.buffer, stand.transport.areas[0].device.byteOffset);
    used.setUint32(4, 0, true);
    used.setUint16(2, 1, true);
    stand.adapter.interrupt(0);
    stand.settle();
    expect([read.error, other.error].map((error) => error instanceof StoreError)).to.deep.equal([true, true]);
    expect(stand.events).to.deep.equal([{ kind: "closed", reason: "a virtio-blk status of 255" }]);
  });

  for (const [what, change] of [
    ["no interface of virtio 1.0 and no SCSI commands", { features: 0n }],
    ["blocks of no size", { config: "blkSize" }],
    ["no queue", { queues: 0 }],
  ] as const) {
    it(`refuses a device with ${what}`, async () => {
      const stand = new Stand();
      const store = new MemoryStore(SECTORS * 512);
      const device = new VirtioBlkDevice({ scheduler: stand.simulation, store });
      const played: VirtioDevice = Object.create(device, {
        features: { value: "features" in change ? change.features : device.features },
        queues: { value: "queues" in change ? change.queues : device.queues },
        config: {
          value: {
            ...device.config,
            read: (offset: number, target: Uint8Array) => {
              device.config.read(offset, target);
              if ("config" in change) target[20] = 3;
            },
          },
        },
        setFeatures: { value: () => {} },
        reset: { value: () => {} },
      });
      const error = await stand.probe(played).then(
        () => null,
        (reason) => reason,
      );
      expect(error).to.be.instanceOf(DeviceUnusable);
    });
  }
});

describe("SG_IO over virtio-blk", () => {
  it("is passed to the disk of a `lun`, whose device is a legacy one", async () => {
    const stand = await lun();
    expect(stand.adapter.passesCommands).to.equal(true);
    const inquiry = stand.pass(INQUIRY, { direction: "from-device" }, 40);
    expect(inquiry).to.include({ ended: 1, hostByte: HostByte.ok, status: 0, residual: 4 });
    expect(Buffer.from(inquiry.data.page(0).subarray(8, 14)).toString()).to.equal("PVSCSI");
    expect([...inquiry.data.page(0).subarray(36, 40)]).to.deep.equal([0, 0, 0, 0]);
  });

  it("carries sense data, and data to the disk", async () => {
    const stand = await lun();
    const ready = stand.pass([0, 0, 0, 0, 0, 0]);
    expect(ready).to.include({ hostByte: HostByte.ok, status: 2 });
    expect([...ready.sense.subarray(12, 14)]).to.deep.equal([SENSE.powerOn.asc, SENSE.powerOn.ascq]);
    const write = stand.pass([0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0], { direction: "to-device" }, 512);
    expect(write).to.include({ hostByte: HostByte.ok, status: 0, residual: 0 });
    expect([...new Set(stand.run("read", 512, 512).data)]).to.deep.equal([0xa5]);
    expect([...new Set(stand.run("read", 0, 512).data)]).to.deep.equal([0]);
  });

  it("leaves reads and writes as they are, and tells of another size", async () => {
    const store = new MemoryStore(SECTORS * 512);
    const stand = await lun(store);
    expect(stand.run("write", 0, new Uint8Array(512).fill(3)).error).to.equal(null);
    expect([...new Set(stand.run("read", 0, 512).data)]).to.deep.equal([3]);
    store.resize(2 * SECTORS * 512);
    stand.settle();
    await Promise.resolve();
    await Promise.resolve();
    expect(stand.events).to.deep.equal([{ kind: "resized" }]);
  });

  it("is refused of a `disk`: its device is one of virtio 1.0, which has no such request", async () => {
    const stand = await Stand.make();
    expect(stand.adapter.passesCommands).to.equal(false);
    expect(stand.pass(INQUIRY, { direction: "from-device" }, 36)).to.include({ ended: 1, hostByte: HostByte.error });
  });

  it("never has both interfaces: no VERSION_1 with SCSI commands, no SCSI commands with VERSION_1", async () => {
    const both = Feature.version1 | Feature.blockScsi;
    const store = new MemoryStore(4096);
    const scheduler = new Simulation(seededRandom(1));
    expect(new VirtioBlkDevice({ store, scheduler }).features & both).to.equal(Feature.version1);
    expect(new VirtioBlkDevice({ store, scheduler, unit: memoryDisk(store) }).features & both).to.equal(
      Feature.blockScsi,
    );
  });

  it("fails a command that is longer than a request has room for, and one that is laid out as none", async () => {
    const stand = await lun();
    expect(stand.pass(new Array(33).fill(0))).to.include({ ended: 1, hostByte: HostByte.error });
    expect(stand.pass([])).to.include({ ended: 1, hostByte: HostByte.error });
  });
});

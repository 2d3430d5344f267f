// A guest's disk on virtio-blk: the same tools and stores as on a SCSI disk, without SCSI.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BlockRequest, type PlainDisk } from "@pvscsi/guest";
import { type ByteStore, createDisk, faulty, MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  type BlockAdapterOptions,
  type BlockDeviceOptions,
  InProcessTransport,
  PAGE_SIZE,
  VirtioBlkAdapter,
  VirtioBlkDevice,
} from "@pvscsi/virtio";
import { expect } from "chai";
import { byteStoreContract, STORE_SIZE } from "../../contract/byte-store.js";
import { HeldStore } from "../../support/held-store.js";
import { diskOptions, MIB, pattern, placesOf, Stand, turn } from "./stand.js";

interface Machine {
  readonly stand: Stand;
  readonly adapter: VirtioBlkAdapter;
  readonly disk: PlainDisk;
}

async function add(
  stand: Stand,
  store: ByteStore,
  device: Partial<BlockDeviceOptions> = {},
  driver: Partial<BlockAdapterOptions> = {},
  pages = 4096,
): Promise<Machine> {
  const scheduler = stand.time;
  const memory = new Arena(new ArrayBuffer(pages * PAGE_SIZE));
  const transport = new InProcessTransport({
    device: new VirtioBlkDevice({ store, scheduler, ...device }),
    memory,
    scheduler,
  });
  const adapter = await VirtioBlkAdapter.probe({ transport, scheduler, ...driver });
  return { stand, adapter, disk: stand.guest.attachBlock(adapter) };
}

function machine(store: ByteStore = new MemoryStore(MIB, { writeBack: true }), device = {}): Promise<Machine> {
  return add(new Stand(), store, device);
}

/** A disk that libvirt would call `lun`. */
function lun(): Promise<Machine> {
  const store = new MemoryStore(MIB);
  return machine(store, { unit: createDisk(diskOptions(store)) });
}

function request(disk: PlainDisk, fields: Partial<BlockRequest>): Promise<BlockRequest> {
  return new Promise((resolve) => disk.submit(Object.assign(new BlockRequest(), fields, { completed: resolve })));
}

describe("a guest on virtio-blk", () => {
  it("calls its disks vda, vdb, and prints what Linux prints", async () => {
    const { stand } = await machine();
    const store = new MemoryStore(64 * MIB);
    const { disk } = await add(stand, store, { blockSize: 4096 }, { device: "virtio7" });
    expect(stand.log()).to.deep.equal([
      "virtio_blk virtio0: [vda] 2048 512-byte logical blocks (1.05 MB/1.00 MiB)",
      "virtio_blk virtio7: [vdb] 16384 4096-byte logical blocks (67.1 MB/64.0 MiB)",
    ]);
    expect(stand.guest.disk("/dev/vdb")).to.equal(disk);
    expect((await stand.run("lsscsi")).output).to.equal("");
  });

  it("copies to and from it, and sums it", async () => {
    const { stand } = await machine();
    expect((await stand.run("dd", "if=/dev/zero", "of=/dev/vda", "bs=4k", "count=4", "conv=fsync")).status).to.equal(0);
    const sum = await stand.run("sha256sum", "/dev/vda");
    expect(sum.output).to.equal("30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58  /dev/vda\n");
    const full = await stand.run("dd", "if=/dev/zero", "of=/dev/vda", "bs=1M", "seek=1", "count=1");
    expect(full).to.deep.include({ status: 1 });
    expect(full.output).to.match(/No space left on device/);
  });

  it("writes nothing to a disk that is read-only", async () => {
    const { stand } = await machine(new MemoryStore(MIB), { readOnly: true });
    const { output, status } = await stand.run("dd", "if=/dev/zero", "of=/dev/vda", "count=1");
    expect([status, output.split("\n")[0]]).to.deep.equal([1, "dd: error writing '/dev/vda': Operation not permitted"]);
  });

  it("cuts a request into as many as the device's limits want, on foreign pages and the adapter's", async () => {
    const store = new HeldStore(4 * MIB, { holding: false });
    const { stand, disk } = await machine(store, { limits: { segments: 4 } });
    const data = pattern(100 * 1024);
    const write = await stand.until(
      request(disk, { operation: "write", offset: 512, length: data.length, places: placesOf(data) }),
    );
    expect(write.failure).to.equal(null);
    expect(store.seen.length).to.equal(7);
    const pages = disk.allocate(25);
    const read = await stand.until(
      request(disk, {
        operation: "read",
        offset: 512,
        length: data.length,
        places: placesOf(...pages),
        adapterPages: true,
      }),
    );
    expect(read.failure).to.equal(null);
    expect(Buffer.compare(Buffer.concat(pages), data)).to.equal(0);
    expect(store.seen.length).to.equal(14);
  });

  it("flushes behind a write that has to be durable: the device does not say whether there is a cache", async () => {
    const store = new HeldStore(MIB, { writeBack: true, holding: false });
    const { stand, disk } = await machine(store);
    const fields = { operation: "write", length: 512, places: placesOf(pattern(512)) } as const;
    expect((await stand.until(request(disk, fields))).failure).to.equal(null);
    expect((await stand.until(request(disk, { ...fields, fua: true }))).failure).to.equal(null);
    expect((await stand.until(request(disk, { operation: "flush" }))).failure).to.equal(null);
    expect(store.seen).to.deep.equal(["write", "write", "flush", "flush"]);
  });

  it("makes do with little memory: less at a time, one after the other", async () => {
    const store = new MemoryStore(4 * MIB);
    const few = 100;
    const { stand, disk } = await add(new Stand(), store, {}, {}, few);
    const all = Array.from({ length: 40 }, (_, i) => pattern(64 * 1024, i));
    const fields = { operation: "write", length: 64 * 1024 } as const;
    const written = await stand.until(
      Promise.all(all.map((data, i) => request(disk, { ...fields, offset: i * 64 * 1024, places: placesOf(data) }))),
    );
    expect(written.filter(({ failure }) => failure !== null)).to.deep.equal([]);
    const back = new Uint8Array(40 * 64 * 1024);
    await stand.until(request(disk, { operation: "read", length: back.length, places: placesOf(back) }));
    expect(Buffer.compare(back, Buffer.concat(all))).to.equal(0);
  });

  it("fails what there is no page for at all", async () => {
    const { stand, disk, adapter } = await machine(new MemoryStore(MIB));
    for (let pages = 4096; pages > 0; ) {
      try {
        adapter.allocate(pages);
      } catch {
        pages >>= 1;
      }
    }
    const fields = { operation: "read", length: 4096, places: placesOf(new Uint8Array(4096)) } as const;
    expect((await stand.until(request(disk, fields))).failure).to.include({ words: "I/O" });
  });

  it("tells of a request that fails, in the log and in the store", async () => {
    const stand = new Stand();
    const fault = { operation: "read", first: 4096, end: 4608, delay: 0, failure: "medium", times: 9 } as const;
    const { disk } = await add(stand, faulty(new MemoryStore(MIB), [fault], stand.time));
    const read = await stand.until(
      request(disk, { operation: "read", offset: 4096, length: 512, places: placesOf(new Uint8Array(512)) }),
    );
    expect(read).to.deep.include({ failedAt: 4096 });
    expect(stand.log().at(-1)).to.equal("I/O error, dev vda, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2");
    const { output } = await stand.run("dd", "if=/dev/vda", "of=/dev/null", "bs=512", "skip=8", "count=1");
    expect(output.split("\n")[0]).to.equal("dd: error reading '/dev/vda': Input/output error");
  });

  it("hears of another size", async () => {
    const store = new MemoryStore(MIB);
    const { stand, disk } = await machine(store);
    let heard = 0;
    disk.resizeListeners.add(() => {
      heard += 1;
    });
    store.resize(2 * MIB);
    await stand.pass(1);
    expect(stand.log().at(-1)).to.equal(
      "virtio_blk virtio0: [vda] new size: 4096 512-byte logical blocks (2.10 MB/2.00 MiB)",
    );
    expect([heard, disk.size, stand.guest.store(disk).size]).to.deep.equal([1, 2 * MIB, 2 * MIB]);
  });

  it("writes its cache back when it goes, and its name is free again", async () => {
    const store = new HeldStore(MIB, { writeBack: true, holding: false });
    const { stand, disk } = await machine(store);
    await stand.until(stand.guest.detachBlock(disk));
    expect(store.seen).to.deep.equal(["flush"]);
    await turn();
    expect(stand.guest.disk("vda")).to.equal(undefined);
    expect((await add(stand, new MemoryStore(MIB))).disk.name).to.equal("vda");
  });

  it("ends what is under way when the device breaks, and lets the name go", async () => {
    const store = new HeldStore(MIB);
    const { stand, disk, adapter } = await machine(store);
    const read = request(disk, { operation: "read", length: 512, places: placesOf(new Uint8Array(512)) });
    await stand.pass(1);
    adapter.needsReset("a test says so");
    expect((await stand.until(read)).failure).to.include({ words: "I/O" });
    await turn();
    expect(stand.guest.disk("vda")).to.equal(undefined);
    const late = await request(disk, { operation: "read", length: 512, places: placesOf(new Uint8Array(512)) });
    expect(late.failure).to.include({ words: "I/O" });
  });

  it("has no more requests under way than the ring has room for, and withdraws one that waits", async () => {
    const store = new HeldStore(4 * MIB);
    const { stand, disk } = await machine(store);
    const context = {};
    const reads = Array.from({ length: 200 }, (_, i) =>
      request(disk, {
        operation: "read",
        offset: i * 512,
        length: 512,
        places: placesOf(new Uint8Array(512)),
        context: i === 199 ? context : null,
      }),
    );
    await stand.pass(1);
    expect(store.held.length).to.equal(128);
    const waiting = disk.findWaiting(context);
    expect(waiting !== null && disk.cancel(waiting)).to.equal(true);
    expect((await reads[199]).failure).to.include({ failure: "cancelled" });
    while (store.held.length > 0) {
      store.release();
      await stand.pass(1);
    }
    expect((await Promise.all(reads)).filter(({ failure }) => failure !== null)).to.have.length(1);
  });
});

describe("a guest on virtio-blk in steady state", () => {
  /** A view is made of what a write is copied from, as the driver's memory is one piece: 96 bytes of every second request. */
  it("allocates nothing of its own for a request", async () => {
    const program = fileURLToPath(new URL("virtio-blk-steady-state.js", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    const { bytesEach, failed } = JSON.parse(stdout) as { bytesEach: number; failed: number };
    expect(failed).to.equal(0);
    expect(bytesEach).to.be.below(50);
  }).timeout(120_000);
});

describe("SG_IO at a virtio-blk disk of a guest", () => {
  it("reaches the disk where it is a lun", async () => {
    const { stand } = await lun();
    const { output, status } = await stand.run("sg_inq", "/dev/vda");
    expect(status).to.equal(0);
    expect(output).to.match(/ Vendor identification: LIO-ORG +\n Product identification: disk0 +\n/);
    expect((await stand.run("sg_inq", "--id", "/dev/vda")).output).to.match(/6001405000000001/);
    expect((await stand.run("sg_raw", "/dev/vda", ..."00 00 00 00 00 00".split(" "))).output).to.match(/Power on/);
    expect((await stand.run("sg_readcap", "/dev/vda")).output).to.match(/Last LBA=2047 /);
  });

  it("moves data both ways, and leaves the disk as it is", async () => {
    const { stand } = await lun();
    await stand.run("dd", "if=/dev/zero", "of=/dev/vda", "bs=4k", "count=1");
    await stand.run("sg_raw", "/dev/vda", ..."00 00 00 00 00 00".split(" "));
    const read = await stand.run("sg_raw", "-r", "512", "vda", ..."28 00 00 00 00 00 00 00 01 00".split(" "));
    expect(read).to.deep.include({ status: 0 });
    expect(read.output).to.match(/Received 512 bytes of data:/);
  });

  /** As sg3_utils 1.46 prints it at a disk of a Linux guest's virtio_blk. */
  it("is refused where it is a disk, by the words of ENOTTY", async () => {
    const { stand } = await machine();
    const words = "Inappropriate ioctl for device\n";
    for (const [command, output] of [
      ["sg_inq /dev/vda", `sg_inq failed: ${words}`],
      ["sg_inq -i /dev/vda", `inquiry: pass-through os error: ${words}    inquiry: ${words}sg_inq failed: ${words}`],
      [
        "sg_readcap /dev/vda",
        `read capacity(10): pass-through os error: ${words}READ CAPACITY (10) failed: ${words}sg_readcap failed: ${words}`,
      ],
      ["sg_raw /dev/vda 00 00 00 00 00 00", `do_scsi_pt: ${words}`],
    ]) {
      expect(await stand.run(...command.split(" ")), command).to.deep.equal({ output, status: 75 });
    }
    expect((await stand.run("sg_inq", "/dev/vdb")).output).to.equal(
      "sg_inq: error opening file: /dev/vdb: No such file or directory\n",
    );
  });
});

for (const blockSize of [512, 4096] as const) {
  byteStoreContract(`a virtio-blk disk of ${blockSize}-byte blocks`, async () => {
    const { stand, disk } = await machine(new MemoryStore(STORE_SIZE, { writeBack: true }), { blockSize });
    return { store: stand.guest.store(disk), pump: () => void stand.time.step() };
  });
}

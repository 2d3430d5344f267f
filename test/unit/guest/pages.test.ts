// Tests what a guest does when its adapters have too few pages for its commands: they wait until some are given back, they
// share what there is, and they fail only when nothing is under way that has any.

import { BlockRequest, passThrough, type ScsiHost } from "@pvscsi/guest";
import { type Command, HostByte } from "@pvscsi/scsi";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { ScriptedAdapter } from "./scripted-adapter.js";
import { MIB, pattern, placesOf, Stand, submit } from "./stand.js";

const PAGE = 4096;

/** Pages that several adapters have together. */
class Memory {
  used = 0;
  /** At the begin of some command. */
  most = 0;

  constructor(public pages: number) {}
}

/** Takes a millisecond for a command. */
class SmallAdapter extends ScriptedAdapter {
  readonly sizes: number[] = [];
  readonly #under = new Set<Command>();

  constructor(
    readonly time: Stand["time"],
    readonly small: Memory,
    queueDepth = 15,
  ) {
    super({ queueDepth });
  }

  get underWay(): number {
    return this.#under.size;
  }

  override allocate(pages: number): Uint8Array[] {
    if (this.small.used + pages > this.small.pages) throw new RangeError("too few pages");
    this.small.used += pages;
    return super.allocate(pages);
  }

  override free(pages: readonly Uint8Array[]): void {
    this.small.used -= pages.length;
    for (const page of pages) page.fill(0xee);
  }

  override queue(command: Command): void {
    this.sizes.push(command.data.count);
    this.small.most = Math.max(this.small.most, this.small.used);
    this.#under.add(command);
    this.time.after(1, { run: () => this.#execute(command) });
  }

  #execute(command: Command): void {
    if (this.#under.delete(command)) super.queue(command);
  }

  override async close(): Promise<void> {
    for (const command of [...this.#under]) {
      this.#under.delete(command);
      this.end(command, { hostByte: HostByte.noConnect });
    }
    await super.close();
  }
}

describe("A guest whose adapter has few pages", () => {
  let stand: Stand;
  let memory: Memory;
  let adapter: SmallAdapter;
  let host: ScsiHost;

  const attach = async (pages: number, queueDepth?: number) => {
    stand = new Stand();
    memory = new Memory(64);
    adapter = new SmallAdapter(stand.time, memory, queueDepth);
    host = await stand.attach(adapter);
    memory.pages = pages;
    memory.most = 0;
  };
  const write = (offset: number, data: Uint8Array, disk = "sda") => submit(stand.disk(disk), "write", { offset, data });
  const device = () => stand.guest.device("sda") ?? expect.fail("no sda");
  const detached = async () => {
    await stand.until(stand.guest.detach(host));
    expect(memory.used, "pages that are not free").to.equal(0);
  };

  it("moves what is larger than all of them together, several commands at a time, and leaves some to its adapters", async () => {
    await attach(16);
    const data = pattern(MIB);
    const done = await stand.until(write(0, data));
    expect([done.failure, adapter.memory]).to.deep.equal([null, data]);
    expect(Math.max(...adapter.sizes)).to.be.within(2, 16);
    const back = new Uint8Array(MIB);
    const read = await stand.until(submit(stand.disk(), "read", { data: back }));
    expect([read.failure, back]).to.deep.equal([null, data]);
    expect(memory.most, "of 16, but for 4").to.be.within(10, 12);
    await detached();
  });

  it("shares one page among all", async () => {
    await attach(1);
    const data = pattern(64 * 1024);
    const done = await stand.until(Promise.all([write(0, data), write(data.length, data)]));
    expect(done.map(({ failure }) => failure)).to.deep.equal([null, null]);
    expect(new Set(adapter.sizes.slice(-32))).to.deep.equal(new Set([1]));
    expect(adapter.memory.subarray(0, 2 * data.length)).to.deep.equal(Uint8Array.from([...data, ...data]));
    await detached();
  });

  it("lets a command wait that finds none, and takes it up when one has ended", async () => {
    await attach(2, 4);
    const ends: number[] = [];
    const one = (at: number) => write(at * PAGE, pattern(2 * PAGE, at)).then(() => ends.push(at));
    await stand.until(Promise.all([one(0), one(2), one(4)]));
    expect(ends).to.deep.equal([0, 2, 4]);
    expect(adapter.memory.subarray(4 * PAGE, 6 * PAGE)).to.deep.equal(pattern(2 * PAGE, 4));
    await detached();
  });

  it("fails a command when there are none and nothing is under way, and the disk goes on when there are some", async () => {
    await attach(0);
    const from = stand.guest.log.lines.length;
    const { failure, failedAt } = await stand.until(write(8192, pattern(MIB / 2)));
    expect([failure?.words, failedAt]).to.deep.equal(["kernel resource", 8192]);
    expect(stand.log(from)).to.deep.equal([
      "kernel resource error, dev sda, sector 16 op 0x1:(WRITE) flags 0x8800 phys_seg 128 prio class 2",
    ]);
    const outcome = await stand.until(
      passThrough(host.queue, device(), Uint8Array.of(0x12, 0, 0, 0, 36, 0), { receive: 36 }),
    );
    expect([outcome.good, outcome.hostByte, outcome.data.length]).to.deep.equal([false, HostByte.error, 0]);
    const { output, status } = await stand.run("dd", "if=/dev/sda", "of=/dev/null", "count=1");
    expect([output.split("\n")[0], status]).to.deep.equal(["dd: error reading '/dev/sda': Cannot allocate memory", 1]);
    expect((await stand.until(submit(stand.disk(), "flush"))).failure, "what needs none").to.equal(null);
    memory.pages = 8;
    const data = pattern(MIB / 2);
    expect((await stand.until(write(8192, data))).failure).to.equal(null);
    expect(adapter.memory.subarray(8192, 8192 + data.length)).to.deep.equal(data);
    await detached();
  });

  it("gives a command that needs many its turn, though others need few", async () => {
    await attach(4);
    let passed = false;
    let written = 0;
    const more = async (): Promise<void> => {
      for (; !passed; written++) await write((written % 64) * PAGE, pattern(PAGE));
    };
    const writers = Promise.all([more(), more(), more(), more(), more()]);
    await stand.pass(3);
    const cdb = Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 32, 0);
    const outcome = await stand.until(passThrough(host.queue, device(), cdb, { receive: 4 * PAGE }));
    passed = true;
    await stand.until(writers);
    expect([outcome.good, outcome.data.length]).to.deep.equal([true, 4 * PAGE]);
    expect(written).to.be.lessThan(100);
    await detached();
  });

  it("shares them between its hosts: what one does not use the other has, and neither starves", async () => {
    await attach(64);
    await stand.until(Promise.all(Array.from({ length: 7 }, (_, i) => write(i * 8 * PAGE, pattern(8 * PAGE)))));
    const other = new SmallAdapter(stand.time, memory);
    memory.pages = 96;
    const second = await stand.attach(other);
    expect(memory.used, "kept by the first").to.be.within(48, 64);
    memory.pages = 16;
    const both = await stand.until(Promise.all([write(0, pattern(MIB, 2)), write(0, pattern(MIB, 3), "sdb")]));
    expect(both.map(({ failure }) => failure)).to.deep.equal([null, null]);
    expect([adapter.memory, other.memory]).to.deep.equal([pattern(MIB, 2), pattern(MIB, 3)]);
    await stand.until(stand.guest.detach(second));
    await detached();
  });

  it("fails who waits for pages of a host that goes without giving them back", async () => {
    await attach(64);
    const other = new SmallAdapter(stand.time, memory);
    const second = await stand.attach(other);
    memory.pages = 0;
    await stand.until(write(0, pattern(PAGE)));
    memory.pages = 1;
    adapter.script = () => "never";
    adapter.close = async () => {};
    void write(0, pattern(2 * PAGE));
    let ended = false;
    const waiting = write(0, pattern(PAGE), "sdb").finally(() => {
      ended = true;
    });
    await stand.pass(5);
    expect([ended, memory.used]).to.deep.equal([false, 1]);
    await stand.until(host.queue.close());
    expect((await stand.until(waiting)).failure?.words).to.equal("kernel resource");
    await stand.until(stand.guest.detach(second));
  });

  it("goes on around a command that its adapter keeps for good, with the pages of that one", async () => {
    await attach(6, 4);
    adapter.manageWith = ({ function: name }) => name === "device-reset";
    let kept: Command | null = null;
    adapter.script = (command) => {
      if (kept !== null || command.cdb[0] !== 0x2a) return null;
      kept = command;
      return "never";
    };
    const data = pattern(4 * PAGE);
    const first = write(0, data.subarray(0, 2 * PAGE));
    const second = write(2 * PAGE, data.subarray(2 * PAGE));
    const ends = await stand.until(Promise.all([first, second]));
    expect(ends.map(({ failure }) => failure)).to.deep.equal([null, null]);
    expect(adapter.memory.subarray(0, data.length)).to.deep.equal(data);
    expect(memory.used, "kept with the command").to.be.above(0);
    adapter.end(kept as unknown as Command, {});
    await detached();
  });

  it("fails a command that could be tried again only with pages that there are not", async () => {
    await attach(1, 4);
    adapter.manageWith = ({ function: name }) => name === "device-reset";
    let kept: Command | null = null;
    adapter.script = (command) => {
      if (kept !== null || command.cdb[0] !== 0x2a) return null;
      kept = command;
      return "never";
    };
    const { failure } = await stand.until(write(0, pattern(2 * PAGE)));
    expect(failure?.words).to.equal("I/O");
    expect(stand.log().filter((line) => line.includes("CDB:"))).to.deep.equal([
      "sd 0:0:0:0: [sda] tag#0 CDB: Write(10) 2a 00 00 00 00 00 00 00 08 00",
    ]);
    adapter.end(kept as unknown as Command, {});
    expect((await stand.until(write(0, pattern(2 * PAGE)))).failure).to.equal(null);
    await detached();
  });

  it("refuses who waits when it ends", async () => {
    await attach(2);
    const writes = Array.from({ length: 20 }, (_, i) => write(i * PAGE, pattern(PAGE)));
    const passed = passThrough(host.queue, device(), Uint8Array.of(0x12, 0, 0, 0, 36, 0), { receive: 36 });
    await stand.until(host.queue.close());
    const ends = await stand.until(Promise.all(writes));
    expect(ends.every(({ failure }) => failure !== null)).to.equal(true);
    expect((await stand.until(passed)).hostByte).to.equal(HostByte.noConnect);
    expect(memory.used).to.equal(0);
  });

  for (const seed of [1, 2, 3, 4]) {
    it(`loses nothing whatever comes: 32 requests at a time, failures, memory that comes and goes, order ${seed}`, async () => {
      await attach(7);
      const random = seededRandom(seed);
      const expected = new Uint8Array(MIB);
      adapter.script = ({ cdb }) => {
        if (cdb[0] !== 0x2a && cdb[0] !== 0x28) return null;
        return random.chance(0.05) ? { hostByte: HostByte.busBusy } : random.chance(0.05) ? { status: 0x08 } : null;
      };
      // Each writer has a part of the disk.
      const part = MIB / 32;
      let failed = 0;
      const writer = async (index: number): Promise<void> => {
        for (let i = 0; i < 20; i++) {
          const blocks = 1 + random.below(part / 512);
          const at = index * part + random.below(part / 512 - blocks + 1) * 512;
          const data = pattern(blocks * 512, random.below(100));
          const request = await write(at, data);
          if (request.failure === null) expected.set(data, at);
          else {
            expect(request.failure.words).to.equal("kernel resource");
            failed += 1;
            expected.set(adapter.memory.subarray(at, at + data.length), at);
          }
          memory.pages = random.chance(0.05) ? 0 : 1 + random.below(40);
        }
      };
      await stand.until(Promise.all(Array.from({ length: 32 }, (_, index) => writer(index))));
      expect(adapter.memory).to.deep.equal(expected);
      expect(failed).to.be.lessThan(320);
      memory.pages = 64;
      const back = new Uint8Array(MIB);
      expect((await stand.until(submit(stand.disk(), "read", { data: back }))).failure).to.equal(null);
      expect(back).to.deep.equal(expected);
      await detached();
    });
  }

  it("needs none where the data lies in pages of its adapter", async () => {
    await attach(64);
    const disk = stand.disk();
    const pages = disk.allocate(2);
    memory.pages = 0;
    const done = await stand.until(
      new Promise<BlockRequest>((resolve) => {
        const request = new BlockRequest();
        const places = placesOf(...pages);
        Object.assign(request, {
          operation: "read",
          length: places.length,
          places,
          adapterPages: true,
          completed: resolve,
        });
        disk.submit(request);
      }),
    );
    expect(done.failure).to.equal(null);
    disk.free(pages);
    await detached();
  });
});

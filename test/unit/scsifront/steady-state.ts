// A program: prints what READs of 4 KiB cost over both drivers, and over no wire at all, as JSON. It has a process of its
// own, as code that other tests have called with other types is compiled to box numbers.

import { setImmediate } from "node:timers/promises";
import { Command, directAdapter, type HostAdapter, MemoryStore, Target } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront } from "@pvscsi/scsifront";
import { nullProbes, Simulation, seededRandom, TurnScheduler } from "@pvscsi/wire";
import { connectInProcess, Hypervisor, type InProcessDomain, Xenstored } from "@pvscsi/xen";
import { allocatedPerRecord } from "../../support/allocation.js";
import { memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";

/** A queue that is run when asked to, on the caller's stack. */
class Turns {
  #next: (() => void) | null = null;
  readonly scheduler = new TurnScheduler((callback) => {
    this.#next = callback;
  });

  run(): void {
    while (this.#next !== null) {
      const next = this.#next;
      this.#next = null;
      next();
    }
  }

  async done<Value>(promise: Promise<Value>): Promise<Value> {
    let ended = false;
    const watched = promise.finally(() => {
      ended = true;
    });
    while (!ended) {
      this.run();
      await setImmediate();
    }
    return watched;
  }
}

/** Keeps 15 READs of 4 KiB under way until `count` have completed. */
class Reader {
  readonly #adapter: HostAdapter;
  readonly #run: () => void;
  readonly #commands: Command[];
  #left = 0;
  failed = 0;

  constructor(adapter: HostAdapter, run: () => void) {
    this.#adapter = adapter;
    this.#run = run;
    this.#commands = adapter.allocate(15).map((page, index) => {
      const command = new Command();
      command.cdb.set([0x28, 0, 0, 0, 0, index * 8, 0, 0, 8, 0]);
      command.cdbLength = 10;
      command.direction = "from-device";
      command.data.add(page, 0, 4096);
      command.completed = this.#completed;
      return command;
    });
  }

  read(count: number): void {
    this.#left = count;
    for (const command of this.#commands) this.#queue(command);
    this.#run();
  }

  readonly #completed = (command: Command): void => {
    if (command.hostByte !== 0 || command.status !== 0 || command.residual !== 0) this.failed += 1;
    this.#queue(command);
  };

  #queue(command: Command): void {
    if (this.#left-- > 0) this.#adapter.queue(command);
  }
}

async function connected(): Promise<{ adapter: HostAdapter; run: () => void }> {
  const turns = new Turns();
  const { scheduler } = turns;
  const parts = { scheduler, clock: new Simulation(seededRandom(1)), probes: nullProbes };
  const xenstored = new Xenstored(parts);
  const hypervisor = new Hypervisor(parts);
  const connect = (id: number) => connectInProcess(xenstored, { domain: id, privileged: id === 0 }, scheduler);
  const tool = connect(0);
  const create = async (id: number): Promise<InProcessDomain> => {
    await turns.done(tool.mkdir(`/local/domain/${id}`));
    await turns.done(tool.setPermissions(`/local/domain/${id}`, [`n${id}`]));
    return hypervisor.createDomain({ id, store: connect(id) });
  };
  const directory = new TestDirectory({ disk: memoryDisk(new MemoryStore(1 << 20)) });
  await turns.done(new Scsiback({ ...parts, domain: await create(0), directory }).start());
  const found = new Promise<HostAdapter>((resolve) => {
    const attach = (adapter: HostAdapter): void =>
      adapter.listen(async () => {
        resolve(adapter);
        return true;
      });
    void create(1).then((domain) => new Scsifront({ ...parts, domain, attach }).start());
  });
  const writer = { done: <Value>(promise: Promise<Value>) => turns.done(promise), tool };
  await VscsiNodes.create(writer, { guest: 1, luns: [["disk", "0:0:0:0"]] });
  return { adapter: await turns.done(found), run: () => turns.run() };
}

function nanoseconds(count: number, work: (count: number) => void): number {
  work(count);
  const begin = process.hrtime.bigint();
  work(count);
  return Number(process.hrtime.bigint() - begin) / count;
}

const { adapter, run } = await connected();
const reader = new Reader(adapter, run);
// The first ones are told of the power on.
reader.read(15);
reader.failed = 0;
const bytesEach = allocatedPerRecord((records) => reader.read(records));
const target = new Target();
target.add(0, memoryDisk(new MemoryStore(1 << 20)));
const direct = new Reader(directAdapter(target), () => {});
console.log(
  JSON.stringify({
    bytesEach,
    failed: reader.failed,
    nanoseconds: nanoseconds(200_000, (count) => reader.read(count)),
    directNanoseconds: nanoseconds(200_000, (count) => direct.read(count)),
  }),
);

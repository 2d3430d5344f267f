import { Command, createDisk, type HostAdapter, type LogicalUnit, MemoryStore } from "@pvscsi/scsi";
import { ProbeHub } from "@pvscsi/wire";
import { expect } from "chai";
import { nodeClock, nodeScheduler, OneProcess } from "pvscsi";
import { collectGarbage } from "../../support/allocation.js";
import { machine } from "./world.js";

const SIZE = 1024 * 1024;
const DEPTH = 15;

function disk(): LogicalUnit {
  const identity = { vendor: "V", product: "P", revision: "1", serial: "1", wwn: "5000000000000001" };
  return createDisk({ ...identity, store: new MemoryStore(SIZE), blockSize: 512 });
}

/** Keeps `DEPTH` commands of 4 KiB under way, each queued again as it completes. */
class Load {
  readonly #adapter: HostAdapter;
  readonly #commands: Command[];
  #left = 0;
  #underWay = 0;
  #block = 0;
  #over: () => void = () => {};
  failures = 0;

  constructor(adapter: HostAdapter, opcode: number) {
    this.#adapter = adapter;
    this.#commands = adapter.allocate(DEPTH).map((page) => {
      const command = new Command();
      command.cdb[0] = opcode;
      command.cdb[8] = 8;
      command.cdbLength = 10;
      command.direction = opcode === 0x28 ? "from-device" : "to-device";
      command.data.add(page, 0, 4096);
      command.completed = (ended) => this.#ended(ended);
      return command;
    });
  }

  run(count: number): Promise<void> {
    this.#left = count;
    return new Promise((resolve) => {
      this.#over = resolve;
      for (const command of this.#commands) this.#start(command);
    });
  }

  #start(command: Command): void {
    this.#left -= 1;
    this.#underWay += 1;
    this.#block = (this.#block + 8) & 0x7ff;
    command.cdb[4] = this.#block >>> 8;
    command.cdb[5] = this.#block;
    this.#adapter.queue(command);
  }

  #ended(command: Command): void {
    this.#underWay -= 1;
    if (command.hostByte !== 0 || command.status !== 0) this.failures += 1;
    if (this.#left > 0) this.#start(command);
    else if (this.#underWay === 0) this.#over();
  }
}

describe("commands through scsifront, ring, scsiback, target and memory", () => {
  for (const [name, opcode] of [
    ["READ", 0x28],
    ["WRITE", 0x2a],
  ] as const) {
    it(`let the heap grow by less than a byte each: 10^6 of ${name}(10), 4 KiB, 15 at a time`, async () => {
      const logicalUnit = disk();
      const system = new OneProcess({
        clock: nodeClock,
        scheduler: nodeScheduler(),
        probes: new ProbeHub(),
        directory: { open: async () => ({ logicalUnit, release: async () => {} }) },
        devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
      });
      await system.start();
      const { guest } = system.guest(await system.toolstack.create(machine(["0:0:0:0,0:0:0:0"])));
      const load = new Load(guest.hosts[0].adapter, opcode);
      await load.run(100_000);
      collectGarbage();
      const before = process.memoryUsage().heapUsed;
      await load.run(1_000_000);
      collectGarbage();
      const growth = (process.memoryUsage().heapUsed - before) / 1_000_000;
      expect(load.failures).to.equal(0);
      expect(growth, "bytes a command").to.be.below(1);
      await system.close();
    }).timeout(60_000);
  }
});

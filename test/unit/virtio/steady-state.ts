// A program: prints what a READ or a WRITE of 4 KiB costs, as JSON: its chain alone through both ends of a virtqueue, or all of it
// through the driver and the device. Each has a process of its own, as code that was called with other types before is
// compiled to box numbers.

import { Command, MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  Chain,
  Feature,
  InProcessTransport,
  PAGE_SIZE,
  ringFeatures,
  SplitDeviceQueue,
  SplitDriverQueue,
  TargetTable,
  Used,
  VirtioScsiAdapter,
  VirtioScsiDevice,
} from "@pvscsi/virtio";
import { Places, TurnScheduler } from "@pvscsi/wire";
import { allocatedPerRecord } from "../../support/allocation.js";
import { memoryDisk } from "../../support/scsi-devices.js";
import { pieces } from "./queue-world.js";

const SIZE = 128;
/** Chains or commands under way. */
const DEPTH = 16;

/** How many of its records did not end as they should; `run` takes that many records through. */
interface Work {
  run(records: number): void;
  failed: number;
}

/** Chains of a header, an answer and a page, through both ends of a ring. */
function chains(features: bigint): Work {
  const memory = new Arena(new ArrayBuffer(256 * PAGE_SIZE));
  const negotiated = ringFeatures(features);
  const driver = new SplitDriverQueue({ size: SIZE, memory, features: negotiated, longest: SIZE });
  const device = new SplitDeviceQueue({ size: SIZE, areas: driver.areas, base: 0, memory, features: negotiated });
  const readable = pieces(memory, 1, 51);
  const writable = new Places();
  const [answer, page] = memory.pages(2);
  writable.add(answer, 0, 108);
  writable.add(page, 0, PAGE_SIZE);
  const taken = Array.from({ length: DEPTH }, () => new Chain());
  const used = new Used();
  const work: Work = { run, failed: 0 };
  function run(records: number): void {
    for (let left = records; left > 0; left -= DEPTH) {
      for (let i = 0; i < DEPTH; i++) if (!driver.add(readable, writable, work)) work.failed += 1;
      driver.publish();
      device.quiet();
      for (let i = 0; i < DEPTH; i++) if (!device.take(taken[i])) work.failed += 1;
      // The first one last: IN_ORDER keeps the others back.
      for (let i = DEPTH - 1; i >= 0; i--) device.push(taken[i], 108 + PAGE_SIZE);
      device.publish();
      device.finalCheck();
      driver.quiet();
      while (driver.take(used)) if (used.written !== 108 + PAGE_SIZE) work.failed += 1;
      driver.finalCheck();
    }
  }
  return work;
}

/** Commands from the driver to a disk in memory, and back. */
async function commands(features: bigint, operation: "read" | "write" = "read"): Promise<Work> {
  let next: (() => void) | null = null;
  const scheduler = new TurnScheduler((callback) => {
    next = callback;
  });
  const settle = (): void => {
    for (let turn = next; turn !== null; turn = next) {
      next = null;
      turn();
    }
  };
  const targets = new TargetTable();
  targets.at(0).add(0, memoryDisk(new MemoryStore(1 << 20)));
  const device = new VirtioScsiDevice({ targets, scheduler });
  const memory = new Arena(new ArrayBuffer(1024 * PAGE_SIZE));
  const transport = new InProcessTransport({ device, memory, scheduler });
  const adapter = await VirtioScsiAdapter.probe({ transport, scheduler, features });
  const work: Work = { run, failed: 0 };
  let left = 0;
  const queue = (command: Command): void => {
    if (left-- > 0) adapter.queue(command);
  };
  const completed = (command: Command): void => {
    if (command.hostByte !== 0 || command.status !== 0 || command.residual !== 0) work.failed += 1;
    queue(command);
  };
  const all = adapter.allocate(DEPTH).map((page, index) => {
    const command = new Command();
    command.cdb.set([operation === "read" ? 0x28 : 0x2a, 0, 0, 0, 0, index * 8, 0, 0, 8, 0]);
    command.cdbLength = 10;
    command.direction = operation === "read" ? "from-device" : "to-device";
    command.data.add(page, 0, PAGE_SIZE);
    command.completed = completed;
    return command;
  });
  function run(records: number): void {
    left = records;
    for (const command of all) queue(command);
    settle();
  }
  // The first ones are told of the power on.
  run(DEPTH);
  work.failed = 0;
  return work;
}

const INDIRECT = Feature.indirectDescriptors | Feature.eventIndex;
const WORKS: { readonly [name: string]: () => Work | Promise<Work> } = {
  "chains in the ring": () => chains(Feature.eventIndex),
  "chains in tables": () => chains(INDIRECT),
  "chains in order": () => chains(INDIRECT | Feature.inOrder),
  "commands in the ring": () => commands(Feature.eventIndex),
  "commands in tables": () => commands(INDIRECT),
  "writes in tables": () => commands(INDIRECT, "write"),
};

const work = await WORKS[process.argv[2]]();
const bytesEach = allocatedPerRecord((records) => work.run(records));
const COUNT = 500_000;
const begin = process.hrtime.bigint();
work.run(COUNT);
const nanoseconds = Number(process.hrtime.bigint() - begin) / COUNT;
console.log(JSON.stringify({ bytesEach, failed: work.failed, nanoseconds }));

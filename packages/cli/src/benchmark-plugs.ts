// Knows the ways on which guests hear of a device that is plugged in, and how each is brought up to be measured: xenbus,
// the event queue of virtio-scsi, and the unit attention that a command meets where there is no event queue.

import { setTimeout as sleep } from "node:timers/promises";
import { measurePlugs, type PlugContender, type PlugRow } from "@pvscsi/bench";
import { argumentOrigin, isWholeHost, parseMachineConfig, parseVscsi } from "@pvscsi/config";
import { Guest } from "@pvscsi/guest";
import { Command, decodeSense, MemoryStore, SENSE, Status } from "@pvscsi/scsi";
import { Arena, Feature, InProcessTransport, TargetTable, VirtioScsiAdapter, VirtioScsiDevice } from "@pvscsi/virtio";
import { fail, ProbeHub, seededRandom } from "@pvscsi/wire";
import { absorbAttention } from "./benchmark-adapter.js";
import { diskOver, MACHINE } from "./benchmark-disk.js";
import { OneProcess } from "./one-process.js";
import { nodeClock, nodeScheduler } from "./platform.js";

const LUN = 1;
/** Bytes of the disks: nothing is read or written. */
const SIZE = 1 << 20;
const MEMORY = 4 << 20;
/** Milliseconds between the commands of a guest that has no other way to hear. */
const INTERVAL = 100;
const PLUGGED = "0:0:0:1";

/** Plugs so often in on each way, in turns. */
export async function measureAllPlugs(plugs: number): Promise<PlugRow[]> {
  const contenders: PlugContender[] = [];
  try {
    for (const open of [overXenbus, byEvents, byAttention]) contenders.push(await open());
    return await measurePlugs(contenders, plugs, nodeClock);
  } finally {
    for (const contender of contenders) await contender.close();
  }
}

function newDisk() {
  return diskOver(new MemoryStore(SIZE));
}

/** The toolstack's nodes, scsiback's and scsifront's states; all of it in this process. */
async function overXenbus(): Promise<PlugContender> {
  const system = new OneProcess({
    clock: nodeClock,
    scheduler: nodeScheduler(),
    probes: new ProbeHub(),
    directory: { open: async () => ({ logicalUnit: newDisk(), release: async () => {} }) },
    devices: { resolve: ({ text }) => ({ physicalDevice: text }) },
  });
  await system.start();
  const id = await system.toolstack.create(parseMachineConfig(MACHINE, { file: "benchmark" }));
  const { guest } = system.guest(id);
  const { device } = parseVscsi(`0:0:0:1,${PLUGGED}`, argumentOrigin());
  if (isWholeHost(device)) return fail("a whole host in the benchmark's words");
  return {
    name: "xenbus: scsi-attach",
    async plug() {
      await system.vscsi.attach(id, device);
      await until(() => hasPlugged(guest));
    },
    async unplug() {
      await system.vscsi.detach(id, PLUGGED);
      await until(() => !hasPlugged(guest));
    },
    close: () => system.close(),
  };
}

/** A bus with one disk, and a driver on it that uses these features where they are offered. */
async function virtioBus(features?: bigint) {
  const targets = new TargetTable();
  targets.at(0).add(0, newDisk());
  const scheduler = nodeScheduler();
  const device = new VirtioScsiDevice({ targets, scheduler });
  const transport = new InProcessTransport({ device, memory: new Arena(new ArrayBuffer(MEMORY)), scheduler });
  const adapter = await VirtioScsiAdapter.probe({ transport, scheduler, ...(features !== undefined && { features }) });
  return { target: targets.at(0), adapter };
}

async function byEvents(): Promise<PlugContender> {
  const { target, adapter } = await virtioBus();
  const guest = new Guest({ clock: nodeClock, scheduler: nodeScheduler(), name: "benchmark" });
  guest.attach(adapter);
  return {
    name: "virtio-scsi: event queue",
    async plug() {
      target.add(LUN, newDisk());
      await until(() => hasPlugged(guest));
    },
    async unplug() {
      await target.remove(LUN);
      await until(() => !hasPlugged(guest));
    },
    close: () => adapter.close(),
  };
}

/** A driver without HOTPLUG: a command every so often meets REPORTED LUNS DATA HAS CHANGED. */
async function byAttention(): Promise<PlugContender> {
  const { target, adapter } = await virtioBus(Feature.eventIndex);
  await absorbAttention(adapter);
  const random = seededRandom(1, "plugs");
  return {
    name: `virtio-scsi: unit attention, a command each ${INTERVAL} ms`,
    async plug() {
      target.add(LUN, newDisk());
      await attention(adapter);
    },
    async unplug() {
      await target.remove(LUN);
      await attention(adapter);
      // The next plug comes at any moment between two commands.
      await sleep(random.below(INTERVAL));
    },
    close: () => adapter.close(),
  };
}

/** Commands go out at the same moments whatever waits for one of them. */
async function attention(adapter: VirtioScsiAdapter): Promise<void> {
  do await sleep(INTERVAL - (nodeClock.now() % INTERVAL));
  while (!(await meetsAttention(adapter)));
}

/** Whether a TEST UNIT READY is told that logical units have come or gone. */
function meetsAttention(adapter: VirtioScsiAdapter): Promise<boolean> {
  const command = new Command();
  command.cdbLength = 6;
  return new Promise((resolve) => {
    command.completed = ({ status, sense, senseLength }) => {
      const said = status === Status.checkCondition ? decodeSense(sense, senseLength) : null;
      const { asc, ascq } = SENSE.reportedLunsChanged;
      resolve(said?.asc === asc && said.ascq === ascq);
    };
    adapter.queue(command);
  });
}

function hasPlugged({ devices }: Guest): boolean {
  return devices.some(({ lun }) => lun === LUN);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

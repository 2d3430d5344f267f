// Knows how to reach the same logical units by each wire: the host adapter of each, and how to let it go on.

import { type AdapterEvent, Command, directAdapter, type HostAdapter, Target } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront } from "@pvscsi/scsifront";
import { Arena, InProcessTransport, TargetTable, VirtioScsiAdapter, VirtioScsiDevice } from "@pvscsi/virtio";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenWorld } from "../../support/xen-world.js";
import { Units } from "./units.js";

export type WireName = "direct" | "pvscsi" | "virtio-scsi";
export const WIRES: readonly WireName[] = ["direct", "pvscsi", "virtio-scsi"];

/** Units at 0:0:0 and on, behind one wire, with no unit attention pending. */
export interface Wire {
  readonly name: WireName;
  readonly adapter: HostAdapter;
  readonly units: Units;
  /** Lets everything happen that can. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const heard = async (_event: AdapterEvent): Promise<boolean> => true;

async function openDirect(): Promise<Wire> {
  const units = new Units();
  const target = new Target();
  for (const [lun, unit] of units.all.entries()) target.add(lun, unit);
  const adapter = directAdapter(target);
  return { name: "direct", adapter, units, settle: async () => {}, close: () => adapter.close() };
}

async function openPvscsi(): Promise<Wire> {
  const units = new Units();
  const world = new XenWorld();
  const { simulation, probes } = world;
  const parts = { clock: simulation, scheduler: simulation, probes };
  const directory = new TestDirectory(Object.fromEntries(units.all.map((unit, lun) => [`unit${lun}`, unit])));
  const back = new Scsiback({ ...parts, domain: await world.createDomain(0), directory });
  await world.done(back.start());
  const guest = await world.createDomain(1, { memoryPages: 600 });
  const adapters: HostAdapter[] = [];
  const front = new Scsifront({
    ...parts,
    domain: guest,
    attach: (adapter) => {
      adapters.push(adapter);
      adapter.listen(heard);
    },
  });
  await world.done(front.start());
  await VscsiNodes.create(world, { guest: 1, luns: units.all.map((_, lun) => [`unit${lun}`, `0:0:0:${lun}`]) });
  await world.settle();
  const close = async (): Promise<void> => {
    await world.done(front.close());
    await world.done(back.close());
  };
  return { name: "pvscsi", adapter: adapters[0], units, settle: () => world.settle(), close };
}

async function openVirtio(): Promise<Wire> {
  const units = new Units();
  const simulation = new Simulation(seededRandom(1));
  const targets = new TargetTable();
  for (const [lun, unit] of units.all.entries()) targets.at(0).add(lun, unit);
  const device = new VirtioScsiDevice({ targets, scheduler: simulation });
  const memory = new Arena(new ArrayBuffer(4 << 20));
  const transport = new InProcessTransport({ device, memory, scheduler: simulation });
  const adapter = await VirtioScsiAdapter.probe({ transport, scheduler: simulation });
  adapter.listen(heard);
  const settle = async (): Promise<void> => {
    while (simulation.busy) simulation.step();
  };
  const close = async (): Promise<void> => {
    await adapter.close();
    device.close();
  };
  return { name: "virtio-scsi", adapter, units, settle, close };
}

const OPEN: { readonly [Name in WireName]: () => Promise<Wire> } = {
  direct: openDirect,
  pvscsi: openPvscsi,
  "virtio-scsi": openVirtio,
};

/** Opens a wire to fresh units and takes off the unit attentions of the beginning, which LUN came when is the wire's. */
export async function openWire(name: WireName): Promise<Wire> {
  const wire = await OPEN[name]();
  for (const lun of wire.units.disks.keys()) while ((await testUnitReady(wire, lun)) !== 0);
  return wire;
}

async function testUnitReady(wire: Wire, lun: number): Promise<number> {
  const command = new Command();
  command.cdbLength = 6;
  command.lun = lun;
  wire.adapter.queue(command);
  await wire.settle();
  return command.status;
}

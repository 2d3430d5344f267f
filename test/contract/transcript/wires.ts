// Knows how to reach the same logical units by each wire: the host adapter of each, and how to let it go on.

import { setImmediate } from "node:timers/promises";
import { type AdapterEvent, Command, directAdapter, type HostAdapter, Target } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront } from "@pvscsi/scsifront";
import {
  Arena,
  InProcessTransport,
  PortServer,
  PortTransport,
  TargetTable,
  VirtioScsiAdapter,
  VirtioScsiDevice,
  type VirtioTransport,
} from "@pvscsi/virtio";
import { type Scheduler, Simulation, seededRandom } from "@pvscsi/wire";
import { messageEnds } from "../../support/message-ends.js";
import { TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenWorld } from "../../support/xen-world.js";
import { InitiatorWorld } from "../../unit/iscsi/initiator-world.js";
import { World } from "../../unit/iscsi/peer.js";
import { Units } from "./units.js";

/** A wire of docs/WIRES.md's tables. */
export type WireName = "direct" | "pvscsi" | "virtio-scsi";
export const WIRES: readonly WireName[] = ["direct", "pvscsi", "virtio-scsi"];

/** Units at 0:0:0 and on, behind one wire, with no unit attention pending. */
export interface Wire<Name extends string = WireName> {
  readonly name: Name;
  readonly adapter: HostAdapter;
  readonly units: Units;
  /** Lets everything happen that can. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const heard = async (_event: AdapterEvent): Promise<boolean> => true;

async function openDirect(units: Units): Promise<Wire> {
  const target = new Target();
  for (const [lun, unit] of units.all.entries()) target.add(lun, unit);
  const adapter = directAdapter(target);
  return { name: "direct", adapter, units, settle: async () => {}, close: () => adapter.close() };
}

async function openPvscsi(units: Units): Promise<Wire> {
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

const MEMORY = 4 << 20;

/** What is between a virtio device and its driver. */
const BETWEEN = {
  nothing: (device: VirtioScsiDevice, scheduler: Scheduler): VirtioTransport =>
    new InProcessTransport({ device, memory: new Arena(new ArrayBuffer(MEMORY)), scheduler }),
  port(device: VirtioScsiDevice): VirtioTransport {
    const [end, other] = messageEnds();
    const buffer = new SharedArrayBuffer(MEMORY);
    new PortServer(other, buffer, device);
    return new PortTransport({ end, buffer });
  },
};

async function openVirtio(units: Units, between: keyof typeof BETWEEN = "nothing"): Promise<Wire> {
  const simulation = new Simulation(seededRandom(1));
  const targets = new TargetTable();
  for (const [lun, unit] of units.all.entries()) targets.at(0).add(lun, unit);
  const device = new VirtioScsiDevice({ targets, scheduler: simulation });
  const transport = BETWEEN[between](device, simulation);
  const adapter = await VirtioScsiAdapter.probe({ transport, scheduler: simulation });
  adapter.listen(heard);
  const settle = async (): Promise<void> => {
    do {
      while (simulation.busy) simulation.step();
      // Messages are heard between two turns.
      await setImmediate();
    } while (simulation.busy);
  };
  const close = async (): Promise<void> => {
    await adapter.close();
    device.close();
  };
  return { name: "virtio-scsi", adapter, units, settle, close };
}

/** Our initiator at our portal. */
async function openIscsiTo(units: Units): Promise<Wire<"iscsi">> {
  const world = new InitiatorWorld(new World({}, {}, null));
  for (const [lun, unit] of units.all.entries()) world.world.target.add(lun, unit);
  const adapter = await world.open();
  adapter.listen(heard);
  const close = (): Promise<void> => world.settled(adapter.close());
  return { name: "iscsi", adapter, units, settle: () => world.world.settle(), close };
}

const OPEN: { readonly [Name in WireName]: (units: Units) => Promise<Wire> } = {
  direct: openDirect,
  pvscsi: openPvscsi,
  "virtio-scsi": (units) => openVirtio(units),
};

/** Opens a wire to units, fresh ones where none are given, and takes off the unit attentions of the beginning, which LUN came when is the wire's. */
export async function openWire(name: WireName, units = new Units()): Promise<Wire> {
  return opened(await OPEN[name](units));
}

/** The same for virtio-scsi with a port between driver and device. */
export async function openVirtioPort(): Promise<Wire> {
  return opened(await openVirtio(new Units(), "port"));
}

/** The same for iSCSI. */
export async function openIscsi(): Promise<Wire<"iscsi">> {
  return opened(await openIscsiTo(new Units()));
}

async function opened<Name extends string>(wire: Wire<Name>): Promise<Wire<Name>> {
  for (const lun of wire.units.disks.keys()) while ((await testUnitReady(wire, lun)) !== 0);
  return wire;
}

async function testUnitReady(wire: Wire<string>, lun: number): Promise<number> {
  const command = new Command();
  command.cdbLength = 6;
  command.lun = lun;
  wire.adapter.queue(command);
  await wire.settle();
  return command.status;
}

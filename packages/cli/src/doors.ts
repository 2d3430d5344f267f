// Knows by which other wires a server hands out the shareable devices of its host, beside its own guests: iSCSI and vhost-user. Each
// is a bus with one target, whose LUN n is the shareable device number n.

import { resolve } from "node:path";
import { formatAddress } from "@pvscsi/config";
import type { Host } from "@pvscsi/host";
import { openGroup } from "@pvscsi/iscsi";
import { Target } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { TargetTable } from "@pvscsi/virtio";
import { InvalidArgumentError, Option } from "commander";
import { DeviceBus, type PlannedPlace } from "./device-bus.js";
import { DEFAULT_NAME } from "./iscsi-command.js";
import { FOR_EVERYBODY, isLocal, listenIscsi } from "./iscsi-serve.js";
import { parseListen } from "./nbd-command.js";
import type { Printer } from "./printer.js";
import { listenVhost, nativeCalls, QEMU_QUEUES } from "./vhost-serve.js";
import { qemuLine } from "./vhost-words.js";

/** What a person asks for; a door that is left out is not there. */
export interface DoorWords {
  readonly iscsi?: { readonly host?: string; readonly port: number } | undefined;
  /** The path of the socket that guests of QEMU connect to. */
  readonly vhostUser?: string | undefined;
}

/** What `openDoors` has opened. */
export interface Doors {
  /** What to give initiators and QEMU, a line each. */
  readonly addresses: readonly string[];
  /** Resolves when their commands have ended and all is given back. */
  close(): Promise<void>;
}

/** Of the iSCSI door's target port: not those of virtio-scsi's targets, which are 1 to 256. */
const ISCSI_PORT = 257;

/** The options of a command whose server has doors. */
export const ISCSI_DOOR = new Option(
  "--iscsi <[addr:]port>",
  "serve the devices that are shareable over iSCSI as well",
).argParser((text: string) => {
  const address = parseListen(text);
  if (address === null) throw new InvalidArgumentError("Expected a port, or ADDR:PORT.");
  return address;
});
export const VHOST_USER_DOOR = new Option(
  "--vhost-user <socket>",
  "serve them to guests of QEMU (vhost-user-scsi-pci) as well; needs koffi",
);

/** Opens them on a host. Throws ToolstackError where one cannot be, with the others closed again. */
export async function openDoors(host: Host, words: DoorWords, printer: Printer): Promise<Doors> {
  const opened: Doors[] = [];
  const close = async (): Promise<void> => {
    for (const door of opened.reverse()) await door.close();
  };
  try {
    const { iscsi, vhostUser } = words;
    if (iscsi !== undefined) opened.push(await openIscsi(host, iscsi, printer));
    if (vhostUser !== undefined) opened.push(await openVhost(host, vhostUser, printer));
  } catch (error) {
    await close();
    throw error;
  }
  return { addresses: opened.flatMap(({ addresses }) => addresses), close };
}

async function openIscsi(host: Host, listen: NonNullable<DoorWords["iscsi"]>, printer: Printer): Promise<Doors> {
  const target = new Target("0:0", [ISCSI_PORT]);
  const bus = await DeviceBus.over(host, shareablePlaces(host), { at: () => target });
  const { server, closeBoth } = await behind(bus, () => listenIscsi({ listen: [listen], printer }));
  server.portal.add({ name: DEFAULT_NAME, groups: [openGroup(target)] });
  if (!isLocal(listen)) printer.error(FOR_EVERYBODY);
  return {
    addresses: target.luns.map((lun) => `iscsi://${server.addresses[0]}/${DEFAULT_NAME}/${lun}`),
    close: closeBoth,
  };
}

async function openVhost(host: Host, path: string, printer: Printer): Promise<Doors> {
  const bus = await DeviceBus.over(host, shareablePlaces(host), new TargetTable());
  const wishes = { path, queues: QEMU_QUEUES, offersConfig: false, printer };
  const { closeBoth } = await behind(bus, async () => listenVhost(await nativeCalls(), bus, wishes));
  return { addresses: [qemuLine({ path: resolve(path), queues: QEMU_QUEUES })], close: closeBoth };
}

/** A server in front of a bus, which is closed with it, and where there is no server. */
async function behind<Server extends { close(): Promise<void> }>(
  bus: { close(): Promise<void> },
  listen: () => Promise<Server>,
): Promise<{ readonly server: Server; readonly closeBoth: () => Promise<void> }> {
  try {
    const server = await listen();
    const closeBoth = async (): Promise<void> => {
      await server.close();
      await bus.close();
    };
    return { server, closeBoth };
  } catch (error) {
    await bus.close();
    throw error;
  }
}

/** Throws ToolstackError where there is none. */
function shareablePlaces(host: Host): PlannedPlace[] {
  const shareable = host.list().filter((device) => device.shareable);
  if (shareable.length > 0) {
    return shareable.map(({ address }, lun) => ({ target: 0, lun, name: formatAddress(address) }));
  }
  throw new ToolstackError("INVAL", "no device of this host is shareable: set shareable: true for those to be shared");
}

// Knows how targets and their LUNs are served over iSCSI until it is to end.

import { randomBytes } from "node:crypto";
import { type IscsiServer, type ListenOptions, serveIscsi } from "@pvscsi/iscsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { LUN_ALONE, serveBusControl, TARGET_AND_LUN } from "./bus-control.js";
import { DeviceBus } from "./device-bus.js";
import type { IscsiPlan, ServedPlaces } from "./iscsi-plan.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { Exit } from "./verb.js";

export interface IscsiServeOptions extends IscsiPlan {
  /** `ADDR:PORT` where initiators reach each portal, by number, where that is another address than it listens at. */
  readonly advertise?: readonly string[] | undefined;
  /** Where it is asked for changes of its LUNs; nowhere where it is left out. */
  readonly control?: string | undefined;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<unknown>;
}

/** Serves and gives the exit status. Throws ToolstackError where it cannot. */
export async function runIscsiServe(options: IscsiServeOptions): Promise<number> {
  const over = options.ended();
  const { plan, places, targets } = options;
  const bus = await DeviceBus.open(plan, { at: (number) => placesAt(places, number) });
  try {
    const server = await listenIscsi(options);
    for (const target of targets) server.portal.add(target);
    const words = places.length === 1 ? LUN_ALONE : TARGET_AND_LUN;
    const control = options.control === undefined ? null : await serveBusControl(options.control, bus, words);
    try {
      tell(server.addresses, options);
      await over;
    } finally {
      await control?.close();
      await server.close();
    }
  } finally {
    await bus.close();
  }
  return Exit.done;
}

function placesAt(places: readonly ServedPlaces[], number: number): ServedPlaces {
  if (number < places.length) return places[number];
  throw new ToolstackError("NOTFOUND", `there is no target ${number}, there are ${places.length}`);
}

/** Prints where initiators find what. */
function tell(addresses: readonly string[], options: IscsiServeOptions): void {
  const { targets, places, printer } = options;
  for (const warning of warnings(options)) printer.error(warning);
  const ways = targets.flatMap(({ name, groups }) => {
    return groups.flatMap(({ portals, place }) =>
      portals.map((portal) => ({ name, portal, luns: places[place].luns })),
    );
  });
  const urls = ways.flatMap(({ name, portal, luns }) =>
    luns.map((lun) => `iscsi://${addresses[portal]}/${name}/${lun}`),
  );
  printer.print(urls.join("\n") || ways.map(({ name, portal }) => `iscsi://${addresses[portal]}/${name}`).join("\n"));
  const served = urls.length === 0 ? "no LUN yet" : urls.length === 1 ? "it" : "them";
  printer.print(`serving ${served} until Ctrl-C or SIGTERM`);
}

/** Listens, without a target yet. Throws ToolstackError where it cannot. */
export async function listenIscsi({
  listen,
  advertise = [],
  printer,
}: Pick<IscsiServeOptions, "listen" | "advertise" | "printer">): Promise<IscsiServer> {
  const parts = { clock: nodeClock, scheduler: nodeScheduler(), unguessable: randomBytes, probes: toldProbes(printer) };
  const portals = listen.map((at, portal) => ({ ...at, advertised: advertise[portal] }));
  try {
    return await serveIscsi({ listen: portals, ...parts });
  } catch (error) {
    throw new ToolstackError("FAIL", (error as Error).message);
  }
}

/** What a person may not have meant. */
function warnings({ plan, listen, targets }: IscsiServeOptions): string[] {
  const groups = targets.flatMap((target) => target.groups);
  const isFar = (portal: number): boolean => !isLocal(listen[portal]);
  const open = groups.some(({ others, portals }) => others?.authentication === null && portals.some(isFar));
  return [...plan.warnings, ...(open ? [`${FOR_EVERYBODY}: see --chap-user`] : [])];
}

/** Of an address that is not this machine's alone, where nobody has to prove anything. */
export const FOR_EVERYBODY = "whoever reaches that address may read and write";

/** Whether only this machine reaches an address. */
export function isLocal({ host = "127.0.0.1" }: ListenOptions): boolean {
  return /^(127\.|::1$|localhost$)/.test(host);
}

/** What a person has to know of initiators: that one was not let in, or has broken something. */
function toldProbes(printer: Printer): ProbeHub {
  const probes = new ProbeHub();
  probes.listen((name, subject) => {
    if (name === "iscsi:refused") printer.error(`refused: ${subject}`);
  });
  return probes;
}

// Knows how targets and their LUNs are served over iSCSI until it is to end.

import { randomBytes } from "node:crypto";
import { type IscsiServer, type IscsiServerOptions, type IscsiTarget, serveIscsi } from "@pvscsi/iscsi";
import { Target } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { LUN_ALONE, serveBusControl, TARGET_AND_LUN } from "./bus-control.js";
import { type BusPlan, DeviceBus } from "./device-bus.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { Exit } from "./verb.js";

/** A target and who may log in to it. */
export type ServedTarget = Pick<IscsiTarget, "name" | "authentication" | "initiators">;

export interface IscsiServeOptions {
  readonly listen: IscsiServerOptions["listen"];
  /** `ADDR:PORT` where initiators reach it, where that is another address than it listens at. */
  readonly advertise?: string | undefined;
  readonly plan: BusPlan;
  /** Their numbers are the targets' of the plan; at least one. */
  readonly targets: readonly ServedTarget[];
  /** Where it is asked for changes of its LUNs; nowhere where it is left out. */
  readonly control?: string | undefined;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<unknown>;
}

/** Serves and gives the exit status. Throws ToolstackError where it cannot. */
export async function runIscsiServe(options: IscsiServeOptions): Promise<number> {
  const over = options.ended();
  // An initiator that comes to a LUN by two targets is two nexuses: their ports tell them apart.
  const targets = options.targets.map((served, number) => ({
    ...served,
    target: new Target(`0:${number}`, [number + 1]),
  }));
  const bus = await DeviceBus.open(options.plan, { at: (number) => targetAt(targets, number) });
  try {
    const server = await listenIscsi(options);
    for (const target of targets) server.portal.add(target);
    const places = targets.length === 1 ? LUN_ALONE : TARGET_AND_LUN;
    const control = options.control === undefined ? null : await serveBusControl(options.control, bus, places);
    try {
      tell(server.address, targets, options);
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

function targetAt(targets: readonly IscsiTarget[], number: number): Target {
  if (number < targets.length) return targets[number].target;
  throw new ToolstackError("NOTFOUND", `there is no target ${number}, there are ${targets.length}`);
}

/** Prints where initiators find what. */
function tell(address: string, targets: readonly IscsiTarget[], options: IscsiServeOptions): void {
  const { printer } = options;
  for (const warning of warnings(options)) printer.error(warning);
  const urls = targets.flatMap(({ name, target }) => target.luns.map((lun) => `iscsi://${address}/${name}/${lun}`));
  printer.print(urls.join("\n") || targets.map(({ name }) => `iscsi://${address}/${name}`).join("\n"));
  const served = urls.length === 0 ? "no LUN yet" : urls.length === 1 ? "it" : "them";
  printer.print(`serving ${served} until Ctrl-C or SIGTERM`);
}

/** Listens, without a target yet. Throws ToolstackError where it cannot. */
export async function listenIscsi({
  listen,
  advertise,
  printer,
}: Pick<IscsiServeOptions, "listen" | "advertise" | "printer">): Promise<IscsiServer> {
  const parts = { clock: nodeClock, scheduler: nodeScheduler(), unguessable: randomBytes, probes: toldProbes(printer) };
  try {
    return await serveIscsi({ listen, ...(advertise === undefined ? {} : { advertised: advertise }), ...parts });
  } catch (error) {
    const { host = "127.0.0.1", port } = listen;
    throw new ToolstackError("FAIL", `cannot listen at ${host}:${port}: ${(error as Error).message}`);
  }
}

/** What a person may not have meant. */
function warnings({ plan, listen, targets }: IscsiServeOptions): string[] {
  const open =
    !isLocal(listen) &&
    targets.some(({ authentication, initiators }) => authentication === null && initiators === null);
  return [...plan.warnings, ...(open ? [`${FOR_EVERYBODY}: see --chap-user`] : [])];
}

/** Of an address that is not this machine's alone, where nobody has to prove anything. */
export const FOR_EVERYBODY = "whoever reaches that address may read and write";

/** Whether only this machine reaches an address. */
export function isLocal({ host = "127.0.0.1" }: IscsiServeOptions["listen"]): boolean {
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

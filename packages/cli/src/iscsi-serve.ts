// Knows how LUNs are served over iSCSI until it is to end: one target, at LUN n what word number n names.

import { randomBytes } from "node:crypto";
import { type Authentication, type IscsiServer, type IscsiServerOptions, serveIscsi } from "@pvscsi/iscsi";
import { Target } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { LUN_ALONE, serveBusControl } from "./bus-control.js";
import { type BusPlan, DeviceBus } from "./device-bus.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { Exit } from "./verb.js";

export interface IscsiServeOptions {
  readonly listen: IscsiServerOptions["listen"];
  readonly plan: BusPlan;
  /** The target's name. */
  readonly name: string;
  /** What initiators have to prove; null where nothing. */
  readonly authentication: Authentication | null;
  /** The initiators that may log in, by name, and what each has to prove; null where all may. */
  readonly initiators: ReadonlyMap<string, Authentication | null> | null;
  /** Where it is asked for changes of its LUNs; nowhere where it is left out. */
  readonly control?: string | undefined;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<unknown>;
}

/** Serves and gives the exit status. Throws ToolstackError where it cannot. */
export async function runIscsiServe(options: IscsiServeOptions): Promise<number> {
  const { plan, name, authentication, initiators, printer } = options;
  const over = options.ended();
  const target = new Target();
  const bus = await DeviceBus.open(plan, { at: () => target });
  try {
    const server = await listen(options);
    server.portal.add({ name, target, authentication, initiators });
    const control = options.control === undefined ? null : await serveBusControl(options.control, bus, LUN_ALONE);
    try {
      for (const warning of warnings(options)) printer.error(warning);
      const urls = target.luns.map((lun) => `iscsi://${server.address}/${name}/${lun}`);
      printer.print(urls.join("\n") || `iscsi://${server.address}/${name}`);
      const served = urls.length === 0 ? "no LUN yet" : urls.length === 1 ? "it" : "them";
      printer.print(`serving ${served} until Ctrl-C or SIGTERM`);
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

async function listen({ listen, printer }: IscsiServeOptions): Promise<IscsiServer> {
  const parts = { clock: nodeClock, scheduler: nodeScheduler(), unguessable: randomBytes, probes: toldProbes(printer) };
  try {
    return await serveIscsi({ listen, ...parts });
  } catch (error) {
    const { host = "127.0.0.1", port } = listen;
    throw new ToolstackError("FAIL", `cannot listen at ${host}:${port}: ${(error as Error).message}`);
  }
}

/** What a person may not have meant. */
function warnings({ plan, listen: { host = "127.0.0.1" }, authentication, initiators }: IscsiServeOptions): string[] {
  const local = /^(127\.|::1$|localhost$)/.test(host);
  const open = authentication === null && initiators === null && !local;
  return [...plan.warnings, ...(open ? ["whoever reaches that address may read and write: see --chap-user"] : [])];
}

/** What a person has to know of initiators: that one was not let in, or has broken something. */
function toldProbes(printer: Printer): ProbeHub {
  const probes = new ProbeHub();
  probes.listen((name, subject) => {
    if (name === "iscsi:refused") printer.error(`refused: ${subject}`);
  });
  return probes;
}

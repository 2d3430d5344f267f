// Knows how a virtio-scsi bus is served over vhost-user until it is to end, and what its process is asked meanwhile on a
// socket of its own beside the guests'.

import { resolve } from "node:path";
import { loadNative, type Native, NativeMissing, SystemCallError } from "@pvscsi/native";
import { localTransportId } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { type RingNews, serveVhostUser, type VhostUserServer } from "@pvscsi/vhost-user";
import { TargetTable, VirtioScsiDevice } from "@pvscsi/virtio";
import { ProbeHub } from "@pvscsi/wire";
import { askBus, serveBusControl, TARGET_AND_LUN } from "./bus-control.js";
import type { ControlRequest } from "./control-wire.js";
import { type BusPlan, DeviceBus, formatPlace } from "./device-bus.js";
import { nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { Exit, type Outcome } from "./verb.js";
import { libvirtXml, qemuLine } from "./vhost-words.js";

/** Request queues of a controller whose options nobody was told: as many as QEMU gives one without `num_queues`. */
export const QEMU_QUEUES = 1;

type VhostBus = DeviceBus<TargetTable>;

export interface VhostServeOptions {
  readonly socket: string;
  readonly plan: BusPlan;
  /** Request queues a guest may use. */
  readonly queues: number;
  /** Whether front ends are offered the controller's configuration. */
  readonly offersConfig: boolean;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<unknown>;
}

/** Where a server is asked for changes. */
export function controlOf(socket: string): string {
  return `${socket}.control`;
}

/** Serves and gives the exit status. Throws ToolstackError where it cannot. */
export async function runVhostServe(options: VhostServeOptions): Promise<number> {
  const { plan, printer } = options;
  const native = await nativeCalls();
  for (const warning of plan.warnings) printer.error(warning);
  const over = options.ended();
  const bus = await DeviceBus.open(plan, new TargetTable());
  try {
    const server = listenVhost(native, bus, { ...options, path: options.socket, name: plan.name });
    try {
      await serveUntil(over, bus, options);
    } finally {
      await server.close();
    }
  } finally {
    await bus.close();
  }
  return Exit.done;
}

async function serveUntil(over: Promise<unknown>, bus: VhostBus, options: VhostServeOptions): Promise<void> {
  const { socket, queues, printer } = options;
  const control = await serveBusControl(controlOf(socket), bus, TARGET_AND_LUN);
  const words = { path: resolve(socket), queues };
  printer.print(`${qemuLine(words)}\n\n${libvirtXml(words)}\n`);
  printer.print(`serving ${bus.list().map(formatPlace).join(", ") || "no LUN yet"} until Ctrl-C or SIGTERM`);
  await over;
  await control.close();
}

export interface VhostListenOptions extends Pick<VhostServeOptions, "queues" | "offersConfig" | "printer"> {
  readonly path: string;
  /** Of the controller, for its guests' reservations; the path where it is left out. */
  readonly name?: string | undefined;
}

/** Waits for front ends of a bus. Throws ToolstackError where it cannot. */
export function listenVhost(native: Native, bus: VhostBus, options: VhostListenOptions): VhostUserServer {
  const { path, name, queues, offersConfig, printer } = options;
  try {
    return serveVhostUser({
      native,
      path,
      device: (front) => newDevice(bus, queues, `${name ?? resolve(path)} ${front}`),
      probes: toldProbes(printer),
      offersConfig,
    });
  } catch (error) {
    if (!(error instanceof SystemCallError || error instanceof RangeError)) throw error;
    throw new ToolstackError("FAIL", `cannot listen at ${path}: ${error.message}`);
  }
}

/** Asks a server. Throws ToolstackError where none listens. */
export function askServer(socket: string, request: ControlRequest): Promise<Outcome> {
  return askBus(controlOf(socket), request, { who: socket, start: "pvscsi vhost-user serve" });
}

/** Throws ToolstackError where koffi is not there. */
export async function nativeCalls(): Promise<Native> {
  try {
    return await loadNative();
  } catch (error) {
    if (!(error instanceof NativeMissing)) throw error;
    throw new ToolstackError("FAIL", error.message);
  }
}

/** `front` is the same when the same guest comes again: its reservations wait for it. */
function newDevice({ targets }: VhostBus, requestQueues: number, front: string): VirtioScsiDevice {
  return new VirtioScsiDevice({
    targets,
    scheduler: nodeScheduler(),
    initiator: "vhost-user",
    initiatorPort: localTransportId(`vhost-user ${front}`),
    limits: { requestQueues },
  });
}

/** What a person has to know of front ends: that one has broken something. */
function toldProbes(printer: Printer): ProbeHub {
  const probes = new ProbeHub();
  probes.listen((name, subject) => {
    if (name === "vhost-user:broken") printer.error(`a front end has lost its connection: ${subject}`);
    if (name !== "vhost-user:failed") return;
    const { ring, text } = subject as RingNews;
    printer.error(`ring ${ring}: ${text}`);
  });
  return probes;
}

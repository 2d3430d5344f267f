// Knows how a domain runs that a person has started on this machine, for a dom0 that is on another: who it is comes from
// the dom0's xenstore, the commands for it come to this machine's control.sock. What can go wrong here goes wrong before
// the log-in: a domain that leaves is at its end for its dom0.

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Host, openHost, readHostConfig } from "@pvscsi/host";
import { Scsiback } from "@pvscsi/scsiback";
import { ToolstackError, waitFor } from "@pvscsi/toolstack";
import { ProbeHub } from "@pvscsi/wire";
import { type Domain, readState, XenbusState, type XenstoreClient } from "@pvscsi/xen";
import { connectXenbus, type JoinedDomain, KEEP_ALIVE } from "@pvscsi/xenbus";
import { serveControl } from "./control-server.js";
import { RUNS_NODE } from "./elsewhere.js";
import { hostParts } from "./host-parts.js";
import { joinFailure } from "./join-failure.js";
import { JoinedControl } from "./joined-control.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { RunningGuest } from "./running-guest.js";
import { readSecret } from "./secret-file.js";
import { Exit } from "./verb.js";

export interface JoinOptions {
  readonly url: string;
  readonly domain: number;
  /** The file with the domain's secret. */
  readonly secret: string;
  /** A PEM file of whom to trust. */
  readonly certificate?: string;
  /** For a driver domain: its devices, as a host.yaml. */
  readonly host?: string;
  /** The folder of control.sock. */
  readonly state: string;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<unknown>;
}

/** Milliseconds for those who use a guest's disks to take what they were promised. */
const GRACE = 5000;

const parts = { clock: nodeClock, scheduler: nodeScheduler(), probes: new ProbeHub() };

/** Runs the domain and gives the exit status. Throws ToolstackError with the reason of an end that nobody here wanted. */
export async function runJoin(options: JoinOptions): Promise<number> {
  const { url, domain: id, certificate, host, state } = options;
  const over = options.ended().then(() => null);
  const devices = host === undefined ? null : await openDevices(host);
  const authority = certificate === undefined ? {} : { authority: await readCertificate(certificate) };
  const secret = await readSecret(options.secret);
  const commands = new JoinedControl(url);
  const control = await serveControl(state, (request, whom) => commands.answer(request, whom));
  try {
    const joining = connectXenbus({ ...parts, ...authority, url, domain: id, secret, keepAlive: KEEP_ALIVE });
    const failing = joining.catch((error) => Promise.reject(joinFailure(url, error)));
    const joined = await Promise.race([failing, over]);
    if (joined !== null) await run(joined, { devices, commands, over, printer: options.printer });
    return Exit.done;
  } finally {
    await control.close();
  }
}

/** What a domain that has joined runs with. */
interface Running {
  /** Null for a guest. */
  readonly devices: Host | null;
  readonly commands: JoinedControl;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly over: Promise<null>;
}

/** Until somebody here wants it to end. Throws when it ends otherwise, or is not what was typed. */
async function run(joined: JoinedDomain, running: Running): Promise<void> {
  const { domain, left } = joined;
  try {
    const reason = await endOf(joined, running);
    if (reason !== null) throw new ToolstackError("FAIL", `domain ${domain.id} has ended: ${reason}`);
  } finally {
    // A client of a disk whose hub is gone may wait for what never comes.
    const grace = new Promise<void>((resolve) => nodeClock.after(GRACE, { run: resolve }));
    await Promise.race([running.commands.end(), grace]);
    await domain.close();
    await left;
  }
}

/** Waits for the end; gives the hub's reason, or null when somebody here wanted it. */
async function endOf({ domain, ended }: JoinedDomain, running: Running): Promise<string | null> {
  const end = Promise.race([ended, running.over]);
  try {
    await Promise.race([begin(domain, running), end]);
    return await end;
  } catch (error) {
    // A beginning that fails because the hub is gone has the hub's reason.
    const sooner = await Promise.race([end, Promise.resolve(undefined)]);
    if (sooner === undefined) throw error;
    return sooner;
  }
}

/** Starts the domain's driver, if it is what was typed. */
async function begin(domain: Domain, { devices, commands, printer }: Running): Promise<void> {
  const { store, id } = domain;
  const name = await nameOf(store);
  await checkKind(store, name, devices);
  await store.write(RUNS_NODE, "running");
  let missing = "";
  if (devices !== null) {
    await new Scsiback({ ...parts, domain, directory: devices }).start();
    commands.runs(name, id, null);
  } else {
    const guest = new RunningGuest({ ...parts, name, domain });
    await guest.driver.start();
    commands.runs(name, id, guest);
    if (!(await connected(store))) missing = "; not all of its devices have come yet";
  }
  printer.print(`domain '${name}' (${id}) runs here, until Ctrl-C or SIGTERM${missing}`);
}

/** dom0 lets a domain in before it has written its nodes. */
async function nameOf(store: XenstoreClient): Promise<string> {
  const name = await waitFor(store, nodeClock, "name", () => store.read("name"));
  if (name === null) throw new ToolstackError("FAIL", "the domain has no name in its dom0's xenstore");
  return name;
}

/** libxl gives a driver domain a directory that no guest has. */
async function checkKind(store: XenstoreClient, name: string, devices: Host | null): Promise<void> {
  const isDriver = (await store.read("libxl")) !== null;
  if (isDriver === (devices !== null)) return;
  const what = isDriver
    ? "is a driver domain: name its devices with --host"
    : "is a guest, and has no devices of its own: leave out --host";
  throw new ToolstackError("INVAL", `domain '${name}' ${what}`);
}

/** Waits until each device of a guest has come to an end with its back end, for good or ill; false when that takes long. */
async function connected(store: XenstoreClient): Promise<boolean> {
  return (await waitFor(store, nodeClock, "device/vscsi", () => look(store))) !== null;
}

async function look(store: XenstoreClient): Promise<true | null> {
  for (const id of (await store.list("device/vscsi")) ?? []) {
    const front = `device/vscsi/${id}`;
    if ((await readState(store, front)) !== XenbusState.Connected) return null;
    const back = await store.read(`${front}/backend`);
    for (const lun of (await store.list(`${back}/vscsi-devs`)) ?? []) {
      if ((await readState(store, `${front}/vscsi-devs/${lun}`)) === XenbusState.Unknown) return null;
    }
  }
  return true;
}

async function openDevices(file: string): Promise<Host> {
  return openHost(await readHostConfig(file), { directory: dirname(resolve(file)), ...hostParts() });
}

async function readCertificate(file: string): Promise<string> {
  const text = await readFile(file, "utf8");
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new ToolstackError("INVAL", `${file}: no certificate in it, expecting PEM`);
}

// Knows the demonstration: which devices and domains it is given, and the order of its steps. Knows no terminal.

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { ConfigError, type MachineConfig, type VscsiDialect } from "@pvscsi/config";
import { readMachineConfig } from "@pvscsi/host";
import { CONFIGS } from "./configs.js";
import { type DriverDomain, Failed, Stage } from "./demo-stage.js";
import { type DemoStep, STEPS } from "./demo-steps.js";
import { Machine } from "./machine.js";
import { OneProcess } from "./one-process.js";
import type { Printer } from "./printer.js";
import { systemOptions } from "./session.js";
import type { System } from "./system.js";
import { withTemporaryFolder } from "./temporary-folder.js";
import { Exit } from "./verb.js";

export interface DemoOptions {
  /** domU.cfg; the embedded one when it is left out. */
  readonly config?: string | undefined;
  /** host.yaml; the one beside the domU.cfg when it is left out. */
  readonly host?: string | undefined;
  readonly dialect?: VscsiDialect | undefined;
  /** The guest shares dom0's process, and there is no driver domain. */
  readonly oneProcess: boolean;
  readonly printer: Printer;
  /** Resolves with an exit status when it is to end before its end. */
  readonly interrupted: Promise<number>;
  /** What comes after the steps, while the guest still runs; gives the exit status. Without it the guest is ended. */
  readonly afterwards?: ((shown: DemoGuest) => Promise<number>) | undefined;
}

/** What is there when the steps are through. */
export interface DemoGuest {
  readonly system: System;
  readonly guest: string;
  /** For files, until the guest has ended. */
  readonly folder: string;
}

/** Of the embedded configurations. */
const DRIVER: DriverDomain = {
  name: "storage",
  config: join(CONFIGS, "storage.cfg"),
  physicalDevice: "3:0:0:0",
  virtualDevice: "2:0:0:0",
};

/** Runs the steps; gives the exit status. Throws `ConfigError`, and what a step finds wrong with this program. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const config = options.config ?? join(CONFIGS, "domU.cfg");
  // What the person has named first is also what is told of first.
  const machine = await readMachineConfig(config, options.dialect ?? "libxl");
  const host = hostFile(config, options.host);
  const embedded = resolve(config) === join(CONFIGS, "domU.cfg") && resolve(host) === join(CONFIGS, "host.yaml");
  return withTemporaryFolder("pvscsi-demo-", async (folder) => {
    const system = await openSystem(options, host, embedded ? folder : dirname(host), join(folder, "state"));
    const over = new AbortController();
    const interrupted = options.interrupted.then((status) => {
      over.abort();
      return status;
    });
    try {
      return await Promise.race([
        interrupted,
        show(options, machine, { system, folder, embedded, signal: over.signal }),
      ]);
    } catch (error) {
      if (error instanceof Failed) return error.status;
      throw error;
    } finally {
      await system.close();
    }
  });
}

/** A dom0 with these devices, and without a guest. */
async function openSystem(
  { oneProcess, printer }: DemoOptions,
  host: string,
  directory: string,
  state: string,
): Promise<System> {
  const options = await systemOptions(host, directory);
  await mkdir(state);
  const say = (line: string): void => printer.print(line);
  const system = oneProcess ? new OneProcess(options) : new Machine({ ...options, state, listen: { port: 0 }, say });
  await system.start();
  return system;
}

interface Scene {
  readonly system: System;
  readonly folder: string;
  /** The devices are our own. */
  readonly embedded: boolean;
  readonly signal: AbortSignal;
}

async function show(
  { oneProcess, printer, afterwards }: DemoOptions,
  { name: guest, file, dialect }: MachineConfig,
  { embedded, ...scene }: Scene,
): Promise<number> {
  const create = dialect === "libxl" ? [file] : [file, "--dialect", dialect];
  const driver = embedded && !oneProcess ? DRIVER : null;
  const stage = new Stage({ ...scene, printer, state: join(scene.folder, "state"), guest, create, driver });
  const shown = { always: true, "own-devices": embedded, "driver-domain": driver !== null, "at-the-end": !afterwards };
  await play(
    stage,
    STEPS.filter(({ when }) => shown[when]),
  );
  return (await afterwards?.({ ...scene, guest })) ?? Exit.done;
}

async function play(stage: Stage, steps: readonly DemoStep[]): Promise<void> {
  for (const [index, { title, run }] of steps.entries()) {
    stage.title(`${index + 1}/${steps.length} ${title}`);
    stage.proved(await run(stage));
  }
}

function hostFile(config: string, named: string | undefined): string {
  const host = named ?? join(dirname(config), "host.yaml");
  if (named !== undefined || existsSync(host)) return host;
  const reason = "no such file, expected dom0's devices there or in the file named by --host";
  throw new ConfigError(host, { line: 1, column: 1 }, reason);
}

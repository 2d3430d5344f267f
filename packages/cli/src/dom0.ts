// Knows how dom0 runs for as long as it is wanted, and answers other shells meanwhile. Guests are processes of their own.

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type StoreServer, serveStore } from "@pvscsi/xenbus";
import { serveControl } from "./control-server.js";
import { type Doors, type DoorWords, openDoors } from "./doors.js";
import { Machine, type MachineOptions } from "./machine.js";
import type { Printer } from "./printer.js";
import { systemOptions } from "./session.js";
import { Exit } from "./verb.js";
import { runVerb } from "./verbs.js";

export interface Dom0Options {
  /** dom0's devices; relative paths in it begin at its folder. */
  readonly host: string;
  /** The folder of control.sock. */
  readonly state: string;
  /** Where domains connect to. */
  readonly listen: MachineOptions["listen"];
  /** PEM files of a certificate and its key. */
  readonly tls?: { readonly certificate: string; readonly key: string } | undefined;
  /** Where xenstored listens for programs of this machine. */
  readonly xenstoredSocket?: string | undefined;
  /** By which wires others than its domains reach the devices that are shareable. */
  readonly doors?: DoorWords;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<unknown>;
}

/** Runs dom0 and gives the exit status. Throws `ConfigError`, and `ToolstackError` when there is a dom0 already. */
export async function runDom0(dom0: Dom0Options): Promise<number> {
  const { host, state, listen, tls, xenstoredSocket, doors: wanted = {}, printer, ended } = dom0;
  const options = await systemOptions(host, dirname(resolve(host)));
  const secured = tls === undefined ? {} : { tls: await readTls(tls) };
  const say = (line: string): void => printer.print(line);
  const machine = new Machine({ ...options, ...secured, state: resolve(state), listen, say });
  const over = ended();
  const control = await serveControl(state, ({ words, ...request }, whom) =>
    runVerb(machine, words, { ...request, ...whom }),
  );
  let store: StoreServer | null = null;
  let doors: Doors | null = null;
  try {
    await machine.start();
    if (xenstoredSocket !== undefined) {
      store = await serveStore({ xenstored: machine.xenstored, path: xenstoredSocket });
      printer.print(`xenstored listens at ${store.path}`);
    }
    doors = await openDoors(options.directory, wanted, printer);
    for (const address of doors.addresses) printer.print(address);
    await machine.resume();
    printer.print(`dom0 is ready at ${control.path}, until Ctrl-C or SIGTERM; domains connect to ${machine.url}`);
    await over;
    return Exit.done;
  } finally {
    await control.close();
    await doors?.close();
    await store?.close();
    await machine.close();
  }
}

async function readTls({ certificate, key }: { readonly certificate: string; readonly key: string }) {
  return {
    certificate: await readFile(certificate, "utf8"),
    key: await readFile(key, "utf8"),
    file: resolve(certificate),
  };
}

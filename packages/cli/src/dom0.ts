// Knows how dom0 runs for as long as it is wanted, and answers other shells meanwhile. Guests run inside this process.

import { dirname, resolve } from "node:path";
import { serveControl } from "./control-server.js";
import type { Printer } from "./printer.js";
import { openSession } from "./session.js";
import { Exit } from "./verb.js";
import { runVerb } from "./verbs.js";

export interface Dom0Options {
  /** dom0's devices; relative paths in it begin at its folder. */
  readonly host: string;
  /** The folder of control.sock. */
  readonly state: string;
  readonly printer: Printer;
  /** Resolves when it is to end. */
  readonly ended: () => Promise<void>;
}

/** Runs dom0 and gives the exit status. Throws `ConfigError`, and `ToolstackError` when there is a dom0 already. */
export async function runDom0({ host, state, printer, ended }: Dom0Options): Promise<number> {
  const session = await openSession(host, dirname(resolve(host)));
  try {
    const over = ended();
    const control = await serveControl(state, ({ words, ...request }, whom) =>
      runVerb(session.system, words, { ...request, ...whom }),
    );
    printer.print(`dom0 is ready at ${control.path}, until Ctrl-C or SIGTERM`);
    await over;
    await control.close();
    return Exit.done;
  } finally {
    await session.close();
  }
}

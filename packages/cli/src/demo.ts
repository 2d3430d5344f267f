// Knows the demonstration: which devices and guest it is given, and the order of its steps. Knows no terminal.

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ConfigError, type VscsiDialect } from "@pvscsi/config";
import { readMachineConfig } from "@pvscsi/host";
import { CONFIGS } from "./configs.js";
import { Failed, Stage } from "./demo-stage.js";
import { type DemoStep, STEPS } from "./demo-steps.js";
import type { Printer } from "./printer.js";
import { openSession, type Session } from "./session.js";
import { withTemporaryFolder } from "./temporary-folder.js";
import { Exit } from "./verb.js";

export interface DemoOptions {
  /** domU.cfg; the embedded one when it is left out. */
  readonly config?: string | undefined;
  /** host.yaml; the one beside the domU.cfg when it is left out. */
  readonly host?: string | undefined;
  readonly dialect?: VscsiDialect | undefined;
  readonly printer: Printer;
  /** What comes after the steps, while the guest still runs; gives the exit status. Without it the guest is ended. */
  readonly afterwards?: ((session: Session) => Promise<number>) | undefined;
}

/** Runs the steps; gives the exit status. Throws `ConfigError`, and what a step finds wrong with this program. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const config = options.config ?? join(CONFIGS, "domU.cfg");
  const dialect = options.dialect ?? "libxl";
  // What the person has named first is also what is told of first.
  await readMachineConfig(config, dialect);
  const host = hostFile(config, options.host);
  const embedded = resolve(config) === join(CONFIGS, "domU.cfg") && resolve(host) === join(CONFIGS, "host.yaml");
  return withTemporaryFolder("pvscsi-demo-", async (folder) => {
    const session = await openSession(host, embedded ? folder : dirname(host));
    try {
      const create = dialect === "libxl" ? [config] : [config, "--dialect", dialect];
      const stage = new Stage(session, options.printer, folder, create);
      const steps = STEPS.filter((step) => isShown(step, embedded, options.afterwards === undefined));
      await play(stage, steps);
      return (await options.afterwards?.(session)) ?? Exit.done;
    } catch (error) {
      if (error instanceof Failed) return error.status;
      throw error;
    } finally {
      await session.close();
    }
  });
}

/** Only our own devices are written to, and known well enough to show more of them. */
function isShown({ when }: DemoStep, embedded: boolean, ends: boolean): boolean {
  return when === "always" || (when === "own-devices" && embedded) || (when === "at-the-end" && ends);
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

#!/usr/bin/env node
// Knows the command line of pvscsi: which commands there are and what their words mean.

import { writeFile } from "node:fs/promises";
import { formatComparison, WORKLOADS } from "@pvscsi/bench";
import { ConfigError } from "@pvscsi/config";
import { ToolstackError } from "@pvscsi/toolstack";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { measure, runBenchmark, TRANSPORT_NAMES } from "./benchmark.js";
import { runDemo } from "./demo.js";
import { serveUntilSignal } from "./serve.js";
import { runShell } from "./shell.js";
import { Exit } from "./verbs.js";

const write = (text: string): void => void process.stdout.write(text);

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("expected a whole number above 0");
  return Number(text);
}

const program = new Command("pvscsi")
  .description("Xen paravirtualised SCSI, end to end")
  .exitOverride()
  .configureOutput({ outputError: (text, out) => out(text.replace(/^error: /, "pvscsi: ")) });

program
  .command("demo")
  .description("a guest reaches disks of dom0 through scsifront, a granted ring and scsiback, all in this process")
  .argument("[cfg]", "the guest's domU.cfg; an embedded one when it is left out")
  .option("--host <file>", "dom0's devices (default: host.yaml beside the cfg)")
  .option("--shell", "a prompt afterwards, with xl's verbs and commands inside the guest")
  .option("--serve", "stay up afterwards and serve the guest's disks over NBD")
  .addHelpText("after", "\nExample: pvscsi demo configs/domU.cfg --shell")
  .action(async (config: string | undefined, options: { host?: string; shell?: true; serve?: true }) => {
    process.exitCode = await runDemo({
      ...(config === undefined ? {} : { config }),
      ...(options.host === undefined ? {} : { host: options.host }),
      write,
      afterwards: async (session) => {
        if (options.shell) return runShell(session.system, process.stdin, process.stdout);
        return options.serve ? serveUntilSignal(session, write) : Exit.done;
      },
    });
  });

program
  .command("bench")
  .description("compare transports: the same blocks over each, beside a bare copy of them")
  .option("--transports <names...>", `of ${TRANSPORT_NAMES.join(", ")} (default: all)`)
  .option(
    "--workloads <words...>",
    `those whose names contain a word; of ${WORKLOADS.map(({ name }) => name).join(", ")}`,
  )
  .option("--rounds <n>", "rounds that count", wholeNumber, 5)
  .option("--milliseconds <n>", "of each transport in a round", wholeNumber, 300)
  .option("--json", "print figures as JSON")
  .option("--out <file>", "also write the figures to a file, as JSON")
  .addHelpText("after", "\nExample: pvscsi bench --workloads 4k --rounds 5")
  .action(async (options: BenchOptions) => {
    const unknown = options.transports?.find((name) => !TRANSPORT_NAMES.includes(name));
    if (unknown !== undefined)
      throw new CommanderError(
        Exit.usage,
        "pvscsi.transport",
        `pvscsi bench: no transport '${unknown}', expected one of ${TRANSPORT_NAMES.join(", ")}`,
      );
    const settings = { ...options, workloads: options.workloads ?? [] };
    if (!options.json && options.out === undefined) return write(`${await runBenchmark(settings)}\n`);
    const rows = await measure(settings);
    const text = `${JSON.stringify(rows, null, 2)}\n`;
    if (options.out !== undefined) await writeFile(options.out, text);
    write(options.json ? text : `${formatComparison(rows)}\n`);
  });

interface BenchOptions {
  readonly transports?: readonly string[];
  readonly workloads?: readonly string[];
  readonly rounds: number;
  readonly milliseconds: number;
  readonly json?: true;
  readonly out?: string;
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = told(error);
}

/** Says what a person can do something about, and gives xl's exit code for it; everything else is our mistake. */
function told(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return Exit.done;
    if (error.code === "pvscsi.transport") console.error(error.message);
    return Exit.usage;
  }
  const known =
    error instanceof ConfigError ||
    error instanceof ToolstackError ||
    (error as NodeJS.ErrnoException).syscall !== undefined;
  if (!known) throw error;
  console.error(error instanceof ConfigError ? error.message : `pvscsi: ${(error as Error).message}`);
  return Exit.failed;
}

// Knows the command line of `pvscsi target`: targetcli's shell, for one command, for a person at a prompt, or for lines that are read.

import { randomInt } from "node:crypto";
import { hostname, machine } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { drawnNames, fileKeeper, LioShell, machineFiles } from "@pvscsi/host";
import type { Command } from "commander";
import { stateFolder } from "./control-client.js";
import type { Printer } from "./printer.js";
import { Exit } from "./verb.js";

/** As wide as the tree is drawn at most, and where there is no terminal. */
const MOST_COLUMNS = 132;

const BANNER = "targetcli shell version 2.1.fb59\nFor help on commands, type 'help'.\n";

export interface TargetCommandParts {
  readonly printer: Printer;
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly columns?: number };
  readonly finish: (status: number) => void;
}

/** Adds the command to a program. */
export function addTargetCommand(program: Command, parts: TargetCommandParts): void {
  program
    .command("target")
    .description("targetcli's shell over LIO's tree in STATE/saveconfig.json, which the servers take with --config")
    .argument(
      "[words...]",
      "one command, such as /backstores/ramdisk create name=d size=64M; without: a prompt, or lines to read",
    )
    .option(
      "--state <dir>",
      "where its saveconfig.json is (default: $PVSCSI_STATE, else $XDG_RUNTIME_DIR/pvscsi, else /run/pvscsi)",
    )
    .passThroughOptions()
    .addHelpText("after", "\nExample: pvscsi target /backstores/ramdisk create name=d size=64M")
    .action(async (words: readonly string[], { state }: { readonly state?: string }) => {
      const shell = openShell(parts, stateFolder(state, process.env));
      parts.finish(words.length > 0 ? await runOne(shell, words.join(" "), parts) : await runLines(shell, parts));
    });
}

function openShell({ printer, output }: TargetCommandParts, state: string): LioShell {
  return new LioShell({
    keeper: fileKeeper(state),
    files: machineFiles(process.cwd()),
    names: drawnNames({ below: randomInt }, { host: hostname(), machine: machine() }),
    say: (line) => printer.print(`${line}\n`),
    width: () => Math.min(output.columns ?? MOST_COLUMNS, MOST_COLUMNS),
  });
}

async function runOne(shell: LioShell, line: string, { printer }: TargetCommandParts): Promise<number> {
  const fault = await shell.run(line);
  if (fault === null) return Exit.done;
  printer.error(fault);
  return Exit.failed;
}

/** Faults are told among the answers, as targetcli does; the status says whether the last line was done. A line that ends with `\` goes on in the next. */
async function runLines(shell: LioShell, { printer, input, output }: TargetCommandParts): Promise<number> {
  const person = input.isTTY === true;
  const completer = (line: string, done: (error: null, found: [string[], string]) => void) =>
    void shell.complete(line).then((found) => done(null, [[...found], line.split(/\s+/).pop() ?? ""]));
  const lines = createInterface({ input, ...(person ? { output, completer } : {}) });
  const ask = (prompt: string) => {
    lines.setPrompt(prompt);
    if (person) lines.prompt();
  };
  if (person) printer.print(BANNER);
  let status: number = Exit.done;
  let before = "";
  ask(shell.prompt);
  for await (const line of lines) {
    before += line.replace(/\\$/, "");
    if (!line.endsWith("\\")) {
      const fault = await shell.run(before);
      if (fault !== null) printer.print(fault);
      status = fault === null ? Exit.done : Exit.failed;
      before = "";
    }
    if (shell.left) break;
    ask(before === "" ? shell.prompt : "");
  }
  lines.close();
  return status;
}

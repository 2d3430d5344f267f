// Knows the command line of `pvscsi vhost-user`.

import { type Command, InvalidArgumentError, Option } from "commander";
import { addBusCommands } from "./bus-commands.js";
import { planOfFile, planOfWords } from "./device-bus.js";
import type { Printer } from "./printer.js";
import { Exit, type Outcome } from "./verb.js";
import { askServer, runVhostServe } from "./vhost-serve.js";

interface ServeWords {
  readonly socket?: string;
  readonly config?: string;
  readonly wwn?: string;
  readonly lun?: readonly string[];
  readonly queues: number;
  readonly offerConfig?: boolean;
  readonly printCapabilities?: true;
}

export interface VhostCommandParts {
  readonly printer: Printer;
  readonly ended: () => Promise<unknown>;
  readonly finish: (outcome: Outcome) => void;
}

/** Of the conventions for vhost-user backend programs (QEMU's docs/interop/vhost-user.json). */
const CAPABILITIES = { type: "scsi" };
/** Request queues that a guest may have; Linux uses as many as it has processors. */
const MOST_QUEUES = 64;

/** Adds the command and its own commands to a program. */
export function addVhostCommand(program: Command, parts: VhostCommandParts): void {
  const command = program.command("vhost-user").description("disks for guests of QEMU, over a Unix socket");
  addServe(command, program, parts);
  addBusCommands(command, {
    socket: "the socket that guests connect to",
    place: "TARGET:LUN",
    first: "the first free LUN of target 0",
    others: "guests",
    ask: (socket, ...words) => run(parts, socket, words),
  });
}

function addServe(command: Command, program: Command, { printer, ended }: VhostCommandParts): void {
  command
    .command("serve")
    .description(
      "serve a virtio-scsi controller to guests of QEMU (vhost-user-scsi-pci), until Ctrl-C or SIGTERM; needs koffi",
    )
    .option("--socket <path>", "where QEMU connects to")
    .addOption(
      new Option("--lun <word>", "a LUN: FILE, mem:SIZE or null:SIZE, then ,key=value; repeatable: 0:0, 0:1 and so on")
        .argParser((word: string, before: readonly string[] = []) => [...before, word])
        .conflicts("config"),
    )
    .option(
      "--config <file>",
      "LIO's saveconfig.json: a vhost target, whose portal groups' tags are the target numbers",
    )
    .option("--wwn <naa>", "which vhost target of the file, where it has several")
    .option("--queues <n>", "request queues", queueNumber, 1)
    .option("--offer-config", "answer for the controller's configuration, as front ends other than QEMU's want it")
    .option("--print-capabilities", "print what kind of back end this is, as JSON, and end")
    .addHelpText("after", "\nExample: pvscsi vhost-user serve --socket /tmp/scsi.sock --lun disk.img,size=1GiB")
    .action(async ({ socket, config, wwn, lun = [], queues, offerConfig = false, printCapabilities }: ServeWords) => {
      if (printCapabilities) return printer.print(JSON.stringify(CAPABILITIES, null, 2));
      if (socket === undefined) return program.error("error: --socket PATH is missing", { exitCode: Exit.usage });
      const plan = config === undefined ? planOfWords(lun) : await planOfFile(config, wwn);
      process.exitCode = await runVhostServe({ socket, plan, queues, offersConfig: offerConfig, printer, ended });
    });
}

async function run({ finish }: VhostCommandParts, socket: string, words: readonly string[]): Promise<void> {
  finish(await askServer(socket, { words, directory: process.cwd(), program: "pvscsi" }));
}

function queueNumber(text: string): number {
  const queues = Number(text);
  if (!/^\d{1,2}$/.test(text) || queues < 1 || queues > MOST_QUEUES) {
    throw new InvalidArgumentError(`Expected 1 to ${MOST_QUEUES}.`);
  }
  return queues;
}

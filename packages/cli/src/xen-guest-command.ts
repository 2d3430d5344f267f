// Knows the command line of `pvscsi xen guest`: one command, or lines of them from standard input.

import { createInterface } from "node:readline/promises";
import type { Readable } from "node:stream";
import { hostCalls } from "@pvscsi/xenbus";
import { type Command, InvalidArgumentError } from "commander";
import { GUEST_VERB } from "./domain-verbs.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { Exit, outcomeOf, type VerbUsage } from "./verb.js";
import { splitWords } from "./words.js";
import { XenGuest, type XenGuestOptions } from "./xen-guest.js";
import { onXenHost } from "./xen-host.js";

export interface XenGuestCommandParts {
  readonly printer: Printer;
  readonly input: Readable;
  /** Resolves, with the exit status, when it is to end. */
  readonly ended: () => Promise<number>;
  readonly finish: (status: number) => void;
}

/** A guest's commands are told of as everywhere; here no guest is named. */
const USAGE: VerbUsage = {
  ...GUEST_VERB,
  name: "xen guest",
  parameters: "[--device ID] [-- COMMAND [ARGUMENT...]]",
  example: "xen guest -- lsscsi",
};

/** Adds the command to `pvscsi xen`. */
export function addXenGuest(xen: Command, parts: XenGuestCommandParts): void {
  xen
    .command("guest")
    .description(
      "drives this domain's controllers by scsifront in this process; needs root, koffi, and a kernel without xen-scsifront",
    )
    .option("--device <id>", "this controller alone, device/vscsi/ID", deviceNumber)
    .argument("[command...]", "runs inside the guest, after --; without one, each line of standard input is one")
    .addHelpText("after", "\nExample: pvscsi xen guest -- lsscsi")
    .action(async (command: readonly string[], { device }: { readonly device?: number }) => {
      parts.finish(await runXenGuest(device ?? null, command, parts));
    });
}

/** Gives the status of the last command; one that serves disks lasts until the end. Throws `ToolstackError` where none connects. */
async function runXenGuest(
  device: number | null,
  command: readonly string[],
  parts: XenGuestCommandParts,
): Promise<number> {
  const over = parts.ended();
  const guest = await start({ device, waits: command.length === 0 });
  const leaving = new AbortController();
  try {
    const work = command.length > 0 ? run(guest, command, parts) : runLines(guest, parts, leaving.signal);
    const status = await Promise.race([work, over]);
    return command.length > 0 && guest.isServing ? await over : status;
  } finally {
    leaving.abort();
    await guest.close();
  }
}

function start(options: XenGuestOptions): Promise<XenGuest> {
  return onXenHost(async () => {
    return XenGuest.start(options, { calls: await hostCalls(), clock: nodeClock, scheduler: nodeScheduler() });
  });
}

async function runLines(guest: XenGuest, parts: XenGuestCommandParts, leaving: AbortSignal): Promise<number> {
  let status: number = Exit.done;
  for await (const line of createInterface({ input: parts.input, signal: leaving })) {
    const words = splitWords(line);
    if (words === null) {
      parts.printer.error("pvscsi: a quote is not closed");
      status = Exit.usage;
    } else if (words[0] === "exit") break;
    else if (words.length > 0) status = await run(guest, words, parts);
  }
  return status;
}

async function run(guest: XenGuest, command: readonly string[], { printer }: XenGuestCommandParts): Promise<number> {
  const { output, errors, status } = await outcomeOf(USAGE, "pvscsi", () => guest.run(command, process.cwd()));
  printer.print(output);
  printer.error(errors);
  return status;
}

function deviceNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Expected a number.");
  return Number(text);
}

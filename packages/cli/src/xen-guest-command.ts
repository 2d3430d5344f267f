// Knows the command line of `pvscsi xen guest`: one command, or lines of them from standard input.

import { createInterface } from "node:readline/promises";
import type { Readable } from "node:stream";
import { hostCalls } from "@pvscsi/xenbus";
import { type Command, InvalidArgumentError } from "commander";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { Printer } from "./printer.js";
import { Exit } from "./verb.js";
import { splitWords } from "./words.js";
import { XenGuest } from "./xen-guest.js";
import { onXenHost } from "./xen-host.js";

export interface XenGuestCommandParts {
  readonly printer: Printer;
  readonly input: Readable;
  /** Resolves, with the exit status, when it is to end. */
  readonly ended: () => Promise<number>;
  readonly finish: (status: number) => void;
}

/** Adds the command to `pvscsi xen`. */
export function addXenGuest(xen: Command, parts: XenGuestCommandParts): void {
  xen
    .command("guest")
    .description(
      "drives a controller of this domain by scsifront in this process; needs root, koffi, and a kernel without xen-scsifront",
    )
    .option("--device <id>", "the controller, device/vscsi/ID", deviceNumber, 0)
    .argument("[command...]", "runs inside the guest, after --; without one, each line of standard input is one")
    .addHelpText("after", "\nExample: pvscsi xen guest --device 0 -- lsscsi")
    .action(async (command: readonly string[], { device }: { readonly device: number }) => {
      parts.finish(await runXenGuest(device, command, parts));
    });
}

/** Gives the status of the last command. Throws `ToolstackError` where there is no such controller. */
async function runXenGuest(device: number, command: readonly string[], parts: XenGuestCommandParts): Promise<number> {
  const over = parts.ended();
  const guest = await attach(device);
  const leaving = new AbortController();
  try {
    const work = command.length > 0 ? run(guest, command, parts) : runLines(guest, parts, leaving.signal);
    return await Promise.race([work, over]);
  } finally {
    leaving.abort();
    await guest.close();
  }
}

function attach(device: number): Promise<XenGuest> {
  return onXenHost(async () => {
    return XenGuest.attach(device, { calls: await hostCalls(), clock: nodeClock, scheduler: nodeScheduler() });
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
  const { output, errors, status } = await guest.run(command, process.cwd());
  printer.print(output);
  printer.error(errors);
  return status;
}

function deviceNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Expected a number.");
  return Number(text);
}

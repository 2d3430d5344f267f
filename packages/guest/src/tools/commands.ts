// Knows the guest's commands by name: the one table for running them, for help and for errors.

import type { Guest } from "../guest.js";
import { dd } from "./dd.js";
import { type Files, noFiles } from "./files.js";
import { lsscsi } from "./lsscsi.js";
import { sgInq } from "./sg-inq.js";
import { sgRaw } from "./sg-raw.js";
import { sgReadcap } from "./sg-readcap.js";
import { sha256sum } from "./sha256sum.js";
import { print, type Tool, type ToolResult } from "./tool.js";

const NOT_FOUND = 127;

const dmesg: Tool = {
  usage: "",
  summary: "prints the kernel's log",
  run: async ({ guest }) => print(guest.log.lines),
};

const SCAN_USAGE = "HOST [CHANNEL TARGET LUN]";

const scan: Tool = {
  usage: SCAN_USAGE,
  summary: "looks for devices at a host; - stands for all channels, targets or LUNs",
  async run({ guest }, words) {
    const [name, ...range] = words;
    const wrong = range.length !== 0 && range.length !== 3;
    if (name === undefined || wrong || range.some((word) => !/^(-|\d{1,15})$/.test(word))) {
      return print([`Usage: scan ${SCAN_USAGE}`], 1);
    }
    const host = guest.hosts.find(({ hostNumber }) => name === `host${hostNumber}` || name === String(hostNumber));
    if (host === undefined) return print([`scan: ${name}: No such host`], 1);
    const [channel, target, lun] = range.map((word) => (word === "-" ? undefined : Number(word)));
    await guest.scan(host, { channel, target, lun });
    return print([]);
  },
};

const help: Tool = {
  usage: "",
  summary: "lists the commands",
  run: async () => print(Object.entries(GUEST_COMMANDS).map(([name, tool]) => helpLine(name, tool))),
};

function helpLine(name: string, { usage, summary }: Tool): string {
  return `${usage === "" ? name : `${name} ${usage}`}\n    ${summary}`;
}

/** All commands, by name. */
const GUEST_COMMANDS: { readonly [name: string]: Tool } = {
  dd,
  dmesg,
  help,
  lsscsi,
  scan,
  sg_inq: sgInq,
  sg_raw: sgRaw,
  sg_readcap: sgReadcap,
  sha256sum,
};

/** Runs one command. It always answers: what goes wrong is text and a status other than 0. */
export async function runGuestCommand(
  guest: Guest,
  words: readonly string[],
  files: Files = noFiles,
): Promise<ToolResult> {
  const [name = "help", ...rest] = words;
  if (!Object.hasOwn(GUEST_COMMANDS, name)) {
    return print([`${name}: unknown command; there are ${Object.keys(GUEST_COMMANDS).join(", ")}`], NOT_FOUND);
  }
  return GUEST_COMMANDS[name].run({ guest, files }, rest);
}

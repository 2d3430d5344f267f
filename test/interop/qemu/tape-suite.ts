// Knows what is asked of tape drives by a stock Linux guest: that its own st driver gets them, and that mt, tar, dd and sg3_utils work
// with them without a line that is not expected.

import { readFile } from "node:fs/promises";
import { expect } from "chai";
import type { Suite, SuiteContext } from "../suite.js";
import { Guest } from "./guest.js";
import { LSSCSI, untilSo } from "./guest-disk.js";
import { type Besides, PACKAGES, prepareImages } from "./images.js";
import { ServedDisks } from "./served-disks.js";
import { COMMANDS, type Exchange } from "./tape-commands.js";

const BESIDES: Besides = {
  name: "-tape",
  programs: ["/usr/bin/mt-st", "/usr/bin/tar", "/usr/bin/sg_logs", "/usr/bin/sg_modes", "/usr/bin/sg_read_attr"],
  modules: ["st"],
};

/** Drives of the guest, in the order of its names: a file, two that one backup spans, one that is written once, and one that is protected. */
const words = (file: string): string[] => [
  `${file},size=64MiB,type=tape,serial=TAPE0,barcode=PV0001L6`,
  "mem:2MiB,type=tape",
  "mem:8MiB,type=tape",
  "mem:8MiB,type=tape,worm",
  "mem:8MiB,type=tape,ro",
];

export const qemuTapeSuite: Suite = {
  name: "qemu-tape",
  judges: "tape drives of a vhost-user server, by a stock Linux guest under QEMU: its st, mt, tar, dd, sg3_utils",
  packages: [...PACKAGES, "mt-st", "tar"],
  default: false,
  budgetSeconds: 300,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const file = context.path("a.tap");
  const drives = words(file);
  const server = await ServedDisks.startWords(context, drives, 1);
  const guests: Guest[] = [];
  await context.check("Linux' st attaches each drive", async () => {
    const images = await prepareImages(context, "generic", BESIDES);
    guests.push(await Guest.boot(context, images, { words: server.words }));
    await guests[0].run(`modprobe st\n${untilSo(`[ -c /dev/nst${drives.length - 1} ]`)}`);
    const shown = await guests[0].run(LSSCSI);
    expect(shown.match(/ tape +PVSCSI +VIRTUAL TAPE +0001 +\/dev\/st\d/g)?.length, shown).to.equal(drives.length);
    return `Linux ${images.kernel}, ${drives.length} drives`;
  });
  if (guests.length === 0) return;
  for (const { name, commands } of COMMANDS) await context.check(name, () => converse(guests[0], commands));
  await context.check("the kernel has nothing to complain of", () => listen(guests[0]));
  await guests[0].end();
  await context.check("what served it ends in order", () => server.close());
  await context.check("its file is SIMH's: lengths before and behind each record", () => walk(file));
}

/** Each command ends with the status, and prints the line, that is expected of it. */
async function converse(guest: Guest, commands: readonly Exchange[]): Promise<string> {
  for (const { command, says, fails } of commands) {
    const { status, output } = await guest.attempt(command, 120);
    const said = `${command}: status ${status}, ${output.trim().slice(-400)}`;
    expect(status === 0, said).to.equal(fails !== true);
    if (says !== undefined) expect(output, said).to.match(says);
    else if (fails !== true) expect(output.trim(), said).to.equal("");
  }
  return `${commands.length} commands`;
}

/** It was asked to write where nothing may be written over, and then its driver writes a filemark as well. */
const REFUSED = "[st3] Error on write filemark.";
const COMPLAINT = /\b(error|fail|unexpected|abort|reset|timed out|BUG|WARNING)\b/i;

async function listen(guest: Guest): Promise<string> {
  const lines = (await guest.run("dmesg")).split("\n").filter((line) => /\bst\d|\bst:|scsi|sg\d/.test(line));
  expect(lines.filter((line) => COMPLAINT.test(line) && !line.includes(REFUSED))).to.deep.equal([]);
  return `${lines.length} lines of SCSI`;
}

/** By the format's own description, without any code of ours. */
async function walk(file: string): Promise<string> {
  const bytes = await readFile(file);
  let records = 0;
  let marks = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length === 0) marks += 1;
    else {
      const behind = at + 4 + length + (length % 2);
      expect(bytes.readUInt32LE(behind), `length behind the record at ${at}`).to.equal(length);
      at = behind;
      records += 1;
    }
    at += 4;
  }
  expect(records * marks).to.be.above(0);
  return `${records} records, ${marks} filemarks in ${bytes.length} bytes`;
}

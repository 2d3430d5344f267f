// Knows what is asked of a tape library by a stock Linux guest: that its own ch and st drivers get the changer and the drives, and that mtx,
// mt, tar and sg3_utils work with them; and that an operator's cartridges come and go.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { MAIN, repositoryRoot } from "../../support/repository.js";
import type { Child } from "../children.js";
import type { Suite, SuiteContext } from "../suite.js";
import { Guest } from "./guest.js";
import { LSSCSI, untilSo } from "./guest-disk.js";
import { type Besides, PACKAGES, prepareImages } from "./images.js";
import { DEVICES, LIBRARY_COMMANDS, type LibraryExchange } from "./library-commands.js";

const BESIDES: Besides = {
  name: "-library",
  programs: [
    ...["/usr/sbin/mtx", "/usr/sbin/loaderinfo", "/usr/sbin/tapeinfo"],
    ...["/usr/bin/mt-st", "/usr/bin/tar", "/usr/bin/sg_ses"],
  ],
  modules: ["st", "ch", "ses"],
};

/** The address of the changer in the repository's example. */
const CHANGER = "3:0:0:0";
/** Of each cartridge, so that a backup needs two. */
const CAPACITY = "8MiB";

export const qemuLibrarySuite: Suite = {
  name: "qemu-library",
  judges: "a tape library of a dom0, by a stock Linux guest under QEMU: its ch and st, mtx, mt, tar, sg3_utils",
  packages: [...PACKAGES, "mtx", "mt-st", "tar"],
  default: false,
  budgetSeconds: 300,
  run: judge,
};

/** A dom0 that gives its library to guests of QEMU. */
class LibraryServer {
  readonly #context: SuiteContext;
  readonly #child: Child;
  readonly #state: string;
  readonly words: readonly string[];

  private constructor(context: SuiteContext, child: Child, state: string, words: readonly string[]) {
    this.#context = context;
    this.#child = child;
    this.#state = state;
    this.words = words;
  }

  static async start(context: SuiteContext): Promise<LibraryServer> {
    const example = await readFile(join(repositoryRoot, "configs", "library.yaml"), "utf8");
    const file = context.path("library.yaml");
    await writeFile(file, example.replace("capacity: 1GiB", `capacity: ${CAPACITY}`));
    const state = context.freshPath("state");
    const socket = context.freshPath("socket");
    const words = ["dom0", "--host", file, "--state", state, "--vhost-user", socket];
    const child = context.start(process.execPath, MAIN, ...words);
    const said: string[] = [];
    do said.push(await child.readLine());
    while (!said.at(-1)?.startsWith("dom0 is ready"));
    const controller = said.flatMap((line) => /^ {2}(-chardev|-device) (\S+)/.exec(line)?.slice(1) ?? []);
    expect(controller.length, said.join("\n")).to.equal(4);
    return new LibraryServer(context, child, state, controller);
  }

  /** What the operator is told. */
  async operate(...words: readonly string[]): Promise<string> {
    return await this.#context.succeed(process.execPath, MAIN, "library", "--state", this.#state, CHANGER, ...words);
  }

  async close(): Promise<string> {
    await this.#child.end();
    const { status, errors } = await this.#child.finished;
    expect({ status, errors }).to.deep.equal({ status: 0, errors: "" });
    return "status 0, nothing said besides";
  }
}

async function judge(context: SuiteContext): Promise<void> {
  const server = await LibraryServer.start(context);
  const guests: Guest[] = [];
  await context.check("Linux' ch and st attach the changer and its drives", async () => {
    const images = await prepareImages(context, "generic", BESIDES);
    const guest = await Guest.boot(context, images, { words: server.words });
    guests.push(guest);
    await guest.run(`modprobe st && modprobe ch && modprobe ses\n${untilSo("[ -c /dev/nst1 ] && [ -c /dev/sch0 ]")}`);
    const shown = await guest.run(`${LSSCSI} -g`);
    expect(shown).to.match(/mediumx PVSCSI +VIRTUAL LIBRARY +0001 +\/dev\/sch0 +\/dev\/sg0/);
    expect(shown.match(/ tape +PVSCSI +VIRTUAL TAPE +0001 +\/dev\/st\d/g)?.length, shown).to.equal(2);
    return `Linux ${images.kernel}, a changer and two drives`;
  });
  if (guests.length === 0) return;
  for (const { name, commands } of LIBRARY_COMMANDS) await context.check(name, () => converse(guests[0], commands));
  await context.check("an operator puts a cartridge in and takes it out, and the guest sees it", () =>
    operateBeside(server, guests[0]),
  );
  await context.check("the kernel has nothing to complain of", () => listen(guests[0]));
  await guests[0].end();
  await context.check("what served it ends in order", () => server.close());
}

/** Each command ends with the status, and prints what is expected of it. */
async function converse(guest: Guest, commands: readonly LibraryExchange[]): Promise<string> {
  for (const { command, says, fails } of commands) {
    const { status, output } = await guest.attempt(`${DEVICES}\n${command}`, 120);
    const said = `${command}: status ${status}, ${output.trim().slice(-600)}`;
    expect(status === 0, said).to.equal(fails !== true);
    if (says !== undefined) expect(output, said).to.match(says);
    else if (fails !== true) expect(output.trim(), said).to.equal("");
  }
  return `${commands.length} commands`;
}

async function operateBeside(server: LibraryServer, guest: Guest): Promise<string> {
  const status = "mtx -f /dev/sg0 status 2>&1";
  expect(await server.operate("put", "B00001L8")).to.match(/is in element 16/);
  await guest.attempt(status);
  expect(await guest.run(status)).to.match(/21 IMPORT\/EXPORT:Full :VolumeTag=B00001L8/);
  await guest.run("mtx -f /dev/sg0 transfer 21 20 2>&1");
  expect(await server.operate()).to.match(/4115 +slot +B00001L8 +16/);
  await guest.run("mtx -f /dev/sg0 transfer 20 21 2>&1");
  expect(await server.operate("take", "B00001L8")).to.match(/was in element 16/);
  await guest.attempt(status);
  expect(await guest.run(status)).to.match(/21 IMPORT\/EXPORT:Empty/);
  return "B00001L8 was put in, carried, and taken out";
}

/** Said of each device that tells of its start. */
const STARTED = "Power-on or device reset occurred";
const COMPLAINT = /\b(error|fail|unexpected|abort|reset|timed out|BUG|WARNING)/i;

async function listen(guest: Guest): Promise<string> {
  const lines = (await guest.run("dmesg")).split("\n").filter((line) => /\b(st|ch)\d|scsi|sg\d/.test(line));
  expect(lines.filter((line) => COMPLAINT.test(line) && !line.includes(STARTED)).join("\n")).to.equal("");
  return `${lines.length} lines of SCSI`;
}

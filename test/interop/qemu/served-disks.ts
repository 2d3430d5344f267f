// Knows `pvscsi vhost-user`: a server in a process of its own, QEMU's words for it, which are those that it prints, and how its
// disks come and go by its verbs.

import { readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { MAIN } from "../../support/repository.js";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";
import { type Disk, type DiskServer, type DiskServerKind, type Place, textOf } from "./disks.js";
import { saveconfigOf } from "./saveconfig.js";

/**
 * Every optional command is there. Of libiscsi's tests one is mistaken where a physical block has several logical ones, and one may pass
 * only where it is not promised that what was given back reads as zeros.
 */
export const JUDGED = "thin,fua,physical=512,unmapZeroes=false";

export const servedDisks: DiskServerKind = {
  name: "pvscsi vhost-user serve",
  outlivesGuest: true,
  lacks: [],
  failing: new Map(),
  start: async (context, disks, queues) => await ServedDisks.start(context, disks, queues),
};

export class ServedDisks implements DiskServer {
  readonly words: readonly string[];
  readonly #context: SuiteContext;
  readonly #socket: string;
  readonly #server: Child;

  private constructor(context: SuiteContext, socket: string, server: Child, words: readonly string[]) {
    this.#context = context;
    this.#socket = socket;
    this.#server = server;
    this.words = words;
  }

  /** LUN words are for target 0, from LUN 0 on; other places are told by a saveconfig.json. */
  static async start(context: SuiteContext, disks: readonly Disk[], queues: number): Promise<ServedDisks> {
    const socket = context.freshPath("socket");
    const inOrder = disks.every(({ target, lun }, i) => target === 0 && lun === i);
    const luns = inOrder
      ? disks.flatMap((disk) => ["--lun", wordOf(disk)])
      : ["--config", await saveConfig(context, disks)];
    return ServedDisks.#serve(context, socket, queues, luns);
  }

  /** LUN words, from LUN 0 of target 0 on. */
  static async startWords(context: SuiteContext, words: readonly string[], queues: number): Promise<ServedDisks> {
    const luns = words.flatMap((word) => ["--lun", word]);
    return ServedDisks.#serve(context, context.freshPath("socket"), queues, luns);
  }

  /** What a saveconfig.json says, as an object. */
  static async startSaved(context: SuiteContext, config: object, queues: number): Promise<ServedDisks> {
    const path = context.freshPath("saveconfig");
    await writeFile(path, JSON.stringify(config));
    return ServedDisks.#serve(context, context.freshPath("socket"), queues, ["--config", path]);
  }

  static async #serve(
    context: SuiteContext,
    socket: string,
    queues: number,
    luns: readonly string[],
  ): Promise<ServedDisks> {
    const words = ["vhost-user", "serve", "--socket", socket, "--queues", String(queues), ...luns];
    const server = context.start(process.execPath, MAIN, ...words);
    const said: string[] = [];
    do said.push(await server.readLine());
    while (!said.at(-1)?.startsWith("serving "));
    return new ServedDisks(context, socket, server, controllerIn(said));
  }

  async attach(disk: Disk): Promise<void> {
    await this.#ask("attach", wordOf(disk), textOf(disk));
  }

  async detach(place: Place): Promise<void> {
    await this.#ask("detach", textOf(place));
  }

  async resize(place: Place, mebibytes: number): Promise<void> {
    await this.#ask("resize", textOf(place), `${mebibytes}MiB`);
  }

  /** Exchanges the disc of a CD/DVD drive. */
  async insert(place: Place, file: string): Promise<void> {
    await this.#ask("insert", textOf(place), file);
  }

  async eject(place: Place): Promise<void> {
    await this.#ask("eject", textOf(place));
  }

  /** Its descriptors, and what it has mapped of guests' memory. */
  async open(): Promise<readonly string[]> {
    const folder = `/proc/${this.#server.pid}`;
    const names = await readdir(`${folder}/fd`);
    const links = await Promise.all(names.map((name) => readlink(`${folder}/fd/${name}`).catch(() => "")));
    const maps = (await readFile(`${folder}/maps`, "utf8")).split("\n").filter((line) => line.includes("memfd:"));
    return [...links.map((link) => link.replace(/:\[\d+\]/, "")), ...maps.map(() => "guest memory")].sort();
  }

  async close(): Promise<string> {
    await this.#server.end();
    const { status, errors } = await this.#server.finished;
    expect({ status, errors }).to.deep.equal({ status: 0, errors: "" });
    return "status 0, nothing said besides";
  }

  async #ask(verb: string, ...words: readonly string[]): Promise<void> {
    await this.#context.succeed(process.execPath, MAIN, "vhost-user", verb, this.#socket, ...words);
  }
}

function wordOf({ file, mebibytes }: Disk): string {
  return `${file === undefined ? `mem:${mebibytes}MiB` : file.replaceAll(",", ",,")},${JUDGED}`;
}

async function saveConfig(context: SuiteContext, disks: readonly Disk[]): Promise<string> {
  const path = context.freshPath("saveconfig");
  await writeFile(path, saveconfigOf(disks));
  return path;
}

/** The controller, of all that is printed for QEMU. */
function controllerIn(said: readonly string[]): string[] {
  const words = said.flatMap((line) => /^ {2}(-chardev|-device) (\S+)/.exec(line)?.slice(1) ?? []);
  expect(words.length, said.join("\n")).to.equal(4);
  return words;
}

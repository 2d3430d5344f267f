// Knows how Xen's own xenstored 4.17 runs on a machine without Xen: Debian's program over libraries that stand for a hypervisor.

import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { repositoryRoot } from "../../support/repository.js";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";

const PACKAGE = "xen-utils-4.17";
const PROGRAM = "usr/lib/xen-4.17/bin/xenstored";
const SOURCE = join(repositoryRoot, "test/interop/xenstore/no-hypervisor.c");
const LIBRARIES = ["libxenctrl.so.4.17", "libxenevtchn.so.1", "libxengnttab.so.1"];
const PAGE = 4096;
/** Milliseconds until it listens. */
const PATIENCE = 10_000;

/** The program and its libraries, ready to be run. */
export class RealXenstored {
  readonly #context: SuiteContext;
  readonly #tree: string;
  readonly #libraries: string;

  private constructor(context: SuiteContext, tree: string, libraries: string) {
    this.#context = context;
    this.#tree = tree;
    this.#libraries = libraries;
  }

  /** Downloads the one, without installing it, and compiles the others. */
  static async prepare(context: SuiteContext): Promise<RealXenstored> {
    const [tree, libraries] = [context.freshPath("tree"), context.freshPath("libraries")];
    await mkdir(libraries);
    await context.succeed("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", PACKAGE);
    const archive = (await readdir(context.folder)).find((name) => name.startsWith(PACKAGE) && name.endsWith(".deb"));
    await context.succeed("dpkg-deb", "--extract", context.path(archive ?? PACKAGE), tree);
    const [first, ...others] = LIBRARIES.map((name) => join(libraries, name));
    await context.succeed("gcc", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", first, SOURCE);
    for (const name of others) await copyFile(first, name);
    return new RealXenstored(context, tree, libraries);
  }

  /** Starts a new one. */
  async start(): Promise<RunningXenstored> {
    const folder = this.#context.freshPath("xenstored");
    await mkdir(folder);
    await writeFile(join(folder, "kva"), new Uint8Array(PAGE));
    await writeFile(join(folder, "port"), "1");
    const environment = [`XENSTORED_RUNDIR=${folder}`, `NO_HYPERVISOR=${folder}`, `LD_LIBRARY_PATH=${this.#libraries}`];
    const words = ["-N", "--pid-file", join(folder, "pid")];
    const child = this.#context.start("env", ...environment, join(this.#tree, PROGRAM), ...words);
    const running = { folder, socket: join(folder, "socket"), child };
    await listens(running);
    return running;
  }
}

export interface RunningXenstored {
  /** What domains share with it: see no-hypervisor.c. */
  readonly folder: string;
  readonly socket: string;
  readonly child: Child;
}

/** Its file is there a moment before it is listened at. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function listens({ socket, child }: RunningXenstored): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; ) {
    if (await answers(socket)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await child.end();
  throw new Error(`xenstored does not listen: ${(await child.finished).errors.trim().split("\n").at(-1)}`);
}

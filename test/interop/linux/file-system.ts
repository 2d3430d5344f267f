// Knows what a first file system of Linux is made of: busybox, programs with the libraries they need, modules with those they
// depend on. Knows no machine.

import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { SuiteContext } from "../suite.js";
import { Archive } from "./archive.js";
import type { Tree } from "./debian.js";

const FOLDERS = ["proc", "sys", "dev", "tmp", "run"];

export class FileSystem {
  readonly archive = new Archive();
  readonly #context: SuiteContext;
  readonly #libraryPath: string;
  readonly #libraries = new Set<string>();

  /** `libraryFolders` come before this machine's own. */
  constructor(context: SuiteContext, libraryFolders: readonly string[] = []) {
    this.#context = context;
    this.#libraryPath = libraryFolders.join(":");
  }

  /** Busybox with all its names, and the folders where Linux' own file systems are mounted. */
  async addBase(...folders: readonly string[]): Promise<void> {
    for (const name of [...FOLDERS, ...folders]) this.archive.folder(`/${name}`);
    this.archive.link("/var/run", "../run");
    // Linux opens it for /init before anything is mounted.
    this.archive.characterDevice("/dev/console", 5, 1);
    await this.archive.copy("/bin/busybox", "/bin/busybox");
    const names = (await this.#context.succeed("busybox", "--list")).trim().split("\n");
    for (const name of names) if (name !== "busybox") this.archive.link(`/bin/${name}`, "busybox");
  }

  /** A program with the libraries that it needs. */
  async addProgram(path: string, from: string): Promise<void> {
    await this.archive.copy(path, from);
    await this.#addLibraries(from);
  }

  /** The same without its symbols, where they are most of what a machine would have to load. */
  async addStripped(path: string, from: string): Promise<void> {
    const stripped = this.#context.path(basename(path));
    await this.#context.succeed("strip", "--strip-all", "-o", stripped, from);
    await this.archive.copy(path, stripped);
    await this.#addLibraries(from);
  }

  async #addLibraries(program: string): Promise<void> {
    const output = await this.#context.succeed("env", `LD_LIBRARY_PATH=${this.#libraryPath}`, "ldd", program);
    if (output.includes("not found")) throw new Error(`libraries of ${program} are missing: ${output.trim()}`);
    for (const [, file] of output.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)) {
      const folder = basename(file).startsWith("ld-linux") ? "/lib64" : "/lib/x86_64-linux-gnu";
      const path = `${folder}/${basename(file)}`;
      if (this.#libraries.has(path)) continue;
      this.#libraries.add(path);
      await this.archive.copy(path, file);
    }
  }

  /** Modules of a kernel and those they depend on, with the list that modprobe reads. */
  async addModules({ folder, kernel }: Tree, names: readonly string[]): Promise<void> {
    const modules = `lib/modules/${kernel}`;
    await this.#context.succeed("depmod", "-b", folder, kernel);
    const lines = (await readFile(join(folder, modules, "modules.dep"), "utf8")).split("\n");
    const chosen = names.map((name) => {
      const line = lines.find((text) => basename(text.split(":")[0], ".ko") === name);
      if (line === undefined) throw new Error(`Linux ${kernel} has no module ${name}`);
      return line;
    });
    const files = new Set(chosen.flatMap((line) => line.split(/:? +|:$/).filter((file) => file !== "")));
    for (const file of files) await this.#addModule(folder, `${modules}/${file}`);
    const needed = lines.filter((line) => files.has(line.split(":")[0]));
    this.archive.file(`/${modules}/modules.dep`, `${needed.join("\n")}\n`);
  }

  /** Without what is for debuggers, which is most of it; its signature is lost with that. */
  async #addModule(folder: string, path: string): Promise<void> {
    const stripped = this.#context.path("module.ko");
    await this.#context.succeed("strip", "--strip-debug", "-o", stripped, join(folder, path));
    await this.archive.copy(`/${path}`, stripped);
  }
}

// Knows the three files that QEMU loads - Xen, Linux and the first file system of dom0 - and what of Debian is in the last:
// busybox, Xen's tools, modules, SCSI tools and Node. They stay in a cache; what changes with this repository is not in them.

import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { SuiteContext } from "../suite.js";
import { Archive } from "./archive.js";
import { type Tree, unpackPackages } from "./debian.js";
import { extractKernel } from "./kernel.js";

/** Another number makes all caches be built anew. */
const RECIPE = 1;
const XEN_PROGRAMS = ["xl", "xenstored", "xenstore-control", "xen-init-dom0", "lsevtchn"];
const XENSTORE_COMMANDS = ["read", "write", "rm", "ls", "list", "chmod"];
const SCSI_PROGRAMS = ["lsscsi", "sg_inq", "sg_luns", "sg_readcap"];
const MODULES = [
  ...["virtio_pci", "9p", "9pnet_virtio"],
  ...["xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc"],
  ...["xen-scsifront", "sd_mod", "sg"],
];
const XEN_FOLDER = "usr/lib/xen-4.17/bin";
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

const FILES = ["xen.elf", "vmlinux.elf", "dom0.cpio"] as const;
const STAMP = "stamp.json";

/** The files to boot, by their paths. */
export interface Images {
  readonly xen: string;
  readonly linux: string;
  /** Of dom0, without its `/init`. */
  readonly archive: string;
  /** The kernel's release. */
  readonly kernel: string;
  /** Whether they had to be made. */
  readonly made: boolean;
}

/** What a cache was made of. */
interface Stamp {
  readonly recipe: string;
  readonly kernel: string;
  readonly packages: readonly string[];
  /** Bytes of each file. */
  readonly sizes: readonly number[];
}

/** Takes the files from the cache; makes them when they are not there, not whole, or made another way. */
export async function prepareImages(context: SuiteContext): Promise<Images> {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pvscsi-interop", "xen");
  const cached = await readStamp(folder);
  const stamp = cached ?? (await makeImages(context, folder));
  const [xen, linux, archive] = FILES.map((name) => join(folder, name));
  return { xen, linux, archive, kernel: stamp.kernel, made: cached === null };
}

function recipe(): string {
  return JSON.stringify([RECIPE, XEN_PROGRAMS, XENSTORE_COMMANDS, SCSI_PROGRAMS, MODULES, process.version]);
}

/** Null unless all files are there as they were made. */
async function readStamp(folder: string): Promise<Stamp | null> {
  try {
    const stamp: Stamp = JSON.parse(await readFile(join(folder, STAMP), "utf8"));
    const sizes = await sizesIn(folder);
    return stamp.recipe === recipe() && String(sizes) === String(stamp.sizes) ? stamp : null;
  } catch {
    return null;
  }
}

async function sizesIn(folder: string): Promise<number[]> {
  return await Promise.all(FILES.map(async (name) => (await stat(join(folder, name))).size));
}

/** Everything is made beside the cache and takes its place when it is whole. */
async function makeImages(context: SuiteContext, folder: string): Promise<Stamp> {
  const making = `${folder}.${process.pid}`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  try {
    const tree = await unpackPackages(context, context.folder);
    await makeFiles(context, tree, making);
    const { kernel, packages } = tree;
    const stamp = { recipe: recipe(), kernel, packages, sizes: await sizesIn(making) };
    await writeFile(join(making, STAMP), `${JSON.stringify(stamp, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(making, folder);
    return stamp;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

async function makeFiles(context: SuiteContext, tree: Tree, folder: string): Promise<void> {
  const [xen, linux, archive] = FILES.map((name) => join(folder, name));
  await context.succeed("sh", "-c", 'zcat "$1" >"$2"', "sh", join(tree.folder, "boot/xen-4.17-amd64.gz"), xen);
  await extractKernel(context, join(tree.folder, `boot/vmlinuz-${tree.kernel}`), linux);
  await writeFile(archive, await new FileSystem(context, tree).finish());
}

/** The first file system of dom0. */
class FileSystem {
  readonly #context: SuiteContext;
  readonly #tree: Tree;
  readonly #archive = new Archive();
  readonly #libraries = new Set<string>();

  constructor(context: SuiteContext, tree: Tree) {
    this.#context = context;
    this.#tree = tree;
  }

  async finish(): Promise<readonly Uint8Array[]> {
    await this.#addBase();
    for (const name of XEN_PROGRAMS) await this.#addProgram(`usr/sbin/${name}`, this.#of(XEN_FOLDER, name));
    for (const name of SCSI_PROGRAMS) await this.#addProgram(`usr/bin/${name}`, this.#of("usr/bin", name));
    await this.#addProgram("usr/bin/xenstore", this.#of("usr/bin", "xenstore"));
    for (const name of XENSTORE_COMMANDS) this.#archive.link(`/usr/bin/xenstore-${name}`, "xenstore");
    await this.#addNode();
    await this.#addModules();
    return this.#archive.finish();
  }

  async #addBase(): Promise<void> {
    for (const name of [
      "proc",
      "sys",
      "dev",
      "tmp",
      "run",
      "host",
      "var/lib/xen",
      "var/lib/xenstored",
      "var/log/xen",
    ]) {
      this.#archive.folder(`/${name}`);
    }
    this.#archive.link("/var/run", "../run");
    // Linux opens it for /init before anything is mounted.
    this.#archive.characterDevice("/dev/console", 5, 1);
    await this.#archive.copy("/bin/busybox", "/bin/busybox");
    const names = (await this.#context.succeed("busybox", "--list")).trim().split("\n");
    for (const name of names) if (name !== "busybox") this.#archive.link(`/bin/${name}`, "busybox");
  }

  #of(folder: string, name: string): string {
    return join(this.#tree.folder, folder, name);
  }

  /** A program with the libraries that it needs. */
  async #addProgram(path: string, from: string): Promise<void> {
    await this.#archive.copy(`/${path}`, from);
    await this.#addLibraries(from);
  }

  /** Without its symbols: it is most of what QEMU has to load. */
  async #addNode(): Promise<void> {
    const stripped = this.#context.path("node");
    await this.#context.succeed("strip", "--strip-all", "-o", stripped, process.execPath);
    await this.#archive.copy("/usr/bin/node", stripped);
    await this.#addLibraries(process.execPath);
  }

  async #addLibraries(program: string): Promise<void> {
    const search = `LD_LIBRARY_PATH=${this.#of(LIBRARIES, "")}:${this.#of("usr/lib/xen-4.17/lib/x86_64-linux-gnu", "")}`;
    const output = await this.#context.succeed("env", search, "ldd", program);
    if (output.includes("not found")) throw new Error(`libraries of ${program} are missing: ${output.trim()}`);
    for (const [, file] of output.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)) {
      const folder = basename(file).startsWith("ld-linux") ? "/lib64" : "/lib/x86_64-linux-gnu";
      const path = `${folder}/${basename(file)}`;
      if (this.#libraries.has(path)) continue;
      this.#libraries.add(path);
      await this.#archive.copy(path, file);
    }
  }

  /** The modules and those they depend on, with the list that modprobe reads. */
  async #addModules(): Promise<void> {
    const { folder, kernel } = this.#tree;
    const modules = `lib/modules/${kernel}`;
    await this.#context.succeed("depmod", "-b", folder, kernel);
    const lines = (await readFile(this.#of(modules, "modules.dep"), "utf8")).split("\n");
    const chosen = MODULES.map((name) => {
      const line = lines.find((text) => basename(text.split(":")[0], ".ko") === name);
      if (line === undefined) throw new Error(`Linux ${kernel} has no module ${name}`);
      return line;
    });
    const files = new Set(chosen.flatMap((line) => line.split(/:? +|:$/).filter((file) => file !== "")));
    for (const file of files) await this.#addModule(`${modules}/${file}`);
    const needed = lines.filter((line) => files.has(line.split(":")[0]));
    this.#archive.file(`/${modules}/modules.dep`, `${needed.join("\n")}\n`);
  }

  /** Without what is for debuggers, which is most of it; its signature is lost with that. */
  async #addModule(path: string): Promise<void> {
    const stripped = this.#context.path("module.ko");
    await this.#context.succeed("strip", "--strip-debug", "-o", stripped, join(this.#tree.folder, path));
    await this.#archive.copy(`/${path}`, stripped);
  }
}

// Knows the two files of a Linux guest that QEMU loads - a kernel of Debian's and its first file system - and what is in the
// latter: busybox, modules, and the programs that judge disks. They stay in a cache.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { prepare } from "../linux/cache.js";
import { type KernelKind, type Tree, unpackPackages } from "../linux/debian.js";
import { FileSystem } from "../linux/file-system.js";
import { extractKernel } from "../linux/kernel.js";
import type { SuiteContext } from "../suite.js";

/** Another number makes the caches be built anew. */
const RECIPE = 1;
/** Debian packages that are installed here: what a guest gets is taken from them, and from here. */
export const PACKAGES = [
  ...["qemu-system-x86", "busybox-static", "binutils", "kmod", "xz-utils", "lz4"],
  ...["lsscsi", "sg3-utils", "libiscsi-bin", "fio"],
];
const SG_PROGRAMS = [
  "inq",
  "vpd",
  "luns",
  "opcodes",
  "turs",
  "reset",
  "verify",
  "unmap",
  "write_same",
  "readcap",
  "raw",
  "persist",
  "rtpg",
  "stpg",
];
const PROGRAMS = ["lsscsi", "iscsi-test-cu", "fio", ...SG_PROGRAMS.map((name) => `sg_${name}`)];
const MODULES = ["virtio_pci", "virtio_console", "virtio_scsi", "virtio_blk", "sd_mod", "sg"];

/** The files to boot, by their paths. */
export interface Images {
  readonly linux: string;
  /** Without its `/init`. */
  readonly archive: string;
  /** The kernel's release. */
  readonly kernel: string;
  /** Whether they had to be made. */
  readonly made: boolean;
}

/** What a guest has besides, in a cache of its own. */
export interface Besides {
  readonly name: string;
  /** Paths of programs of this machine. */
  readonly programs: readonly string[];
  readonly modules: readonly string[];
}

const NOTHING: Besides = { name: "", programs: [], modules: [] };

/** Takes the files from the cache, or makes them. */
export async function prepareImages(context: SuiteContext, kind: KernelKind, besides = NOTHING): Promise<Images> {
  const programs = [...PROGRAMS.map((name) => `/usr/bin/${name}`), ...besides.programs];
  const modules = [...MODULES, ...besides.modules];
  const { paths, facts, made } = await prepare({
    name: `qemu-${kind}${besides.name}`,
    files: ["vmlinux.elf", "guest.cpio"],
    of: [RECIPE, programs, modules],
    make: (folder) => makeFiles(context, kind, folder, { programs, modules }),
  });
  const [linux, archive] = paths;
  return { linux, archive, kernel: facts.kernel, made };
}

async function makeFiles(
  context: SuiteContext,
  kind: KernelKind,
  folder: string,
  { programs, modules }: Omit<Besides, "name">,
): Promise<Omit<Tree, "folder">> {
  const tree = await unpackPackages(context, context.folder, kind);
  const { folder: from, ...facts } = tree;
  await extractKernel(context, join(from, `boot/vmlinuz-${facts.kernel}`), join(folder, "vmlinux.elf"));
  const files = new FileSystem(context);
  await files.addBase();
  for (const path of programs) await files.addProgram(path, path);
  await files.addModules(tree, modules);
  await writeFile(join(folder, "guest.cpio"), files.archive.finish());
  return facts;
}

// Knows the files to boot - Xen, Linux, the first file systems of dom0 and of a guest - and what of Debian is in the last two:
// busybox, Xen's tools, modules, SCSI tools and Node. They stay in a cache; what changes with this repository is not in them.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { prepare } from "../linux/cache.js";
import { type Tree, unpackPackages } from "../linux/debian.js";
import { FileSystem } from "../linux/file-system.js";
import { extractKernel } from "../linux/kernel.js";
import type { SuiteContext } from "../suite.js";

/** Debian packages that the suites need here. */
export const HOST_PACKAGES = ["qemu-system-x86", "busybox-static", "binutils", "kmod", "xz-utils", "zstd"];

/** Another number makes the cache be built anew. */
const RECIPE = 4;
const PACKAGES = [
  "xen-hypervisor-4.17-amd64",
  "xen-utils-4.17",
  "xenstore-utils",
  "libxencall1",
  "libxendevicemodel1",
  "libxenevtchn1",
  "libxenforeignmemory1",
  "libxengnttab1",
  "libxenhypfs1",
  "libxenmisc4.17",
  "libxenstore4",
  "libxentoolcore1",
  "libxentoollog1",
  "libyajl2",
  "libsgutils2-1.46-2",
  "sg3-utils",
  "lsscsi",
];
const XEN_PROGRAMS = ["xl", "xenstored", "xenstore-control", "xenconsoled", "xen-init-dom0", "lsevtchn"];
const XENSTORE_COMMANDS = ["read", "write", "rm", "ls", "list", "chmod"];
const SCSI_PROGRAMS = ["lsscsi", "sg_inq", "sg_luns", "sg_readcap", "sg_raw", "sg_reset"];
const MODULES = [
  ...["virtio_pci", "9p", "9pnet_virtio"],
  ...["xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc"],
  ...["xen-scsifront", "sd_mod", "sg"],
  ...["xen-scsiback", "target_core_mod", "target_core_file"],
  ...["scsi_debug", "st"],
];
const FOLDERS = ["host", "var/lib/xen", "var/lib/xenstored", "var/lock", "var/log/xen"];
const GUEST_PROGRAMS = ["lsscsi", "sg_reset"];
const GUEST_MODULES = ["xen-scsifront", "sd_mod", "sg"];
const XEN_FOLDER = "usr/lib/xen-4.17/bin";
const LIBRARIES = ["usr/lib/x86_64-linux-gnu", "usr/lib/xen-4.17/lib/x86_64-linux-gnu"];

/** The files to boot, by their paths. */
export interface Images {
  readonly xen: string;
  readonly linux: string;
  /** Of dom0, without its `/init`. */
  readonly archive: string;
  /** Of a guest, the same. */
  readonly guest: string;
  /** The kernel's release. */
  readonly kernel: string;
  /** Whether they had to be made. */
  readonly made: boolean;
}

/** Takes the files from the cache, or makes them. */
export async function prepareImages(context: SuiteContext): Promise<Images> {
  const { paths, facts, made } = await prepare({
    name: "xen",
    files: ["xen.elf", "vmlinux.elf", "dom0.cpio", "guest.cpio"],
    of: [RECIPE, PACKAGES, XEN_PROGRAMS, XENSTORE_COMMANDS, SCSI_PROGRAMS, MODULES, GUEST_PROGRAMS, process.version],
    make: (folder) => makeFiles(context, folder),
  });
  const [xen, linux, archive, guest] = paths;
  return { xen, linux, archive, guest, kernel: facts.kernel, made };
}

async function makeFiles(context: SuiteContext, folder: string): Promise<Omit<Tree, "folder">> {
  const { folder: tree, ...facts } = await unpackPackages(context, context.folder, "generic", PACKAGES);
  const xen = join(folder, "xen.elf");
  await context.succeed("sh", "-c", 'zcat "$1" >"$2"', "sh", join(tree, "boot/xen-4.17-amd64.gz"), xen);
  await extractKernel(context, join(tree, `boot/vmlinuz-${facts.kernel}`), join(folder, "vmlinux.elf"));
  await writeFile(join(folder, "dom0.cpio"), await firstFileSystem(context, { folder: tree, ...facts }));
  await writeFile(join(folder, "guest.cpio"), await guestFileSystem(context, { folder: tree, ...facts }));
  return facts;
}

async function firstFileSystem(context: SuiteContext, tree: Tree): Promise<readonly Uint8Array[]> {
  const files = new FileSystem(context, librariesOf(tree));
  const of = (folder: string, name: string) => join(tree.folder, folder, name);
  await files.addBase(...FOLDERS);
  for (const name of XEN_PROGRAMS) await files.addProgram(`/usr/sbin/${name}`, of(XEN_FOLDER, name));
  for (const name of SCSI_PROGRAMS) await files.addProgram(`/usr/bin/${name}`, of("usr/bin", name));
  await files.addProgram("/usr/bin/xenstore", of("usr/bin", "xenstore"));
  for (const name of XENSTORE_COMMANDS) files.archive.link(`/usr/bin/xenstore-${name}`, "xenstore");
  await files.addStripped("/usr/bin/node", process.execPath);
  await files.addModules(tree, MODULES);
  return files.archive.finish();
}

async function guestFileSystem(context: SuiteContext, tree: Tree): Promise<readonly Uint8Array[]> {
  const files = new FileSystem(context, librariesOf(tree));
  await files.addBase();
  for (const name of GUEST_PROGRAMS) await files.addProgram(`/usr/bin/${name}`, join(tree.folder, "usr/bin", name));
  await files.addModules(tree, GUEST_MODULES);
  return files.archive.finish();
}

function librariesOf({ folder }: Tree): string[] {
  return LIBRARIES.map((name) => join(folder, name));
}

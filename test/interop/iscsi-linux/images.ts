// Knows the files of a Linux guest that has Debian's iSCSI initiator besides what judges disks: the kernel's modules, iscsid and
// iscsiadm with their libraries. They stay in a cache.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { prepare } from "../linux/cache.js";
import { type Tree, unpackPackages } from "../linux/debian.js";
import { FileSystem } from "../linux/file-system.js";
import { extractKernel } from "../linux/kernel.js";
import type { Images } from "../qemu/images.js";
import type { SuiteContext } from "../suite.js";

/** Another number makes the cache be built anew. */
const RECIPE = 1;
const KERNEL = "cloud";
/** Debian packages that are unpacked, not installed. */
const UNPACKED = ["open-iscsi", "libopeniscsiusr", "libisns0", "libssl3", "dmsetup", "libdevmapper1.02.1"];
const LIBRARIES = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
/** Of them: where they lie there, and here. */
const INITIATOR = ["sbin/iscsid", "sbin/iscsiadm", "sbin/dmsetup"];
const PROGRAMS = ["lsscsi", "fio", "sg_inq", "sg_vpd", "sg_turs", "sg_reset", "sg_persist"];
const MODULES = [
  ...["virtio_pci", "virtio_console", "virtio_net", "sd_mod", "sg"],
  ...["iscsi_tcp", "libiscsi", "scsi_transport_iscsi", "crc32c-intel", "dm-multipath", "dm-round-robin"],
];

export async function prepareInitiator(context: SuiteContext): Promise<Images> {
  const { paths, facts, made } = await prepare({
    name: "iscsi-linux",
    files: ["vmlinux.elf", "guest.cpio"],
    of: [RECIPE, UNPACKED, INITIATOR, PROGRAMS, MODULES],
    make: (folder) => makeFiles(context, folder),
  });
  const [linux, archive] = paths;
  return { linux, archive, kernel: facts.kernel, made };
}

async function makeFiles(context: SuiteContext, folder: string): Promise<Omit<Tree, "folder">> {
  const tree = await unpackPackages(context, context.folder, KERNEL, UNPACKED);
  const { folder: from, ...facts } = tree;
  await extractKernel(context, join(from, `boot/vmlinuz-${facts.kernel}`), join(folder, "vmlinux.elf"));
  const files = new FileSystem(
    context,
    LIBRARIES.map((path) => join(from, path)),
  );
  await files.addBase("etc/iscsi", "sbin");
  for (const path of INITIATOR) await files.addProgram(`/usr/${path}`, join(from, path));
  for (const name of PROGRAMS) await files.addProgram(`/usr/bin/${name}`, `/usr/bin/${name}`);
  await files.addModules(tree, MODULES);
  await writeFile(join(folder, "guest.cpio"), files.archive.finish());
  return facts;
}

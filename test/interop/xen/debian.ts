// Knows the Debian packages that a Xen machine is made of: how they are downloaded by name and unpacked. None of them is installed.

import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Child, Finished } from "../children.js";
import type { SuiteContext } from "../suite.js";

/** The package whose one dependency is the newest kernel. */
const KERNEL = "linux-image-amd64";
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
const ATTEMPTS = 3;

/** What was unpacked. */
export interface Tree {
  readonly folder: string;
  /** The kernel's release, as in the names of its files. */
  readonly kernel: string;
  /** The files of the packages, which have the versions in their names. */
  readonly packages: readonly string[];
}

/** Downloads and unpacks into a folder. */
export async function unpackPackages(context: SuiteContext, folder: string): Promise<Tree> {
  const archives = join(folder, "debs");
  const tree = join(folder, "tree");
  await mkdir(archives, { recursive: true });
  await mkdir(tree);
  const image = await download(context, archives);
  const packages = (await readdir(archives)).filter((name) => name.endsWith(".deb")).sort();
  for (const name of packages) await context.succeed("dpkg-deb", "--extract", join(archives, name), tree);
  return { folder: tree, kernel: image.replace("linux-image-", ""), packages };
}

/** Gives the name of the kernel's package. A mirror that has moved on, or does not answer, is asked again with fresh lists. */
async function download(context: SuiteContext, folder: string): Promise<string> {
  let reason = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (attempt > 1) await apt(context, folder, "apt-get", "-q", "update").finished;
    const image = await kernelPackage(context, folder);
    const words = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", ...PACKAGES, ...image];
    const { status, errors } = await apt(context, folder, ...words).finished;
    if (status === 0 && image.length === 1) return image[0];
    reason = errors.trim().split("\n").at(-1) ?? "";
  }
  throw new Error(`the packages of Xen 4.17 (Debian 12 has them) could not be downloaded; as root? ${reason}`);
}

async function kernelPackage(context: SuiteContext, folder: string): Promise<string[]> {
  const { output }: Finished = await apt(context, folder, "apt-cache", "depends", KERNEL).finished;
  return [...output.matchAll(/Depends: (linux-image-\S+)/g)].map(([, name]) => name);
}

function apt(context: SuiteContext, folder: string, ...words: readonly string[]): Child {
  return context.start("env", "--chdir", folder, "LC_ALL=C", ...words);
}

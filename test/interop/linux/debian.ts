// Knows how Debian packages are downloaded by name and unpacked, and the kernels among them. None of them is installed.

import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Child, Finished } from "../children.js";
import type { SuiteContext } from "../suite.js";

/** By what is wanted: the package whose one dependency is the newest kernel of that kind. */
export const KERNELS = { generic: "linux-image-amd64", cloud: "linux-image-cloud-amd64" } as const;
export type KernelKind = keyof typeof KERNELS;

const ATTEMPTS = 3;

/** What was unpacked. */
export interface Tree {
  readonly folder: string;
  /** The kernel's release, as in the names of its files. */
  readonly kernel: string;
  /** The files of the packages, which have the versions in their names. */
  readonly packages: readonly string[];
}

/** Downloads a kernel and packages, and unpacks them below `folder`. */
export async function unpackPackages(
  context: SuiteContext,
  folder: string,
  kind: KernelKind,
  names: readonly string[] = [],
): Promise<Tree> {
  const archives = join(folder, `debs-${kind}`);
  const tree = join(folder, `tree-${kind}`);
  await mkdir(archives, { recursive: true });
  await mkdir(tree);
  const image = await download(context, archives, kind, names);
  const packages = (await readdir(archives)).filter((name) => name.endsWith(".deb")).sort();
  for (const name of packages) await context.succeed("dpkg-deb", "--extract", join(archives, name), tree);
  return { folder: tree, kernel: image.replace("linux-image-", ""), packages };
}

/** Gives the name of the kernel's package. A mirror that has moved on, or does not answer, is asked again with fresh lists. */
async function download(
  context: SuiteContext,
  folder: string,
  kind: KernelKind,
  names: readonly string[],
): Promise<string> {
  let reason = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (attempt > 1) await apt(context, folder, "apt-get", "-q", "update").finished;
    const image = await kernelPackage(context, folder, kind);
    const words = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", ...names, ...image];
    const { status, errors } = await apt(context, folder, ...words).finished;
    if (status === 0 && image.length === 1) return image[0];
    reason = errors.trim().split("\n").at(-1) ?? "";
  }
  throw new Error(`${[KERNELS[kind], ...names].join(" ")} (of Debian 12) could not be downloaded; as root? ${reason}`);
}

async function kernelPackage(context: SuiteContext, folder: string, kind: KernelKind): Promise<string[]> {
  const { output }: Finished = await apt(context, folder, "apt-cache", "depends", KERNELS[kind]).finished;
  return [...output.matchAll(/Depends: (linux-image-\S+)/g)].map(([, name]) => name);
}

function apt(context: SuiteContext, folder: string, ...words: readonly string[]): Child {
  return context.start("env", "--chdir", folder, "LC_ALL=C", ...words);
}

// Knows how to get Debian packages onto this machine, by their names.

import { tmpdir } from "node:os";
import { Children } from "./children.js";

const CHILDREN = new Children(tmpdir());

/** Installs what is missing; resolves to what it did, rejects with what a person can do about it. */
export async function installPackages(packages: readonly string[]): Promise<string> {
  const missing: string[] = [];
  for (const name of packages) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length === 0) return `${packages.length} there already`;
  const names = missing.join(" ");
  if ((await run("apt-get", ["--version"])).status !== 0) {
    throw new Error(`missing: ${names}; there is no apt-get here, install them by hand`);
  }
  if (process.getuid?.() !== 0) throw new Error(`missing: ${names}; run as root: apt-get install ${names}`);
  // The lists may be older than what the mirror still has, or not be there at all: renewed once, and only then.
  if ((await install(missing)).status !== 0) {
    await run("apt-get", ["-q", "update"]);
    const { status, errors } = await install(missing);
    if (status !== 0) throw new Error(`apt-get could not install ${names}: ${errors.trim().split("\n").at(-1)}`);
  }
  return `${missing.length} installed`;
}

async function isInstalled(name: string): Promise<boolean> {
  const { status, output } = await run("dpkg-query", ["--status", name]);
  return status === 0 && /^Status: \S+ \S+ installed$/m.test(output);
}

function install(names: readonly string[]) {
  return run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...names]);
}

function run(program: string, words: readonly string[]) {
  return CHILDREN.start("env", ["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", program, ...words]).finished;
}

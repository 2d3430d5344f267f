// Knows what of this repository runs inside dom0: the compiled packages, the compiled tests, and what of node_modules they load.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../../support/repository.js";
import type { Archive } from "../linux/archive.js";

/** Where it is in dom0. */
const FOLDER = "/pvscsi";
export const MAIN = `${FOLDER}/packages/cli/dist/main.js`;
/** The folder of the compiled suite. */
export const SUITE = `${FOLDER}/test/dist/interop/xen`;
const TESTS = ["test/dist/interop/xen", "test/dist/interop/fio", "test/dist/support"];
const MODULES = join(repositoryRoot, "node_modules");

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export async function addRepository(archive: Archive): Promise<void> {
  await archive.copy(`${FOLDER}/package.json`, join(repositoryRoot, "package.json"));
  const runs = (name: string) => /(\.js|package\.json)$/.test(name);
  for (const folder of TESTS) await archive.copyAll(`${FOLDER}/${folder}`, join(repositoryRoot, folder), runs);
  const wanted: string[] = [];
  for (const folder of await readdir(join(repositoryRoot, "packages"))) {
    const from = join(repositoryRoot, "packages", folder);
    const manifest = await readManifest(from);
    if (manifest === null) continue;
    archive.link(`${FOLDER}/node_modules/${manifest.name}`, `${FOLDER}/packages/${folder}`);
    await archive.copyAll(`${FOLDER}/packages/${folder}/dist`, join(from, "dist"), runs);
    await archive.copy(`${FOLDER}/packages/${folder}/package.json`, join(from, "package.json"));
    wanted.push(...dependencies(manifest));
  }
  await addModules(archive, wanted);
}

/** Modules of others, and those that they load. One that is only optional may not be there. */
async function addModules(archive: Archive, wanted: string[]): Promise<void> {
  const added = new Set<string>();
  for (const name of wanted) {
    if (added.has(name) || name.startsWith("@pvscsi/")) continue;
    added.add(name);
    const from = join(MODULES, name);
    const manifest = await readManifest(from);
    if (manifest === null) continue;
    await archive.copyAll(`${FOLDER}/node_modules/${name}`, from, (file) => !/\.(ts|map|md)$/.test(file));
    wanted.push(...dependencies(manifest));
  }
}

function dependencies({ dependencies, optionalDependencies }: Manifest): string[] {
  return Object.keys({ ...dependencies, ...optionalDependencies });
}

async function readManifest(folder: string): Promise<Manifest | null> {
  const text = await readFile(join(folder, "package.json"), "utf8").catch(() => null);
  return text === null ? null : JSON.parse(text);
}

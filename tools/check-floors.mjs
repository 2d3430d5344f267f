// Knows the table of floors (floors.json) and finds what breaks it: imports sideways or up, the platform where it is not
// allowed, and package.json or tsconfig.json that say something else than the imports. Argument: another root folder.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { platformUses } from "./platform-names.mjs";
import { root as repositoryRoot } from "./run.mjs";
import { lineOf, scan } from "./source-scanner.mjs";

const root = resolve(process.argv[2] ?? repositoryRoot);
const table = readJson(join(root, "tools", "floors.json"));
const violations = [];

/** Modules of Node that are a clock or its settings by another name. */
const CLOCK_MODULES = ["node:timers", "node:timers/promises", "node:process"];

for (const folder of readdirSync(join(root, "packages"))) if (isPackage(folder)) checkPackage(folder);
for (const violation of violations) console.error(violation);
console.log(violations.length === 0 ? "every import goes down" : `${violations.length} violations of the floors`);
process.exitCode = violations.length === 0 ? 0 : 1;

function checkPackage(name) {
  const folder = join(root, "packages", name);
  const platform = Object.keys(table.platform).find((kind) => table.platform[kind].includes(name));
  if (floorOf(name) < 0 || platform === undefined) return report(folder, `${name} has no place in tools/floors.json`);
  const item = { name, folder, platform, imported: new Set() };
  for (const file of sourceFiles(join(folder, "src"))) checkFile(item, file);
  checkManifest(item);
  checkReferences(item);
}

function checkFile(item, file) {
  const text = readFileSync(file, "utf8");
  const say = (at, what) => report(`${file}:${lineOf(text, at)}`, what);
  let scanned = { code: "", strings: [] };
  try {
    scanned = scan(text);
  } catch (error) {
    report(file, error.message);
  }
  const { code, strings } = scanned;
  for (const { at, value } of strings) {
    const imports = /\b(?:from|import|require)\s*\(?\s*$/.test(code.slice(0, at));
    const wrong = imports ? importFault(item, file, value) : undefined;
    if (wrong !== undefined) say(at, wrong);
  }
  for (const { index } of code.matchAll(/\bimport\s*\(\s*[^"'\s]/g)) say(index, "an import whose name is computed");
  for (const { at, name } of platformUses(code, item.platform)) {
    say(at, `${name} in ${item.name}, which is given what it needs of the platform`);
  }
}

/** What is wrong with an import, if anything; notes the package it names. */
function importFault({ name, folder, platform, imported }, file, specifier) {
  if (specifier.startsWith(".")) {
    const leaves = !resolve(dirname(file), specifier).startsWith(join(folder, "src") + sep);
    return leaves ? `${specifier} leads out of the package` : undefined;
  }
  if (specifier.startsWith("node:") || builtinModules.includes(specifier)) {
    if (platform === "none") return `${specifier} in ${name}, which runs without Node`;
    if (!specifier.startsWith("node:")) return `${specifier} is written node:${specifier}`;
    const clock = platform === "given" && CLOCK_MODULES.includes(specifier);
    return clock ? `${specifier} in ${name}, which is given its clock` : undefined;
  }
  const wanted = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  imported.add(wanted);
  const [floor, own] = [floorOf(folderOf(wanted)), floorOf(name)];
  return floor >= own ? `${wanted} is on floor ${floor} and ${name} on floor ${own}: imports go down` : undefined;
}

function checkManifest({ folder, imported }) {
  const file = join(folder, "package.json");
  const { dependencies, optionalDependencies, peerDependencies } = readJson(file);
  const declared = { ...dependencies, ...optionalDependencies, ...peerDependencies };
  for (const name of imported) if (!(name in declared)) report(file, `${name} is imported and not declared`);
  for (const [name, version] of Object.entries(declared)) {
    if (!imported.has(name)) report(file, `${name} is declared and never imported`);
    const ours = folderOf(name);
    if (ours === undefined) continue;
    const expected = readJson(join(root, "packages", ours, "package.json")).version;
    if (version !== expected) report(file, `${name} is declared as ${version} and is ${expected}`);
  }
}

function checkReferences({ folder, platform, imported }) {
  const file = join(folder, "tsconfig.json");
  const { references = [], compilerOptions = {} } = readJson(file);
  const referenced = references.map(({ path }) => relative(join(root, "packages"), resolve(folder, path)));
  const wanted = [...imported].map(folderOf).filter((name) => name !== undefined);
  for (const name of wanted) if (!referenced.includes(name)) report(file, `${name} is imported and not referenced`);
  for (const name of referenced) if (!wanted.includes(name)) report(file, `${name} is referenced and never imported`);
  if (platform === "none" && (compilerOptions.types ?? []).length > 0) report(file, "the types of a platform");
}

/** The floor of a folder under packages/; -1 for anything else. */
function floorOf(folder) {
  return table.floors.findIndex((names) => names.includes(folder));
}

/** The folder under packages/ whose package is called `name`, if it is one of ours. */
function folderOf(name) {
  const folder = name === "pvscsi" ? "cli" : name.replace("@pvscsi/", "");
  return folder !== name && isPackage(folder) ? folder : undefined;
}

function isPackage(folder) {
  return existsSync(join(root, "packages", folder, "package.json"));
}

function sourceFiles(folder) {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => /\.[cm]?tsx?$/.test(entry.name)).map((entry) => join(entry.parentPath, entry.name));
}

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

function report(place, what) {
  violations.push(`${relative(root, place)}: ${what}`);
}

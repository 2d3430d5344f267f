// Knows which compiled files have lost their source. The compiler leaves them, and an old test would go on passing.

import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";

const COMPILED = /(\.d\.ts|\.js)(\.map)?$/;

/** Removes what was compiled from files that are gone; returns the removed paths, relative to the root. */
export function removeStaleOutputs(root) {
  const removed = [];
  for (const [outputs, sources] of outputFolders(root)) {
    for (const path of filesBelow(outputs)) {
      if (existsSync(sourceOf(path, outputs, sources))) continue;
      rmSync(path);
      removed.push(relative(root, path));
    }
    removeEmptyFolders(outputs);
  }
  return removed;
}

function outputFolders(root) {
  const packages = join(root, "packages");
  const names = existsSync(packages) ? readdirSync(packages) : [];
  const folders = names.map((name) => [join(packages, name, "dist"), join(packages, name, "src")]);
  return [...folders, [join(root, "test", "dist"), join(root, "test")]].filter(([outputs]) => existsSync(outputs));
}

/** What `path` was made from; of a file that no compiler wrote, the file itself. */
function sourceOf(path, outputs, sources) {
  const place = relative(outputs, path);
  if (COMPILED.test(place)) return join(sources, place.replace(COMPILED, ".ts"));
  if (basename(place) !== "tsconfig.tsbuildinfo") return path;
  // A package's build memory lies in dist itself, while its tsconfig.json lies above src.
  return join(dirname(place) === "." ? dirname(sources) : join(sources, dirname(place)), "tsconfig.json");
}

function filesBelow(folder) {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

function removeEmptyFolders(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

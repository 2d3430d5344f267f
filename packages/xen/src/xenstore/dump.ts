// Knows how the tree is shown to a person: as `xenstore-ls -p` prints it, or `xenstore-ls -fp`.

import { type XenstoreAccess, XenstoreError } from "./client.js";
import { childOf, nameOf } from "./paths.js";
import { printPermission } from "./permissions.js";
import type { Tree } from "./tree.js";

/** A line for each node below `path`: indented by its depth, its value quoted, its permissions in parentheses. */
export function dumpTree(tree: Tree, path: string): string {
  const lines: string[] = [];
  addChildren(tree, path, 0, lines);
  return lines.join("");
}

/** The same by requests; a node that goes meanwhile is left out. `flat` gives each node's whole path. */
export async function dumpStore(access: XenstoreAccess, path: string, flat = false): Promise<string> {
  const lines: string[] = [];
  const begin = flat ? (child: string) => child : (child: string, depth: number) => indented(nameOf(child), depth);
  await askForChildren(access, path, 0, (child, depth, value, permissions) => {
    lines.push(lineOf(begin(child, depth), value, permissions));
  });
  return lines.join("");
}

function addChildren(tree: Tree, path: string, depth: number, lines: string[]): void {
  for (const name of tree.read(path)?.children ?? []) {
    const child = childOf(path, name);
    const node = tree.read(child);
    if (node === null) continue;
    lines.push(lineOf(indented(name, depth), node.value, node.permissions.map(printPermission)));
    addChildren(tree, child, depth + 1, lines);
  }
}

type Tell = (path: string, depth: number, value: string, permissions: readonly string[]) => void;

async function askForChildren(access: XenstoreAccess, path: string, depth: number, tell: Tell): Promise<void> {
  for (const name of (await access.list(path)) ?? []) {
    const child = childOf(path, name);
    const [value, permissions] = await Promise.all([access.read(child), permissionsOf(access, child)]);
    if (value === null || permissions === null) continue;
    tell(child, depth, value, permissions);
    await askForChildren(access, child, depth + 1, tell);
  }
}

async function permissionsOf(access: XenstoreAccess, path: string): Promise<string[] | null> {
  try {
    return await access.permissions(path);
  } catch (error) {
    if (error instanceof XenstoreError && error.errno === "ENOENT") return null;
    throw error;
  }
}

function indented(name: string, depth: number): string {
  return `${" ".repeat(depth)}${name}`;
}

function lineOf(begin: string, value: string, permissions: readonly string[]): string {
  return `${begin} = "${printable(value)}"   (${permissions.join(",")})\n`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };

/** Printable ASCII as it is; the rest, and the backslash, escaped. */
function printable(value: string): string {
  return value.replace(/[^ -[\]-~]/g, (character) => {
    return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

// Knows how the tree is shown to a person: as `xenstore-ls -p` prints it.

import { childOf } from "./paths.js";
import { printPermission } from "./permissions.js";
import type { Tree } from "./tree.js";

/** A line for each node below `path`: indented by its depth, its value quoted, its permissions in parentheses. */
export function dumpTree(tree: Tree, path: string): string {
  const lines: string[] = [];
  addChildren(tree, path, 0, lines);
  return lines.join("");
}

function addChildren(tree: Tree, path: string, depth: number, lines: string[]): void {
  for (const name of tree.read(path)?.children ?? []) {
    const child = childOf(path, name);
    const node = tree.read(child);
    if (node === null) continue;
    const permissions = node.permissions.map(printPermission).join(",");
    lines.push(`${" ".repeat(depth)}${name} = "${printable(node.value)}"   (${permissions})\n`);
    addChildren(tree, child, depth + 1, lines);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };

/** Printable ASCII as it is; the rest, and the backslash, escaped. */
function printable(value: string): string {
  return value.replace(/[^ -[\]-~]/g, (character) => {
    return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

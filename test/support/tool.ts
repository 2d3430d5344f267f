// Knows how a test runs one of the repository's tools, and reads a module of theirs.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repositoryRoot } from "./repository.js";

export interface ToolRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a JavaScript file with this Node and waits for its end. */
export function runTool(file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): ToolRun {
  return spawnSync(process.execPath, [file, ...args], { encoding: "utf8", env });
}

/** The path of a file in tools/. */
export function toolPath(name: string): string {
  return join(repositoryRoot, "tools", name);
}

/** The exports of a module in tools/, which are plain JavaScript: the caller says what they are. */
export async function importTool<Exports>(name: string): Promise<Exports> {
  return (await import(pathToFileURL(toolPath(name)).href)) as Exports;
}

// Knows how the tools run other programs: Node's own programs by their file, never through a shell.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Runs a program in the root folder. Returns its exit status and, with `quiet`, all it printed, else an empty text.
 * A program that cannot be started at all has status 127; one that a signal ended has 128.
 */
export function run(program, args, { quiet = false, env = process.env } = {}) {
  const stdio = quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"];
  const done = spawnSync(program, args, { cwd: root, stdio, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (done.error !== undefined) return { status: 127, output: `${program}: ${done.error.message}\n` };
  return { status: done.status ?? 128, output: quiet ? done.stdout + done.stderr : "" };
}

/** Runs a JavaScript file with the Node that runs us. */
export function runNode(args, options) {
  return run(process.execPath, args, options);
}

/** The file behind a command that an installed package brings (`typescript`, `tsc`). */
export function commandFile(packageName, command) {
  const folder = join(root, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof bin === "string" ? bin : bin[command]);
}

/** npm itself: the one that started us, else the one beside this Node, else whatever PATH has. */
export function npmCommand() {
  const started = process.env.npm_execpath ?? "";
  if (started.endsWith("npm-cli.js")) return [process.execPath, started];
  const beside = join(dirname(process.execPath), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js");
  return existsSync(beside) ? [process.execPath, beside] : ["npm"];
}

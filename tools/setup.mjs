// Knows how a fresh clone, or one that has moved on, becomes ready to run: Node, packages, build. Needs only Node and npm.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandFile, npmCommand, root, run, runNode } from "./run.mjs";
import { removeStaleOutputs } from "./stale-outputs.mjs";

const quiet = process.argv.includes("--quiet");
const stampFile = join(root, "node_modules", ".setup-stamp");

function say(text) {
  if (!quiet) console.log(`setup: ${text}`);
}

/** Ends the set-up with what went wrong, in one line after whatever the program itself printed. */
function giveUp(text, output = "") {
  process.stderr.write(output);
  console.error(`setup: ${text}`);
  process.exit(1);
}

function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const wanted = engines.node.replace(">=", "");
  const [major, minor] = wanted.split(".").map(Number);
  const [ours, oursMinor] = process.versions.node.split(".").map(Number);
  if (ours > major || (ours === major && oursMinor >= minor)) return;
  giveUp(`Node ${wanted} or newer is needed; this is ${process.version} (${process.execPath})`);
}

/** What the installed packages depend on. */
function stamp() {
  const lock = readFileSync(join(root, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} node ${process.version} ${process.platform}-${process.arch}\n`;
}

function install() {
  const wanted = stamp();
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted) return;
  say("npm ci (package-lock.json or Node is another than last time)");
  const [program, ...args] = npmCommand();
  // No package here needs its install script; npm 10 would run them and npm 11 would not.
  const { status, output } = run(program, [...args, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], { quiet });
  if (status !== 0) giveUp("npm ci failed", output);
  writeFileSync(stampFile, wanted);
}

function build() {
  const removed = removeStaleOutputs(root);
  if (removed.length > 0) say(`removed ${removed.length} compiled files that have no source any more`);
  say("tsc -b");
  // Several builders at a time now and then compile a project before the output of one it refers to is there (TypeScript 7.0.2).
  const { status, output } = runNode([commandFile("typescript", "tsc"), "-b", "--builders", "1"], { quiet });
  if (status !== 0) giveUp("the build failed", output);
}

checkNode();
install();
build();

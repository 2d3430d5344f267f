// Knows which commands, files and tests the documents name, and finds those that do not exist. Argument: another root folder.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { root as repositoryRoot } from "./run.mjs";
import { testFaults } from "./test-tables.mjs";

const root = resolve(process.argv[2] ?? repositoryRoot);
const scripts = Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts);
const verbs = readVerbs();
const documents = [join(root, "README.md"), ...markdownIn(join(root, "docs"))].filter((file) => existsSync(file));

const faults = documents.flatMap((file) => faultsOf(file).map((fault) => `${relative(root, file)}${fault}`));
for (const fault of faults) console.error(fault);
console.log(
  faults.length === 0 ? `${documents.length} documents name only what exists` : `${faults.length} names of nothing`,
);
process.exitCode = faults.length === 0 ? 0 : 1;

/** The verbs that the command line itself says it has, with their short forms; last come those that dom0 runs. */
function readVerbs() {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(root, "packages/cli/dist/main.js"), "--help"], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`pvscsi --help ended with ${status}: ${stderr}`);
  const commands = stdout.slice(stdout.indexOf("Commands:"));
  const own = [...commands.matchAll(/^ {2}([a-z][\w|-]*)/gm)].flatMap(([, names]) => names.split("|"));
  const relayed = /^Verbs, .*: (.*)$/m.exec(stdout)?.[1].split(", ") ?? [];
  return [...own, ...relayed];
}

function markdownIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name));
}

function faultsOf(file) {
  const lines = readFileSync(file, "utf8").split("\n");
  const tests = testFaults(root, lines);
  return lines.flatMap((line, i) => {
    const faults = [...lineFaults(file, line, isFenced(lines, i)), ...tests[i]];
    return faults.map((fault) => `:${i + 1}: ${fault}`);
  });
}

function isFenced(lines, index) {
  return lines.slice(0, index).filter((line) => line.trimStart().startsWith("```")).length % 2 === 1;
}

function* lineFaults(file, line, fenced) {
  const code = fenced ? line : [...line.matchAll(/`([^`]+)`/g)].map(([, span]) => span).join("\n");
  for (const [, script] of code.matchAll(/\bnpm run ([\w:-]+)/g))
    if (!scripts.includes(script)) yield `no script ${script}`;
  for (const [, script] of code.matchAll(/\bnpm (start|test)\b/g))
    if (!scripts.includes(script)) yield `no script ${script}`;
  // A verb follows the program's name at the start of a command; elsewhere the name is only a word of some output.
  for (const [, verb] of code.matchAll(/^\s*(?:[$#] )?(?:sudo |npx )?pvscsi ([a-z][\w-]*)/gm)) {
    if (!verbs.includes(verb)) yield `no verb ${verb}`;
  }
  if (fenced) return;
  for (const [, target] of line.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
    if (!/^[a-z]+:/.test(target) && !existsSync(join(dirname(file), target))) yield `no file ${target}`;
  }
}

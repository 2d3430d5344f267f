// Knows which tests need nothing but Node, runs them with mocha, and says what was left out.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { commandFile, root, runNode } from "./run.mjs";

const TESTS = "test/dist/{unit,contract,golden,simulation}/**/*.test.js";
/** What is written after each run of mocha, and at the end with the sum of all. */
const RESULT = join(root, "out", "test-result.json");

/** Tests that measure the heap, each in a process of its own: where other tests have called the same code with other
 *  types, it is compiled to box numbers, and their garbage is collected in between. */
function allocationTests() {
  const files = readdirSync(join(root, "test", "dist"), { recursive: true });
  return files.filter((file) => file.endsWith("allocation.test.js")).map((file) => join("test", "dist", file));
}

/** Runs mocha; a run that tells no result is one failure. */
function runMocha(files) {
  rmSync(RESULT, { force: true });
  const reporter = join(root, "tools", "test-reporter.mjs");
  const { status } = runNode([
    commandFile("mocha", "mocha"),
    "--reporter",
    reporter,
    ...process.argv.slice(2),
    ...files,
  ]);
  return { status, ...readResult() };
}

function readResult() {
  try {
    return JSON.parse(readFileSync(RESULT, "utf8"));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const alone = allocationTests();
const runs = [
  runMocha([TESTS, ...alone.flatMap((file) => ["--ignore", file])]),
  ...alone.map((file) => runMocha([file])),
];
const sum = (name) => runs.reduce((total, run) => total + run[name], 0);
const result = { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
mkdirSync(dirname(RESULT), { recursive: true });
writeFileSync(RESULT, `${JSON.stringify(result)}\n`);
console.log(`${result.passed} passing, ${result.failed} failing, ${result.skipped} skipped in ${runs.length} runs`);
console.log(
  "Left out: the outside judges (fio, qemu-img, nbdcopy, Linux' scsifront on Xen, a Linux guest of QEMU). They run with: npm run test:interop",
);
process.exitCode = runs.find(({ status }) => status !== 0)?.status ?? 0;

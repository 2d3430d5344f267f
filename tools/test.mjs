// Knows which tests need nothing but Node, runs them with mocha, and says what was left out.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { commandFile, root, runNode } from "./run.mjs";

const TESTS = "test/dist/{unit,contract,golden,simulation}/**/*.test.js";

/** How many passed must come from this run: an old result would be a lie if mocha does not get as far as writing one. */
rmSync(join(root, "out", "test-result.json"), { force: true });

const { status } = runNode([
  commandFile("mocha", "mocha"),
  "--reporter",
  join(root, "tools", "test-reporter.mjs"),
  ...process.argv.slice(2),
  TESTS,
]);
console.log("Left out: the outside judges (fio, qemu-img, nbdcopy). They run with: npm run test:interop");
process.exitCode = status;

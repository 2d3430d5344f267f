// Knows the checks that `npm run check` makes beside the tests, and tells each in one line.

import { commandFile, runNode } from "./run.mjs";

const CHECKS = [
  ["format and lint", commandFile("@biomejs/biome", "biome"), "check", "--error-on-warnings"],
  ["floors", "tools/check-floors.mjs"],
  ["wire tables", commandFile("mocha", "mocha"), "test/dist/golden/abi.test.js"],
  ["documents", "tools/check-docs.mjs"],
];

let failed = 0;
for (const [name, ...args] of CHECKS) {
  const { status, output } = runNode(args, { quiet: true });
  console.log(`${status === 0 ? "ok    " : "failed"} ${name}`);
  if (status === 0) continue;
  failed += 1;
  process.stdout.write(output);
}
process.exitCode = failed === 0 ? 0 : 1;

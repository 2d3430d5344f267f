// Knows `npm run simulate -- --seed N [--count N] [--trace]`: runs histories, each twice, and prints a line for each.

import { parseArgs } from "node:util";
import { runHistory } from "./history.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
    once: { type: "boolean", default: false },
  },
});

const first = Number(values.seed);
const count = Number(values.count);
if (!Number.isSafeInteger(first) || first < 0 || !Number.isSafeInteger(count) || count < 1) {
  console.error("simulate: --seed N --count N [--trace] [--once], N whole numbers");
  process.exit(2);
}

const totals = { operations: 0, failures: 0, faults: 0, plugs: 0, lines: 0 };
let wrong = 0;
for (let seed = first; seed < first + count; seed++) {
  try {
    const result = await runHistory(seed, values.trace ? (line) => console.log(line) : null);
    const again = values.once ? result : await runHistory(seed);
    if (again.digest !== result.digest) throw new Error(`seed ${seed}: the second run was another history`);
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result[name];
    const { operations, failures, faults, plugs, time } = result;
    console.log(
      `seed ${seed}: ${operations} operations, ${failures} failed, ${faults} faults, ${plugs} plugs, ` +
        `${(time / 1000).toFixed(1)} s simulated, ${result.lines} lines, ${result.digest.slice(0, 16)}`,
    );
  } catch (error) {
    wrong += 1;
    console.log(`${(error as Error).stack}`);
  }
}
console.log(
  `${count - wrong} of ${count} histories held: ${totals.operations} operations (${totals.failures} failed), ` +
    `${totals.faults} faults, ${totals.plugs} plugs, ${totals.lines} lines`,
);
process.exitCode = wrong === 0 ? 0 : 1;

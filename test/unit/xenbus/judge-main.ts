// Knows `node test/dist/unit/xenbus/judge-main.js --seed N [--count N] [--steps N]`: runs the judge, a line for each seed.

import { parseArgs } from "node:util";
import { runJudge } from "./judge.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    steps: { type: "string", default: "50000" },
  },
});
const [first, count, steps] = [Number(values.seed), Number(values.count), Number(values.steps)];
let wrong = 0;
let compared = 0;
const begin = performance.now();
for (let seed = first; seed < first + count; seed++) {
  try {
    const result = await runJudge(seed, steps);
    compared += result.compared;
    console.log(JSON.stringify(result));
  } catch (error) {
    wrong += 1;
    console.log((error as Error).stack);
  }
}
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(`${count - wrong} of ${count} histories of ${steps} steps held, ${compared} cells compared, ${seconds} s`);
process.exitCode = wrong === 0 ? 0 : 1;

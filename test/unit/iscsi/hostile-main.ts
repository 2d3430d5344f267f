// Knows `node test/dist/unit/iscsi/hostile-main.js --seed N [--count N] [--pdus N]`: hostile initiators at a portal, history by
// history, until each has sent so many PDUs that are not as they should be; with time and memory at the end.

import { parseArgs } from "node:util";
import { collectGarbage } from "../../support/allocation.js";
import { hostileHistory } from "./hostile-history.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    pdus: { type: "string", default: "2000" },
  },
});
const [first, count, pdus] = [Number(values.seed), Number(values.count), Number(values.pdus)];
const memory = (): string => {
  collectGarbage();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return [heapUsed, arrayBuffers, rss].map((bytes) => (bytes / 2 ** 20).toFixed(1)).join("/");
};
let wrong = 0;
let early = "";
const begin = performance.now();
for (let seed = first; seed < first + count; seed++) {
  try {
    console.log(JSON.stringify(await hostileHistory(seed, pdus)));
  } catch (error) {
    wrong += 1;
    console.log((error as Error).stack);
  }
  if (seed === first + Math.floor(count / 10)) early = memory();
}
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(`${count - wrong} of ${count} histories of ${pdus} PDUs held, ${seconds} s`);
console.log(`MiB of heap/buffers/resident: ${early} after a tenth, ${memory()} in the end`);
process.exitCode = wrong === 0 ? 0 : 1;

// Knows `node test/dist/unit/scsi/hostile-main.js --seed N [--count N] [--commands N]`: random commands at a target, history
// by history, with time and memory at the end.

import { parseArgs } from "node:util";
import { collectGarbage } from "../../support/allocation.js";
import { hostileCommands } from "./hostile-commands.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    commands: { type: "string", default: "10000" },
  },
});
const [first, count, commands] = [Number(values.seed), Number(values.count), Number(values.commands)];
const heap = (): string => {
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return [heapUsed, external, rss].map((bytes) => (bytes / 2 ** 20).toFixed(1)).join("/");
};
let wrong = 0;
const begin = performance.now();
let early = "";
for (let seed = first; seed < first + count; seed++) {
  try {
    console.log(JSON.stringify(await hostileCommands(seed, commands)));
  } catch (error) {
    wrong += 1;
    console.log((error as Error).stack);
  }
  if (seed === first + Math.floor(count / 10)) early = heap();
}
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(`${count - wrong} of ${count} histories of ${commands} commands held, ${seconds} s`);
console.log(`MiB of heap/external/resident: ${early} after a tenth, ${heap()} in the end`);
process.exitCode = wrong === 0 ? 0 : 1;

// Knows the command line of what a READ costs among many LUNs: `npm run bench:scale [-- --rounds N --milliseconds N]`.

import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { compare, formatComparison } from "@pvscsi/bench";
import { seededRandom } from "@pvscsi/wire";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { filledStore, manyLuns } from "./contenders.js";

/** Targets and LUNs of each; the first is the bound. */
const SHAPES = [
  [1, 1],
  [1, 64],
  [1, 16384],
  [256, 64],
] as const;
const WORKLOAD = { name: "4k randread d1", operation: "read", size: 4096, pattern: "random", depth: 1 } as const;

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "9" }, milliseconds: { type: "string", default: "500" } },
});
const [rounds, milliseconds] = [Number(values.rounds), Number(values.milliseconds)];
const store = filledStore();
const rows = await compare({
  contenders: SHAPES.flatMap(([targets, luns]) => [
    manyLuns(store, targets, luns, "one"),
    ...(targets * luns > 1 ? [manyLuns(store, targets, luns, "all")] : []),
  ]),
  workloads: [WORKLOAD],
  rounds,
  milliseconds,
  random: seededRandom(1, "scale"),
  instruments: {
    clock: realClock,
    scheduler: realScheduler,
    processor() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
  },
});
const processors = cpus();
const load = loadavg().map((value) => value.toFixed(1));
console.log(`Node ${process.version}, ${processors.length} x ${processors[0].model}; load average ${load.join(" ")}`);
console.log(`${rounds} rounds of ${milliseconds} ms; the bound is one LUN\n\n${formatComparison(rows)}`);

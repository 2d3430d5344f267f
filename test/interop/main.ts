// Knows how suites are chosen, run within their budgets and reported: `npm run test:interop [-- NAME...]`.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../support/repository.js";
import { installPackages } from "./packages.js";
import { type Row, reasonOf, type Suite, SuiteContext } from "./suite.js";
import { suites } from "./suites.js";
import { progressOf, tableOf } from "./table.js";

const USAGE = "usage: npm run test:interop [-- --list | NAME...]";

// Not left to the event loop: a suite that was stopped may have left something in it.
process.exit(await main(process.argv.slice(2)));

/** Returns the exit status: 0 all held, 1 something failed, 2 wrong usage. */
async function main(words: readonly string[]): Promise<number> {
  if (words.includes("--list")) return list();
  const unknown = words.filter((word) => !suites.some((suite) => suite.name === word));
  if (unknown.length > 0) {
    console.error(
      `no suite ${unknown.join(", ")}: there are ${suites.map((suite) => suite.name).join(", ")}\n${USAGE}`,
    );
    return 2;
  }
  const chosen = suites.filter((suite) => (words.length > 0 ? words.includes(suite.name) : suite.default));
  const rows: Row[] = [];
  for (const suite of chosen) rows.push(...(await runSuite(suite)));
  return await conclude(rows);
}

function list(): number {
  for (const { name, judges, packages, budgetSeconds, ...suite } of suites) {
    const when = suite.default ? "default" : "by name";
    console.log(`${name}  ${judges} (${when}, ${budgetSeconds} s at most, needs ${packages.join(" ")})`);
  }
  return 0;
}

/** Its rows; a suite that stops early has one that says why. */
async function runSuite(suite: Suite): Promise<readonly Row[]> {
  const context = await SuiteContext.open(suite.name, (row) => console.log(progressOf(row)));
  const interrupt = () => void context.close().finally(() => process.exit(1));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    const ready = await context.check("packages", () => installPackages(suite.packages));
    if (ready) await withinBudget(suite, context);
  } finally {
    process.removeListener("SIGINT", interrupt).removeListener("SIGTERM", interrupt);
    await context.close();
  }
  return context.rows;
}

async function withinBudget(suite: Suite, context: SuiteContext): Promise<void> {
  const begin = performance.now();
  const failed = (figure: string) =>
    context.add({ check: "to its end", passed: false, figure, seconds: (performance.now() - begin) / 1000 });
  const run = suite.run(context).catch((error) => failed(reasonOf(error)));
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      failed(`more than ${suite.budgetSeconds} s`);
      void context.abort().then(resolve);
    }, suite.budgetSeconds * 1000);
  });
  await Promise.race([run, over]);
  clearTimeout(timer);
}

async function conclude(rows: readonly Row[]): Promise<number> {
  const passed = rows.filter((row) => row.passed).length;
  const failed = rows.length - passed;
  const folder = join(repositoryRoot, "out");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "interop-result.json"), `${JSON.stringify({ passed, failed, rows }, null, 2)}\n`);
  console.log(`\n${tableOf(rows)}\n\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

// Knows how tgt's daemon and our portal are judged by each other: the same commands from a seed, answer by answer.

import { truncate, writeFile } from "node:fs/promises";
import { ServedPortal } from "../iscsi/portal.js";
import type { Suite, SuiteContext } from "../suite.js";
import { CLASSES } from "./classes.js";
import { Tgtd } from "./daemon.js";
import { DISK_SIZE, IDENTITY } from "./geometry.js";
import { Judge, type JudgeOptions, type Tally } from "./judge.js";
import { Side } from "./side.js";

/** What stands in the environment: another stream, or one step of it that is shown with both answers. */
const SEED = Number(process.env.TGT_SEED ?? 1);
const STEPS = process.env.TGT_STEPS === undefined ? undefined : Number(process.env.TGT_STEPS);
const SHOWN = process.env.TGT_SHOW === undefined ? undefined : Number(process.env.TGT_SHOW);
const DISKS_EVERY = process.env.TGT_DISKS === undefined ? undefined : Number(process.env.TGT_DISKS);

const JUDGES = "Debian's tgt beside pvscsi iscsi serve: random commands to both, every difference in a class";

export const tgtSuite: Suite = {
  name: "tgt",
  judges: `${JUDGES}; 100000 of them`,
  packages: ["tgt"],
  default: false,
  budgetSeconds: 1800,
  run: (context) => judge(context, STEPS ?? 100_000),
};

export const tgtShortSuite: Suite = {
  name: "tgt-short",
  judges: `${JUDGES}; 3000 of them`,
  packages: ["tgt"],
  default: true,
  budgetSeconds: 45,
  run: (context) => judge(context, STEPS ?? 3000),
};

async function judge(context: SuiteContext, steps: number): Promise<void> {
  const count = SHOWN === undefined ? steps : SHOWN + 1;
  const tallies: Tally[] = [];
  await context.check(`${count} commands of seed ${SEED} to both: every difference has a class`, async () => {
    const judge = await judgeOf(context, {
      watch: (step, text) => {
        if (step.number === SHOWN) console.log(text);
      },
      ...(DISKS_EVERY === undefined ? {} : { disksEvery: DISKS_EVERY }),
    });
    const tally = await judge.run(SEED, count);
    tallies.push(tally);
    for (const text of tally.unclassified) console.log(text);
    if (tally.unclassified.length > 0) throw new Error(`${tally.unclassified.length} differences have none`);
    return `${tally.equal} of ${tally.steps} equal, ${tally.disks} times all of both disks`;
  });
  for (const tally of tallies) tellClasses(context, tally);
}

/** A row for each class, with how often it was; those that never were are told in one. */
function tellClasses(context: SuiteContext, { counts }: Tally): void {
  const never: string[] = [];
  for (const row of CLASSES) {
    const count = counts.get(row) ?? 0;
    const who = row.right === "ours" ? "we are right" : "both may";
    if (count === 0) never.push(row.name);
    else context.add({ check: row.name, passed: true, figure: `${count} times, ${who}: ${row.clause}`, seconds: 0 });
  }
  if (never.length === 0) return;
  console.log(`classes that never were:\n${never.map((name) => `  ${name}`).join("\n")}`);
  context.add({ check: `${never.length} classes never were`, passed: true, figure: never.join("; "), seconds: 0 });
}

/** Our target and tgt's with a disk each that is the same in all that can be chosen. */
export async function judgeOf(context: SuiteContext, options: JudgeOptions = {}): Promise<Judge> {
  const identity = Object.entries(IDENTITY).map(([key, value]) => `${key}=${value}`);
  const own = [context.freshPath("disk"), `size=${DISK_SIZE}`, "removable", "thin", ...identity];
  const portal = await ServedPortal.start(context, ["mem:1MiB", own.join(",")]);
  const ours = new Side("ours", async () => portal);
  const tgt = new Side("tgt", async () => {
    const file = context.freshPath("disk");
    await writeFile(file, "");
    await truncate(file, DISK_SIZE);
    return await Tgtd.start(context, file, IDENTITY);
  });
  return new Judge(ours, tgt, options);
}

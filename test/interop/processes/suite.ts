// Knows what is asked of guests, driver domain and dom0 as processes that a WebSocket joins: the judges of a disk, two
// guests at once, a reader that stands still, and memory that does not grow.

import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { judgeImages } from "../fio/copies.js";
import { verifyContents } from "../fio/verification.js";
import type { Suite, SuiteContext } from "../suite.js";
import { type DomainName, ProcessMachine } from "./machine.js";

/** Seconds of a run. */
interface Length {
  /** Of fio on both guests. */
  readonly together: number;
  /** For which a process stands still; a command may take 30. */
  readonly still: number;
}

const SUITE = {
  judges:
    "disks of a driver domain, each in a guest of its own process: fio, qemu-img, nbdcopy; stopped readers, memory",
  packages: ["fio", "qemu-utils", "libnbd-bin"],
};

export const processesSuite: Suite = {
  ...SUITE,
  name: "processes",
  default: true,
  budgetSeconds: 215,
  run: (context) => judge(context, { together: 30, still: 10 }),
};

/** As long as a leak needs to show. */
export const processesFullSuite: Suite = {
  ...SUITE,
  name: "processes-full",
  default: false,
  budgetSeconds: 1500,
  run: (context) => judge(context, { together: 600, still: 30 }),
};

const DOMAINS: readonly DomainName[] = ["dom0", "storage", "one", "two"];
/** MiB by which a process may be larger at the end of a run than after its first tenth: the collector takes its time. */
const GROWTH = 96;
/** MiB that may wait for a process that stands still: what its rings hold, and what V8 keeps of it. */
const WAITING = 192;

/** Writes of a run, however much a machine has to do besides. */
const FEWEST_WRITES = 100;
/** Seconds of a run besides those of standing still, and the blocks that fio then leaves unread at most. */
const MOVING = 15;
const BACKLOG = 32;

async function judge(context: SuiteContext, length: Length): Promise<void> {
  const machine = await ProcessMachine.start(context);
  const [one, two] = [await machine.serve("one"), await machine.serve("two")];
  await judgeImages(context, { uri: one });
  await context.check(`fio on two guests at once for ${length.together} s, every write verified; memory`, () =>
    together(context, machine, [one, two], length.together),
  );
  for (const name of ["storage", "two"] as const) {
    await context.check(`${name} stands still for ${length.still} s while fio runs on both guests`, () =>
      standStill(context, machine, [one, two], name, length.still),
    );
  }
  await context.check("nothing is left behind", () => machine.finish());
}

async function together(
  context: SuiteContext,
  machine: ProcessMachine,
  uris: readonly string[],
  seconds: number,
): Promise<string> {
  const work = Promise.all(uris.map((uri) => verifyContents(context, uri, seconds, FEWEST_WRITES)));
  await setTimeout((seconds * 1000) / 10);
  const before = await memories(machine);
  const figures = await work;
  const after = await memories(machine);
  const grown = DOMAINS.map((_, i) => after[i] - before[i]);
  expect(Math.max(...grown), `MiB grown: ${grown}`).to.be.below(GROWTH);
  const memory = DOMAINS.map((name, i) => `${name} ${before[i].toFixed(0)} to ${after[i].toFixed(0)}`).join(", ");
  return `${figures.join("; ")}; MiB: ${memory}`;
}

/** Its peers must not keep more and more for it, and all goes on when it does. */
async function standStill(
  context: SuiteContext,
  machine: ProcessMachine,
  uris: readonly string[],
  name: DomainName,
  seconds: number,
): Promise<string> {
  const work = Promise.all(uris.map((uri) => verifyContents(context, uri, seconds + MOVING, FEWEST_WRITES, BACKLOG)));
  await setTimeout(3000);
  const before = await memories(machine);
  machine.signal(name, "SIGSTOP");
  await setTimeout(seconds * 1000);
  const during = await memories(machine);
  machine.signal(name, "SIGCONT");
  const figures = await work;
  const grown = Math.max(...during.map((mebibytes, i) => mebibytes - before[i]));
  expect(grown, "MiB grown while it stood still").to.be.below(WAITING);
  return `${grown.toFixed(0)} MiB more at most; ${figures.join("; ")}`;
}

function memories(machine: ProcessMachine): Promise<number[]> {
  return Promise.all(DOMAINS.map((name) => machine.memory(name)));
}

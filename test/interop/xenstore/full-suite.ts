// Knows how Xen's own xenstored is asked beside ours: that it says what was recorded of it, and what both say to random requests.

import { expect } from "chai";
import { goldenText } from "../../support/repository.js";
import type { Suite, SuiteContext } from "../suite.js";
import { Clients } from "./clients.js";
import { parseDialogue, printDialogue } from "./dialogue.js";
import { flood, QUIET_SECONDS, SECONDS } from "./flood.js";
import { RealXenstored } from "./real-xenstored.js";
import { askBoth } from "./side-by-side.js";

const SEEDS = 12;
const REQUESTS = 3000;

export const xenstoreFullSuite: Suite = {
  name: "xenstore-full",
  judges: "Xen's own xenstored 4.17, without Xen, beside ours: random requests of tools and domains",
  packages: ["xenstore-utils", "gcc", "libc6-dev"],
  default: false,
  budgetSeconds: 600,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const ready: RealXenstored[] = [];
  await context.check("xenstored is downloaded, its libraries are compiled", async () => {
    ready.push(await RealXenstored.prepare(context));
    return "xen-utils-4.17";
  });
  for (const real of ready) {
    await context.check("it says to Xen's clients what was recorded", () => recordAgain(context, real));
    for (let seed = 1; seed <= SEEDS; seed++) {
      await context.check(`${REQUESTS} random requests, seed ${seed}`, () => sideBySide(real, seed));
    }
    const [told, quiet] = [`for ${SECONDS} seconds`, `after ${QUIET_SECONDS} quiet ones`];
    await context.check(`a domain floods it ${told}, and ${quiet}: as many writes are let through`, () =>
      flooded(real),
    );
  }
}

async function recordAgain(context: SuiteContext, real: RealXenstored): Promise<string> {
  const { socket, child } = await real.start();
  const clients = new Clients(socket, (program, ...words) => context.start(program, ...words));
  const golden = goldenText("xenstore-utils-4.17.txt");
  const played = [];
  for (const part of parseDialogue(golden)) played.push(await clients.play(part));
  await child.end();
  expect(printDialogue(played)).to.equal(golden);
  return `${played.length} parts`;
}

async function sideBySide(real: RealXenstored, seed: number): Promise<string> {
  const running = await real.start();
  try {
    await askBoth(running, seed, REQUESTS);
  } finally {
    await running.child.end();
  }
  return "every reply and event is equal";
}

async function flooded(real: RealXenstored): Promise<string> {
  const running = await real.start();
  try {
    return await flood(running);
  } finally {
    await running.child.end();
  }
}

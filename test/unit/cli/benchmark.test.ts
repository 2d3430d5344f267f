// Tests the transports of `pvscsi bench` that need a second process: how long its frames are, and that it never stays.

import { existsSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { RunningCommand } from "./command.js";

/** Milliseconds for what happens by itself. */
const PATIENCE = 10_000;
const LONG = ["bench", "--workloads", "4k randread d1", "--milliseconds", "60000", "--transports", "ws", "websocket"];

/** Processes that a process has started and that run. */
function children(pid: number | undefined): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await setTimeout(20)) if (holds()) return;
  expect.fail(`it does not come to this: ${what}`);
}

describe("pvscsi bench with a second process", function () {
  this.timeout(60_000);

  async function started(): Promise<{ readonly running: RunningCommand; readonly pids: readonly number[] }> {
    const running = new RunningCommand(LONG);
    await until("both have their process", () => children(running.child.pid).length === 2);
    return { running, pids: children(running.child.pid) };
  }

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    it(`leaves none behind after ${signal}`, async () => {
      const { running, pids } = await started();
      running.child.kill(signal);
      await running.ended;
      await until("they have ended", () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
    });
  }

  it("fails when one of them ends, and the other one ends too", async () => {
    const { running, pids } = await started();
    process.kill(pids[1], "SIGKILL");
    const { status, errors } = await running.ended;
    expect(errors).to.include("its other process has ended: SIGKILL");
    expect(status).to.equal(1);
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).to.deep.equal([]);
  });
});

// Knows how often each of a controller's request queues has interrupted the guest, and how to use them all.

import { expect } from "chai";
import type { Guest } from "./guest.js";

/** Interrupts of each request queue since the guest's start. */
export async function interruptsOf(guest: Guest): Promise<number[]> {
  const lines = (await guest.run("cat /proc/interrupts")).split("\n").filter((line) => line.endsWith("-request"));
  return lines.map((line) =>
    (/:([\s\d]+)/.exec(line)?.[1] ?? "")
      .trim()
      .split(/\s+/)
      .reduce((sum, count) => sum + Number(count), 0),
  );
}

/** Reads on each processor for some seconds, and gives by how much each queue's interrupts have grown. */
export async function useQueues(guest: Guest, disk: string, processors: number): Promise<number[]> {
  const before = await interruptsOf(guest);
  const cpus = `--numjobs=${processors} --cpus_allowed=0-${processors - 1} --cpus_allowed_policy=split`;
  const words = `--filename=${disk} --direct=1 --ioengine=libaio --iodepth=4 --rw=randread --bs=4k --size=16m`;
  await guest.run(`fio --name=queues ${words} ${cpus} --time_based --runtime=2`);
  const after = await interruptsOf(guest);
  expect(after.length, "request queues").to.equal(before.length);
  return after.map((count, i) => count - before[i]);
}

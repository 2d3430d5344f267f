// In steady state nothing is allocated for a chain by either end of a virtqueue, nor for a command by driver and device.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

const PROGRAM = fileURLToPath(new URL("steady-state.js", import.meta.url));

describe("virtio in steady state", () => {
  for (const work of [
    "chains in the ring",
    "chains in tables",
    "chains in order",
    "commands in the ring",
    "commands in tables",
    "writes in tables",
  ]) {
    it(`allocates nothing for ${work}`, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, work]);
      const { bytesEach, failed } = JSON.parse(stdout) as { bytesEach: number; failed: number };
      expect(failed).to.equal(0);
      expect(bytesEach).to.be.below(1);
    }).timeout(120_000);
  }
});

// In steady state a command over both drivers allocates nothing.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

const PROGRAM = fileURLToPath(new URL("steady-state.js", import.meta.url));

describe("scsifront and scsiback", () => {
  it("allocate nothing for a READ of 4 KiB in steady state", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM]);
    const { bytesEach, failed } = JSON.parse(stdout) as { bytesEach: number; failed: number };
    expect(failed).to.equal(0);
    expect(bytesEach).to.be.below(1);
  }).timeout(120_000);
});

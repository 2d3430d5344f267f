// Tests the whole demonstration, with the embedded devices, and what is left of it when it ends before its end.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { processesOf, pvscsi, RunningCommand } from "./command.js";

describe("pvscsi demo with its own devices", function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  const configs = join(repositoryRoot, "configs");
  let environment: { readonly TMPDIR: string };

  beforeEach(() => {
    folder.write({ "tmp/.keep": "" });
    environment = { TMPDIR: folder.path("tmp") };
  });

  function expectNothingLeft(): void {
    expect(readdirSync(environment.TMPDIR)).to.deep.equal([".keep"]);
    expect(processesOf(environment.TMPDIR)).to.deep.equal([]);
  }

  for (const { mode, more, disk, sums, steps } of [
    { mode: "three processes", more: [], disk: "sde", sums: [3, 2], steps: 8 },
    { mode: "one process", more: ["--one-process"], disk: "sdd", sums: [3], steps: 7 },
  ]) {
    it(`shows all of it in ${mode}: equal sums, hotplug under I/O, the ring, Linux's errors, the ratios, nothing left`, async () => {
      const before = readdirSync(configs);
      const { status, output, errors } = await pvscsi(["demo", ...more, join(configs, "domU.cfg")], { environment });
      expect(errors).to.equal("");
      expect(status).to.equal(0);
      expect(output.match(/^=> /gm)).to.have.length(steps);
      const all = output.match(/^[0-9a-f]{64}(?= {2})/gm) ?? [];
      expect([...new Set(all)].map((sum) => all.filter((other) => other === sum).length)).to.deep.equal(sums);
      expect(output).to.match(/=> meanwhile [1-9]\d* blocks/);
      expect(output.match(/^ +\d+ us {2}scsifront writes/gm)).to.have.length(1);
      expect(output).to.include(`critical medium error, dev ${disk}, sector 1000`);
      expect(output)
        .to.match(/^4k randread d1 +websocket +\d/m)
        .and.match(/^4k randread d1 +ws +\d/m);
      expect(/storage \d+, domU \d+$/m.test(output), "three processes").to.equal(more.length === 0);
      expect(readdirSync(configs), "nothing is put beside the configs").to.deep.equal(before);
      expectNothingLeft();
    });
  }

  it("leaves nothing when a step fails, here as the guest's process is killed: 1", async () => {
    const command = new RunningCommand(["demo"], { environment });
    const [, guest] = await command.printed(/, domU (\d+)\n[\s\S]*^domU# dd if=.*image.raw/m);
    process.kill(Number(guest), "SIGKILL");
    const { status, output, errors } = await command.ended;
    expect(status).to.equal(1);
    // The killed guest may be asked before its end is known, in its destruction, or after that.
    const killed =
      /^pvscsi guest: (domain 'domU' (has ended|takes no commands)|domain 2 does not run|domU is an invalid)/;
    expect(errors).to.match(killed);
    expect(output).to.not.include("== 3/8");
    expectNothingLeft();
  });

  it("leaves nothing when it is told to end in the midst of its work: 130", async () => {
    const command = new RunningCommand(["demo"], { environment });
    await command.printed(/^domU# dd if=.*image.raw/m);
    const processes = processesOf(environment.TMPDIR);
    expect(processes, "dom0, driver domain and guest").to.have.length(3);
    await setTimeout(200);
    command.child.kill("SIGINT");
    expect(await command.ended).to.include({ status: 130, errors: "" });
    expectNothingLeft();
  });
});

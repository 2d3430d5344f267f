// Tests the verbs of LUNs over a Xen host's own store: its kernel is played, and both drivers.

import { existsSync } from "node:fs";
import { expect } from "chai";
import { findVerb, type Outcome, runXenVerb } from "pvscsi";
import { ScriptedDrivers } from "../../support/scripted-drivers.js";
import { XenKernel } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";
import { pvscsi } from "./command.js";

const GUEST = 7;
const FRONT = `/local/domain/${GUEST}/device/vscsi/0`;
const BACK = `/local/domain/0/backend/vscsi/${GUEST}/0`;

describe("verbs of LUNs on a Xen host", () => {
  let world: XenWorld;
  let kernel: XenKernel;
  let drivers: ScriptedDrivers;

  beforeEach(async () => {
    world = new XenWorld();
    const domain = await world.createDomain(0);
    kernel = new XenKernel({ domain, xenstored: world.xenstored, scheduler: world.simulation });
    await world.write({
      "/local/domain/0/name": "Domain-0",
      [`/local/domain/${GUEST}/name`]: "domU",
      [`/local/domain/${GUEST}/device`]: "",
    });
    drivers = new ScriptedDrivers(world.tool, GUEST);
    await world.done(drivers.start());
  });

  /** Runs a verb to its end; nothing may stay open. */
  async function run(name: string, ...words: readonly string[]): Promise<Outcome> {
    const verb = findVerb(name) ?? expect.fail(name);
    const caller = { program: "pvscsi", directory: "/", print: () => {} } as const;
    const outcome = await world.done(runXenVerb(verb, words, caller, { calls: kernel, clock: world.simulation }));
    expect(kernel.openFiles).to.equal(0);
    return outcome;
  }

  it("writes both halves with their owners' rights, takes the p-dev as it is typed, and takes all away again", async () => {
    const before = world.xenstored.dump();
    expect(await run("scsi-attach", "domU", "0:0:0:3", "0:0:0:0")).to.deep.equal({ output: "", errors: "", status: 0 });
    expect(await world.read(`${BACK}/vscsi-devs/dev-0/p-dev`)).to.equal("0:0:0:3");
    expect(await world.read(`${BACK}/frontend`)).to.equal(FRONT);
    expect(await world.done(world.tool.permissions(FRONT))).to.deep.equal([`n${GUEST}`, "r0"]);
    expect(await world.done(world.tool.permissions(BACK))).to.deep.equal(["n0", `r${GUEST}`]);
    expect((await run("scsi-list", String(GUEST))).output).to.match(/\n0 +0 +4 +0 +0:0:0:3 +0:0:0:3 +0:0:0:0 +4 *$/);
    expect((await run("scsi-detach", "domU", "0:0:0:0")).status).to.equal(0);
    expect(world.xenstored.dump()).to.equal(before);
  });

  it("tells the back end's reason, and leaves nothing", async () => {
    const before = world.xenstored.dump();
    drivers.verdicts.set("0:0:0:0", "refused-by-backend");
    const { status, errors } = await run("scsi-attach", "domU", "0:0:0:3", "0:0:0:0");
    expect({ status, errors }).to.deep.equal({
      status: 1,
      errors: "pvscsi scsi-attach: vdev '0:0:0:0': no such thing",
    });
    expect(world.xenstored.dump()).to.equal(before);
  });

  it("enters a LUN of a driver domain there", async () => {
    await world.write({ "/local/domain/3/name": "storage" });
    const { errors } = await run("scsi-attach", "domU", "0:0:0:3", "0:0:0:0", "backend=storage");
    // Nobody serves that one here.
    expect(errors).to.match(/not attached after 10 s/);
    expect((await run("scsi-attach", "domU", "0:0:0:3", "0:0:0:0", "backend=nobody")).errors).to.match(
      /backend domain 'nobody': scsiback runs in Domain-0, domU, storage only/,
    );
  });

  it("knows the host's guests only", async () => {
    const { status, errors } = await run("scsi-list", "nobody");
    expect({ status, errors }).to.deep.equal({
      status: 1,
      errors: "pvscsi scsi-list: nobody is an invalid domain identifier (rc=-6)",
    });
    expect((await run("scsi-detach", "Domain-0", "0:0:0:0")).errors).to.match(/Domain-0 is no guest/);
  });
});

describe("--xen", () => {
  it("is of three verbs only, and no dom0 is asked", async () => {
    const { status, errors } = await pvscsi(["scsi-resize", "domU", "0:0:0:0", "1M", "--xen"]);
    expect(status).to.equal(2);
    expect(errors).to.match(/^scsi-resize: unknown option '--xen'/);
    expect((await pvscsi(["scsi-list", "--xen"])).status).to.equal(2);
  });

  it("says what is missing on a machine that is no domain of Xen: 1", async function () {
    if (existsSync("/dev/xen/xenbus")) return this.skip();
    const { status, errors } = await pvscsi(["scsi-list", "--xen", "domU"]);
    expect(status).to.equal(1);
    expect(errors).to.match(/^pvscsi: (\/dev\/xen\/xenbus: no such device|the optional package)/);
  });
});

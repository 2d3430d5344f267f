// Tests the verbs that a Xen host has, over its own store: its kernel, its xl and both drivers are played.

import { existsSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { type Outcome, runXenVerb, XEN_VERBS } from "pvscsi";
import { ScriptedDrivers } from "../../support/scripted-drivers.js";
import { ScriptedXl } from "../../support/scripted-xl.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { XenKernel } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";
import { pvscsi } from "./command.js";

const GUEST = 7;
const FRONT = `/local/domain/${GUEST}/device/vscsi/0`;
const BACK = `/local/domain/0/backend/vscsi/${GUEST}/0`;

describe("verbs on a Xen host", () => {
  let world: XenWorld;
  let kernel: XenKernel;
  let drivers: ScriptedDrivers;
  let xl: ScriptedXl;
  let interrupt: (status: number) => void;
  let interrupted: Promise<number>;
  /** What verbs have printed while they ran. */
  let said: string[];
  const folder = temporaryFolder();

  beforeEach(async () => {
    said = [];
    interrupted = new Promise((resolve) => {
      interrupt = resolve;
    });
    world = new XenWorld();
    const domain = await world.createDomain(0);
    kernel = new XenKernel({ domain, xenstored: world.xenstored, scheduler: world.simulation });
    await world.write({
      "/local/domain/0/name": "Domain-0",
      [`/local/domain/${GUEST}/name`]: "domU",
      [`/local/domain/${GUEST}/device`]: "",
    });
    drivers = new ScriptedDrivers(world.tool, GUEST);
    xl = new ScriptedXl(world.tool, "another", GUEST + 1);
    await world.done(drivers.start());
  });

  function start(name: string, ...words: readonly string[]): Promise<Outcome> {
    const verb = XEN_VERBS.find((known) => known.name === name) ?? expect.fail(name);
    const caller = {
      program: "pvscsi",
      directory: folder.path(""),
      print: (line: string) => void said.push(line),
    } as const;
    return runXenVerb(verb, words, caller, {
      calls: kernel,
      xl,
      clock: world.simulation,
      interrupted: () => interrupted,
    });
  }

  /** Runs a verb to its end; nothing may stay open. */
  async function run(name: string, ...words: readonly string[]): Promise<Outcome> {
    const outcome = await settled(start(name, ...words));
    expect(kernel.openFiles).to.equal(0);
    return outcome;
  }

  /** Waits until a verb has said something while it runs. */
  async function says(pattern: RegExp): Promise<void> {
    await waitFor(() => pattern.test(said.join("\n")));
  }

  async function waitFor(holds: () => boolean): Promise<void> {
    for (let turn = 0; !holds(); turn++) {
      if (turn === 100) expect.fail(`it does not come to it; said: ${said.join("; ")}`);
      await world.settle();
      await setTimeout(1);
    }
  }

  /** What reads a file as well does not go by the world's time alone. */
  async function settled<Value>(promise: Promise<Value>): Promise<Value> {
    let ended = false;
    const end = promise.finally(() => {
      ended = true;
    });
    for (let turn = 0; !ended && turn < 5000; turn++) {
      await world.settle();
      await setTimeout(1);
    }
    return world.done(end);
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

  it("creates a guest by xl, with the LUNs of its configuration, and destroys it", async () => {
    const before = world.xenstored.dump();
    const back = `/local/domain/0/backend/vscsi/${GUEST + 1}`;
    drivers = new ScriptedDrivers(world.tool, GUEST + 1);
    drivers.paused = true;
    await world.done(drivers.start());
    folder.write({ "guest.cfg": "name = 'another'\nvscsi = ['0:0:0:0,0:0:0:0,colour', '0:0:0:1,2:0:0:0']\n" });
    const { status, output, errors } = await run("create", "guest.cfg");
    const file = folder.path("guest.cfg");
    expect({ status, output }).to.deep.equal({ status: 0, output: "" });
    expect(errors).to.equal(
      `${file}:2:27: warning: unknown option 'colour', expecting feature-host or backend=DOMAIN: left to the backend`,
    );
    expect(xl.calls).to.deep.equal([`create ${file}`, `unpause ${GUEST + 1}`]);
    expect([await world.read(`${back}/0/state`), await world.read(`${back}/1/state`)]).to.deep.equal(["2", "2"]);
    expect(await run("destroy", "another")).to.deep.equal({ output: "", errors: "", status: 0 });
    expect(world.xenstored.dump()).to.equal(before);
  });

  it("stays with a guest that it created until its end, when that is wanted", async () => {
    const before = world.xenstored.dump();
    folder.write({ "guest.cfg": "name = 'another'\nvscsi = ['0:0:0:0,0:0:0:0']\n" });
    for (const domain of [GUEST + 1, GUEST + 2]) await world.done(new ScriptedDrivers(world.tool, domain).start());
    const outcome = start("create", "-F", "guest.cfg");
    await says(/is domain 8/);
    await world.done(xl.remove(GUEST + 1));
    await world.done(xl.build());
    await says(/as domain 9/);
    expect(await world.read(`/local/domain/0/backend/vscsi/${GUEST + 2}/0/state`)).to.equal("4");
    xl.giveUp();
    await world.done(xl.remove(GUEST + 2));
    expect(await settled(outcome)).to.deep.equal({ output: "another has ended", errors: "", status: 0 });
    expect(said).to.deep.equal([
      "another is domain 8; this stays until its end",
      "another has been started again, as domain 9",
    ]);
    expect(world.xenstored.dump()).to.equal(before);
  });

  it("leaves nothing of a guest whose creation is interrupted, and lets one that runs go on", async () => {
    const before = world.xenstored.dump();
    folder.write({ "guest.cfg": "name = 'another'\nvscsi = ['0:0:0:0,0:0:0:0']\n" });
    const creation = start("create", "guest.cfg");
    await waitFor(() => xl.calls.length === 1);
    interrupt(130);
    expect(await settled(creation)).to.deep.equal({ output: "", errors: "pvscsi create: interrupted", status: 1 });
    expect(xl.calls.at(-1)).to.equal(`destroy ${GUEST + 1}`);
    expect(world.xenstored.dump()).to.equal(before);
    interrupted = new Promise((resolve) => {
      interrupt = resolve;
    });
    await world.done(new ScriptedDrivers(world.tool, GUEST + 2).start());
    const stay = start("create", "-F", "guest.cfg");
    await says(/is domain 9/);
    interrupt(143);
    expect(await settled(stay)).to.deep.equal({ output: "another goes on", errors: "", status: 143 });
    expect(await world.read(`/local/domain/0/backend/vscsi/${GUEST + 2}/0/state`)).to.equal("4");
    expect(kernel.openFiles).to.equal(0);
  });

  it("removes what is left of a domain that xl has destroyed, by its number", async () => {
    const left = "/local/domain/0/backend/vscsi/5/0";
    await world.write({ [`${left}/state`]: "6", [`${left}/frontend`]: "/local/domain/5/device/vscsi/0" });
    expect((await run("destroy", "5")).status).to.equal(0);
    expect(await world.read(left)).to.equal(null);
    expect((await run("destroy", "5")).errors).to.equal("pvscsi destroy: 5 is an invalid domain identifier (rc=-6)");
    expect(xl.calls).to.deep.equal([]);
  });

  it("starts nothing where a configuration is wrong", async () => {
    folder.write({ "guest.cfg": "name = 'another'\nvscsi = ['0:0:0:0,0:0:0', '0:0:0:1,2:0:0:0']\n" });
    const { status, errors } = await run("create", "guest.cfg");
    expect({ status, errors }).to.deep.equal({
      status: 1,
      errors: `${folder.path("guest.cfg")}:2:19: invalid '0:0:0', expecting hst:chn:tgt:lun`,
    });
    folder.write({ "guest.cfg": "name = 'another'\nvscsi = ['0:0:0:0,0:0:0:0,backend=nobody']\n" });
    expect((await run("create", "guest.cfg")).errors).to.match(/^\S+:2:11: backend domain 'nobody': scsiback runs in/);
    expect((await run("create", "-p", "--dialect", "xm", "guest.cfg")).status).to.equal(2);
    expect(xl.calls).to.deep.equal([]);
  });

  it("has the back end of a LUN where the configuration says, and leaves the guest paused when it is told to", async () => {
    await world.write({ "/local/domain/3/name": "storage" });
    folder.write({ "guest.cfg": "name = 'another'\nvscsi = ['0:0:0:0,0:0:0:0,backend=storage']\n" });
    const back = `/local/domain/3/backend/vscsi/${GUEST + 1}/0`;
    await world.done(
      world.tool.watch(
        `${back}/state`,
        () =>
          void world.tool.read(`${back}/state`).then((state) => {
            return state === "1" ? world.tool.write(`${back}/state`, "2") : undefined;
          }),
      ),
    );
    expect(await run("create", "-p", "guest.cfg")).to.deep.equal({ output: "", errors: "", status: 0 });
    expect(xl.calls.length).to.equal(1);
    expect(await world.done(world.tool.permissions(back))).to.deep.equal(["n3", `r${GUEST + 1}`]);
    expect(await world.read(`/local/domain/${GUEST + 1}/device/vscsi/0/backend-id`)).to.equal("3");
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
  it("is of five verbs only, and no dom0 is asked", async () => {
    const { status, errors } = await pvscsi(["scsi-resize", "domU", "0:0:0:0", "1M", "--xen"]);
    expect(status).to.equal(2);
    expect(errors).to.match(/^scsi-resize: unknown option '--xen'/);
    expect((await pvscsi(["scsi-list", "--xen"])).status).to.equal(2);
    expect((await pvscsi(["create", "--xen", "--elsewhere", "x.cfg"])).errors).to.match(/unknown option '--elsewhere'/);
    expect((await pvscsi(["create", "-p", "x.cfg"])).errors).to.match(/unknown option '-p'/);
  });

  it("says what is missing on a machine that is no domain of Xen: 1", async function () {
    if (existsSync("/dev/xen/xenbus")) return this.skip();
    const { status, errors } = await pvscsi(["scsi-list", "--xen", "domU"]);
    expect(status).to.equal(1);
    expect(errors).to.match(/^pvscsi: (\/dev\/xen\/xenbus: no such device|the optional package)/);
  });
});

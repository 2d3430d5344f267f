import { Coalesced, readState, scanNumber, XenbusState } from "@pvscsi/xen";
import { expect } from "chai";
import { XenWorld } from "../../support/xen-world.js";

describe("numbers in nodes", () => {
  it("are read as Linux scans them, and are none when they do not fit", () => {
    const cases: [string | null, number | null][] = [
      ["8", 8],
      [" 8", 8],
      ["8abc", 8],
      ["4294967295", 4294967295],
      ["4294967296", null],
      ["12345678901", null],
      ["", null],
      ["-1", null],
      ["abc", null],
      [null, null],
    ];
    for (const [text, expected] of cases) expect(scanNumber(text), String(text)).to.equal(expected);
    expect(scanNumber("32752", 32751)).to.equal(null);
  });
});

describe("a peer's state", () => {
  it("is unknown where its node is gone, also for who may not read the node above it", async () => {
    const world = new XenWorld();
    const home = "/local/domain/1/device/vscsi/0";
    await world.createDomain(1);
    const driver = await world.createDomain(2);
    await world.write({ [home]: "", [`${home}/state`]: "4" });
    await world.done(world.tool.setPermissions(`${home}/state`, ["n1", "r2"]));
    expect(await world.done(readState(driver.store, home))).to.equal(XenbusState.Connected);
    await world.done(world.tool.remove(home));
    expect(await world.done(readState(driver.store, home))).to.equal(XenbusState.Unknown);
    expect(await world.done(readState(world.tool, home))).to.equal(XenbusState.Unknown);
  });
});

describe("runs that are asked for many times", () => {
  it("are one at a time, and one more for all that was asked meanwhile", async () => {
    let runs = 0;
    let under = 0;
    const coalesced = new Coalesced(
      async () => {
        under += 1;
        expect(under).to.equal(1);
        if (runs === 0) for (let i = 0; i < 100; i++) coalesced.ask();
        await null;
        runs += 1;
        under -= 1;
      },
      (error) => {
        throw error;
      },
    );
    for (let i = 0; i < 100; i++) coalesced.ask();
    await coalesced.idle();
    expect(runs).to.equal(2);
    coalesced.ask();
    await coalesced.idle();
    expect(runs).to.equal(3);
  });

  it("go on after one that failed", async () => {
    const failures: unknown[] = [];
    let runs = 0;
    const coalesced = new Coalesced(
      async () => {
        runs += 1;
        if (runs === 1) {
          coalesced.ask();
          throw new Error("first");
        }
      },
      (error) => failures.push((error as Error).message),
    );
    coalesced.ask();
    await coalesced.idle();
    expect(runs).to.equal(2);
    expect(failures).to.deep.equal(["first"]);
  });
});

import { DEVICE_TIMEOUT, waitFor } from "@pvscsi/toolstack";
import { expect } from "chai";
import { XenWorld } from "../../support/xen-world.js";
import { failure } from "./stand.js";

describe("waitFor", () => {
  let world: XenWorld;
  let looks: number;

  beforeEach(() => {
    world = new XenWorld();
    looks = 0;
  });

  function wait<Result>(look: () => Promise<Result | null>, signal?: AbortSignal): Promise<Result | null> {
    const counted = () => {
      looks += 1;
      return look();
    };
    return waitFor(world.tool, world.simulation, "/a", counted, signal);
  }

  /** Nothing of a wait that is over is left: no watch that looks again, no timer that time has to pass for. */
  async function expectNothingLeft(): Promise<void> {
    const before = looks;
    await world.write({ "/a/b": "again" });
    expect(looks).to.equal(before);
    const now = world.simulation.now();
    while (world.simulation.step());
    expect(world.simulation.now()).to.equal(now);
  }

  it("gives what is there already, without a change", async () => {
    expect(await world.done(wait(async () => "found"))).to.equal("found");
    await expectNothingLeft();
  });

  it("looks at each change at or below the path", async () => {
    const found = wait(async () => ((await world.tool.read("/a/b/c")) === "3" ? "found" : null));
    for (const value of ["1", "2", "3"]) await world.write({ "/a/b/c": value, "/other": value });
    expect(await world.done(found)).to.equal("found");
    expect(looks).to.be.within(2, 4);
    await expectNothingLeft();
  });

  it("gives null when its time is over, and not before", async () => {
    let over = false;
    const found = wait(async () => null).then((result) => {
      over = true;
      return result;
    });
    await world.advance(DEVICE_TIMEOUT - 1);
    expect(over).to.equal(false);
    expect(await world.done(found)).to.equal(null);
    await expectNothingLeft();
  });

  it("fails as its look fails", async () => {
    const error = await failure(
      world.done(
        wait(async () => {
          throw new Error("no good");
        }),
      ),
    );
    expect(`${error}`).to.equal("Error: no good");
    await expectNothingLeft();
  });

  it("fails when it is interrupted, or was before", async () => {
    const interruption = new AbortController();
    const waiting = failure(wait(async () => null, interruption.signal));
    await world.settle();
    expect(looks).to.equal(1);
    interruption.abort();
    expect(`${await world.done(waiting)}`).to.equal("ToolstackError: interrupted");
    await expectNothingLeft();
    expect(`${await world.done(failure(wait(async () => null, interruption.signal)))}`).to.match(/interrupted/);
    await expectNothingLeft();
  });

  it("fails without a timer where it cannot watch", async () => {
    world.tool.close();
    await failure(world.done(wait(async () => null)));
    expect(world.simulation.step()).to.equal(false);
  });
});

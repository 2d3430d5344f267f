import { expect } from "chai";
import { BACK, GUEST, refusal, Stand } from "./stand.js";

describe("VscsiDevices.detach", () => {
  let stand: Stand;
  let empty: string;

  beforeEach(async () => {
    stand = await Stand.make();
    empty = stand.dump();
    await stand.attach("0:0:0:0", "0:0:0:0");
    await stand.attach("0:0:1:0", "0:0:0:1");
  });

  it("takes one LUN away at both ends, and never gives its name again", async () => {
    await stand.detach("0:0:0:1");
    expect(await stand.states()).to.equal("44 dev-0:44");
    expect(stand.dump()).not.to.include("dev-1");
    await stand.attach("0:0:1:0", "0:0:0:1");
    expect(await stand.states()).to.equal("44 dev-0:44 dev-2:44");
  });

  it("gives no name twice where the counter has been lost", async () => {
    await stand.done(stand.world.tool.remove("/libxl/1/vscsi"));
    await stand.attach("0:0:1:0", "0:0:0:2");
    expect(await stand.states()).to.equal("44 dev-0:44 dev-1:44 dev-2:44");
  });

  it("removes the controller with its last LUN, and all that was written for it", async () => {
    await stand.detach("0:0:0:0");
    await stand.detach("0:0:0:1");
    expect(stand.dump()).to.equal(empty);
  });

  it("removes what drivers said of errors with the controller", async () => {
    await stand.world.write({
      "/local/domain/0/error/backend/vscsi/1/0/error": "22 something",
      "/local/domain/1/error/device/vscsi/0/error": "22 something else",
    });
    await stand.detach("0:0:0:0");
    await stand.detach("0:0:0:1");
    expect(stand.dump()).to.equal(empty);
  });

  it("asks nobody for what the back end has let go of already", async () => {
    stand.drivers.asleep = true;
    await stand.world.write({ [`${BACK}/0/vscsi-devs/dev-1/state`]: "6" });
    expect(await stand.time(() => stand.detach("0:0:0:1"))).to.equal(0);
    expect(await stand.states()).to.equal("44 dev-0:44");
  });

  it("says that there is no such v-dev", async () => {
    expect(await refusal(stand.detach("0:0:0:9"), "NOTFOUND")).to.equal("vdev '0:0:0:9' is not attached to domain 1");
  });

  describe("by the state of the back end", () => {
    const expected: Record<string, "done" | "NOT_READY" | "FAIL" | "NOTFOUND"> = {
      "0": "FAIL",
      "1": "FAIL",
      "2": "done",
      "3": "NOT_READY",
      "4": "done",
      "5": "FAIL",
      "6": "FAIL",
      "7": "NOT_READY",
      "8": "NOT_READY",
      "9": "FAIL",
      missing: "NOTFOUND",
    };
    for (const [state, outcome] of Object.entries(expected)) {
      it(`${state}: ${outcome}`, async () => {
        stand.drivers.asleep = state !== "4";
        if (state === "missing") await stand.done(stand.world.tool.remove(`${BACK}/0/state`));
        else if (state !== "4") await stand.world.write({ [`${BACK}/0/state`]: state });
        const before = stand.dump();
        const detached = stand.detach("0:0:0:1");
        if (outcome === "done") await detached;
        else await refusal(detached, outcome);
        if (outcome === "done") expect(await stand.states()).to.match(/^.. dev-0:44$/);
        else expect(stand.dump()).to.equal(before);
      });
    }
  });

  it("gives up after 10 s, and can be asked for again when the guest has come back", async () => {
    stand.drivers.asleep = true;
    const took = await stand.time(async () => {
      const message = await refusal(stand.detach("0:0:0:1"), "TIMEDOUT");
      expect(message).to.equal("controller 0: dev-1 not detached after 10 s");
    });
    expect(took).to.equal(10_000);
    expect(await stand.states()).to.equal("74 dev-0:44 dev-1:54");
    stand.drivers.wake();
    await stand.world.settle();
    await stand.detach("0:0:0:1");
    expect(await stand.states()).to.equal("44 dev-0:44");
  });

  it("removes the controller of the last LUN by force after 10 s", async () => {
    await stand.detach("0:0:0:1");
    stand.drivers.asleep = true;
    const took = await stand.time(async () => {
      const message = await refusal(stand.detach("0:0:0:0"), "TIMEDOUT");
      expect(message).to.equal("controller 0: not closed after 10 s, removed by force");
    });
    expect(took).to.equal(10_000);
    expect(stand.dump()).to.equal(empty);
  });

  it("removes the last LUN of a controller whose back end has failed or gone", async () => {
    for (const state of ["5", "6", null]) {
      await stand.detach("0:0:0:1").catch(() => {});
      stand.drivers.asleep = true;
      if (state === null) await stand.done(stand.world.tool.remove(`${BACK}/0`));
      else await stand.world.write({ [`${BACK}/0/state`]: state });
      stand.drivers.asleep = state === "6";
      if (state !== null) await stand.detach("0:0:0:0");
      else await stand.done(stand.vscsi.removeAll(GUEST));
      expect(stand.dump(), `state ${state}`).to.equal(empty);
      stand.drivers.asleep = false;
      await stand.attach("0:0:0:0", "0:0:0:0");
    }
  });
});

describe("VscsiDevices.removeAll", () => {
  it("removes the guest's half first, then waits for the back ends together", async () => {
    const stand = await Stand.make();
    const empty = stand.dump();
    await stand.attach("0:0:0:0", "0:0:0:0");
    await stand.attach("0:0:1:0", "1:0:0:0");
    stand.drivers.asleep = true;
    const removed = stand.vscsi.removeAll(GUEST);
    await stand.world.settle();
    expect([await stand.states(0), await stand.states(1)]).to.deep.equal(["5- dev-0:4-", "5- dev-0:4-"]);
    expect(await stand.world.read(`${BACK}/0/online`)).to.equal("0");
    expect(await stand.time(() => stand.done(removed))).to.equal(10_000);
    expect(stand.dump()).to.equal(empty);
  });

  it("does not ask a back end again that is closed already", async () => {
    const stand = await Stand.make();
    await stand.attach("0:0:0:0", "0:0:0:0");
    stand.drivers.asleep = true;
    await stand.world.write({ [`${BACK}/0/state`]: "6" });
    expect(await stand.time(() => stand.done(stand.vscsi.removeAll(GUEST)))).to.equal(0);
  });
});

import { expect } from "chai";
import { BACK, FRONT, GUEST, lun, refusal, Stand } from "./stand.js";

describe("VscsiDevices.attach", () => {
  let stand: Stand;

  beforeEach(async () => {
    stand = await Stand.make();
  });

  it("makes a controller for the first LUN of a vHOST, and shakes hands over the next ones", async () => {
    await stand.attach("0:0:0:0", "3:0:0:0");
    await stand.attach("0:0:1:0", "3:0:0:1");
    await stand.attach("0:0:2:0", "1:0:0:0");
    expect(await stand.states(0)).to.equal("44 dev-0:44 dev-1:44");
    expect(await stand.states(1)).to.equal("44 dev-0:44");
    expect(await stand.world.read(`${BACK}/0/libxl_ctrl_index`)).to.equal("3");
    expect(await stand.world.read(`${BACK}/1/libxl_ctrl_index`)).to.equal("1");
  });

  it("refuses a v-dev that is taken, on whichever controller, and leaves all as it was", async () => {
    await stand.attach("0:0:0:0", "0:0:0:0");
    const before = stand.dump();
    const message = await refusal(stand.attach("0:0:1:0", "0:0:0:0"), "DEVICE_EXISTS");
    expect(message).to.equal("vdev '0:0:0:0' is already used");
    expect(stand.dump()).to.equal(before);
  });

  it("refuses another feature-host setting than its controller's, either way", async () => {
    await stand.attach("0:0:0:0", "0:0:0:0");
    await stand.attach("0:0:0:0", "1:0:0:0", "feature-host");
    expect(await stand.world.read(`${BACK}/1/feature-host`)).to.equal("1");
    expect(await refusal(stand.attach("0:0:1:0", "0:0:0:1", "feature-host"), "INVAL")).to.equal(
      "vdev '0:0:0:1': different feature-host setting, only the new device has it",
    );
    expect(await refusal(stand.attach("0:0:1:0", "1:0:0:1"), "INVAL")).to.equal(
      "vdev '1:0:0:1': different feature-host setting, only controller 1 has it",
    );
  });

  it("says that there is no such domain, and makes none", async () => {
    const before = stand.dump();
    await refusal(stand.done(stand.vscsi.attach(7, lun("0:0:0:0", "0:0:0:0"))), "DOMAIN_NOTFOUND");
    expect(stand.dump()).to.equal(before);
  });

  it("hands options that it does not know to the back end", async () => {
    await stand.attach("0:0:0:0", "0:0:0:0", "speed=9");
    expect(await stand.world.read(`${BACK}/0/vscsi-devs/dev-0/options`)).to.equal("speed=9");
  });

  describe("by the state of the back end", () => {
    const expected: Record<string, "done" | "NOT_READY" | "FAIL"> = {
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
      rubbish: "FAIL",
      missing: "FAIL",
    };
    for (const [state, outcome] of Object.entries(expected)) {
      it(`${state}: ${outcome}`, async () => {
        await stand.attach("0:0:0:0", "0:0:0:0");
        stand.drivers.asleep = state !== "4";
        if (state === "missing") await stand.done(stand.world.tool.remove(`${BACK}/0/state`));
        else if (state !== "4") await stand.world.write({ [`${BACK}/0/state`]: state });
        const before = stand.dump();
        const attached = stand.attach("0:0:1:0", "0:0:0:1");
        if (outcome === "done") await attached;
        else await refusal(attached, outcome);
        if (outcome !== "done") expect(stand.dump()).to.equal(before);
      });
    }

    it("2: the LUN is entered without a handshake, for the front end to find when it comes", async () => {
      await stand.attach("0:0:0:0", "0:0:0:0");
      stand.drivers.asleep = true;
      await stand.world.write({ [`${BACK}/0/state`]: "2" });
      expect(await stand.time(() => stand.attach("0:0:1:0", "0:0:0:1"))).to.equal(0);
      expect(await stand.states()).to.equal("24 dev-0:44 dev-1:1-");
    });
  });

  describe("that fails", () => {
    for (const [where, words] of [
      ["on a controller that is there", ["0:0:1:0", "0:0:0:1"]],
      ["on a controller of its own", ["0:0:1:0", "5:0:0:1"]],
    ] as const) {
      it(`${where}: the back end's reason is told, and nothing is left`, async () => {
        await stand.attach("0:0:0:0", "0:0:0:0");
        const counter = await stand.world.read("/libxl/1/vscsi/0/next_vscsidev_id");
        const before = stand.dump();
        stand.drivers.verdicts.set(words[1], "refused-by-backend");
        expect(await refusal(stand.attach(...words), "FAIL")).to.equal(`vdev '${words[1]}': no such thing`);
        const used = where === "on a controller that is there" ? `"${Number(counter) + 1}"` : `"${counter}"`;
        expect(stand.dump()).to.equal(before.replace(/(next_vscsidev_id = )"1"/, `$1${used}`));
      });

      it(`${where}: what the guest has refused is taken from the back end again`, async () => {
        await stand.attach("0:0:0:0", "0:0:0:0");
        const before = await stand.states();
        stand.drivers.verdicts.set(words[1], "refused-by-guest");
        const message = await refusal(stand.attach(...words), "FAIL");
        expect(message).to.equal(`vdev '${words[1]}': the guest could not attach it`);
        expect(await stand.states()).to.equal(before);
        expect(await stand.states(1)).to.equal("--");
      });
    }

    it("without a reason is told all the same", async () => {
      stand.drivers.reason = null;
      stand.drivers.verdicts.set("0:0:0:0", "refused-by-backend");
      expect(await refusal(stand.attach("0:0:0:0", "0:0:0:0"), "FAIL")).to.equal(
        "vdev '0:0:0:0': the back end could not attach it",
      );
    });

    it("with its controller tells the controller's reason", async () => {
      stand.drivers.failing = true;
      const before = stand.dump();
      expect(await refusal(stand.attach("0:0:0:0", "0:0:0:0"), "FAIL")).to.equal("controller 0: no such thing");
      expect(stand.dump()).to.equal(before);
    });
  });

  describe("with drivers that stand still", () => {
    it("gives up after 10 s; what no driver has looked at is gone", async () => {
      await stand.attach("0:0:0:0", "0:0:0:0");
      stand.drivers.asleep = true;
      const took = await stand.time(async () => {
        expect(await refusal(stand.attach("0:0:1:0", "0:0:0:1"), "TIMEDOUT")).to.match(/not attached after 10 s$/);
      });
      expect(took).to.equal(10_000);
      expect(await stand.states()).to.equal("74 dev-0:44");
      stand.drivers.wake();
      await stand.world.settle();
      await stand.attach("0:0:1:0", "0:0:0:1");
      expect(await stand.states()).to.equal("44 dev-0:44 dev-2:44");
    });

    it("removes a new controller by force", async () => {
      stand.drivers.asleep = true;
      const before = stand.dump();
      expect(await refusal(stand.attach("0:0:1:0", "0:0:0:1"), "TIMEDOUT")).to.equal(
        "controller 0: not attached after 10 s; controller 0: not closed after 10 s, removed by force",
      );
      expect(stand.dump()).to.equal(before);
    });

    it("asks for what the back end has taken already to be let go of", async () => {
      await stand.attach("0:0:0:0", "0:0:0:0");
      stand.drivers.verdicts.set("0:0:0:1", "stuck-in-guest");
      await refusal(stand.attach("0:0:1:0", "0:0:0:1"), "TIMEDOUT");
      expect(await stand.states()).to.equal("44 dev-0:44");
    });

    it("asks again where the handshake that was under way has ended over its request", async () => {
      await stand.attach("0:0:0:0", "0:0:0:0");
      stand.drivers.verdicts.set("0:0:0:1", "stuck-in-guest");
      const attached = refusal(stand.vscsi.attach(GUEST, lun("0:0:1:0", "0:0:0:1")), "TIMEDOUT");
      await stand.world.settle();
      expect(await stand.states()).to.equal("84 dev-0:44 dev-1:3-");
      stand.drivers.asleep = true;
      await stand.world.advance(10_001);
      expect(await stand.states()).to.equal("74 dev-0:44 dev-1:5-");
      // The guest is through with its scan at last, and the back end does not know that it was asked for something else.
      await stand.world.write({ [`${FRONT}/0/state`]: "4", [`${BACK}/0/state`]: "4" });
      expect(await stand.states()).to.equal("74 dev-0:44 dev-1:5-");
      stand.drivers.wake();
      await stand.done(attached);
      expect(await stand.states()).to.equal("44 dev-0:44");
    });

    it("ends at once when the domain is removed meanwhile", async () => {
      await stand.attach("0:0:0:0", "0:0:0:0");
      stand.drivers.asleep = true;
      const attached = refusal(stand.vscsi.attach(GUEST, lun("0:0:1:0", "0:0:0:1")), "FAIL");
      await stand.world.settle();
      const removed = stand.vscsi.removeAll(GUEST);
      const took = await stand.time(async () => {
        expect(await stand.done(attached)).to.equal("controller 0: its back end has closed");
      });
      expect(took).to.equal(0);
      stand.drivers.wake();
      await stand.done(removed);
    });
  });

  describe("two at the same time", () => {
    const both = (stand: Stand, first: string, second: string): Promise<unknown>[] =>
      [first, second].map((virtual) => stand.vscsi.attach(GUEST, lun("0:0:1:0", virtual)).catch((error) => error));

    it("on one controller: one is attached, the other told to come again", async () => {
      await stand.attach("0:0:0:0", "0:0:0:0");
      const outcomes = await stand.done(Promise.all(both(stand, "0:0:0:1", "0:0:0:2")));
      expect(outcomes.filter((outcome) => outcome === undefined)).to.have.length(1);
      const { message } = outcomes.find((outcome) => outcome !== undefined) as Error;
      expect(message).to.equal("controller 0 is being changed already, its back end is Reconfiguring: try again");
      expect(await stand.states()).to.equal("44 dev-0:44 dev-1:44");
    });

    it("with the same v-dev: one has it", async () => {
      const outcomes = await stand.done(Promise.all(both(stand, "2:0:0:0", "2:0:0:0")));
      expect(outcomes.map((outcome) => (outcome as Error | undefined)?.message).filter(Boolean)).to.deep.equal([
        "vdev '2:0:0:0' is already used",
      ]);
      expect(await stand.states()).to.equal("44 dev-0:44");
    });

    it("with new controllers: each has a devid of its own", async () => {
      const outcomes = await stand.done(Promise.all(both(stand, "2:0:0:0", "3:0:0:0")));
      expect(outcomes).to.deep.equal([undefined, undefined]);
      expect([await stand.states(0), await stand.states(1)]).to.deep.equal(["44 dev-0:44", "44 dev-0:44"]);
    });
  });
});

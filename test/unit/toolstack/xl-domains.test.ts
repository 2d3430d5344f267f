// Tests how guests of xl's get their controllers before they run, and lose them: xl and the drivers are scripted.

import { XlDomains } from "@pvscsi/toolstack";
import { expect } from "chai";
import { ScriptedXl } from "../../support/scripted-xl.js";
import { BACK, config, FRONT, failure, GUEST, refusal, Stand } from "./stand.js";

/** Two LUNs on one controller, a third on another one. */
const CFG = "name = 'domU'\nvscsi = [ '0:0:0:0,0:0:0:0', '0:0:0:1,0:0:0:1', '0:0:0:2,1:0:0:0' ]\n";

describe("XlDomains", () => {
  let stand: Stand;
  let xl: ScriptedXl;
  let domains: XlDomains;
  let empty: string;

  beforeEach(async () => {
    stand = await Stand.make();
    stand.drivers.paused = true;
    const store = stand.world.tool;
    await stand.done(store.remove(`/local/domain/${GUEST}`));
    empty = stand.dump();
    xl = new ScriptedXl(store, "domU", GUEST);
    domains = new XlDomains({ store, clock: stand.world.simulation, vscsi: stand.vscsi, xl });
  });

  async function create(text = CFG, paused = false): Promise<number> {
    return (await stand.done(domains.create(config(text), { paused }))).domain;
  }

  it("has all nodes there and all back ends waiting when the guest begins to run", async () => {
    const seen: string[] = [];
    xl.after = async (verb) => {
      if (verb !== "unpause") return;
      for (const devid of [0, 1]) seen.push((await stand.world.tool.read(`${BACK}/${devid}/state`)) ?? "");
    };
    expect(await create()).to.equal(GUEST);
    expect(xl.calls).to.deep.equal(["create domU.cfg", `unpause ${GUEST}`]);
    expect(seen).to.deep.equal(["2", "2"]);
    expect([await stand.states(0), await stand.states(1)]).to.deep.equal(["21 dev-0:1- dev-1:1-", "21 dev-0:1-"]);
    expect(await stand.world.read(`${BACK}/0/vscsi-devs/dev-1/v-dev`)).to.equal("0:0:0:1");
  });

  it("shows a controller with all its LUNs at once, and to its two domains only", async () => {
    const { tool } = stand.world;
    stand.drivers.asleep = true;
    let seen = 0;
    await stand.done(
      tool.watch(`${BACK}/0`, async (path) => {
        if (path !== `${BACK}/0/state`) return;
        seen = ((await tool.list(`${BACK}/0/vscsi-devs`)) ?? []).length;
        stand.drivers.wake();
      }),
    );
    await create();
    expect(seen).to.equal(2);
    expect(await stand.done(tool.permissions(`${FRONT}/0`))).to.deep.equal([`n${GUEST}`, "r0"]);
    expect(await stand.done(tool.permissions(`${BACK}/0`))).to.deep.equal(["n0", `r${GUEST}`]);
  });

  it("lets a guest run whose front ends have come meanwhile, and one without LUNs", async () => {
    stand.drivers.paused = false;
    await create();
    expect(await stand.states(0)).to.equal("44 dev-0:44 dev-1:44");
    await stand.done(domains.destroy(GUEST));
    expect(await create("name = 'domU'\n")).to.equal(GUEST + 1);
    expect(xl.calls.slice(-2)).to.deep.equal(["create domU.cfg", `unpause ${GUEST + 1}`]);
  });

  it("leaves it paused when that is wanted", async () => {
    await create(CFG, true);
    expect(xl.calls).to.deep.equal(["create domU.cfg"]);
  });

  it("asks for nothing where a configuration is wrong", async () => {
    expect(`${await failure(create("name = 'domU'\nvscsi = [ '/dev/missing,0:0:0:0' ]"))}`).to.match(/^ConfigError/);
    expect(xl.calls).to.deep.equal([]);
  });

  it("leaves what xl has not made to xl", async () => {
    xl.failing.add("create");
    expect(await refusal(create(), "FAIL")).to.equal("xl create has failed: status 1");
    expect(xl.calls).to.deep.equal(["create domU.cfg"]);
  });

  it("destroys it, and nothing is left", async () => {
    await create();
    stand.drivers.paused = false;
    await stand.done(domains.destroy(GUEST));
    expect(xl.calls.at(-1)).to.equal(`destroy ${GUEST}`);
    expect(stand.dump()).to.equal(empty);
  });

  it("destroys it when somebody else has removed what was left meanwhile", async () => {
    await create();
    xl.after = () => stand.world.tool.remove(BACK);
    expect(await stand.time(() => stand.done(domains.destroy(GUEST)))).to.equal(0);
  });

  it("destroys it where a driver domain has removed its half itself, and leaves no folder of it", async () => {
    await create();
    xl.after = async () => {
      for (const path of [`${BACK}/0`, "/libxl"]) await stand.world.tool.remove(path);
    };
    await stand.done(domains.destroy(GUEST));
    expect(stand.dump()).to.equal(empty);
  });

  it("touches no node of a guest that xl does not destroy", async () => {
    await create();
    const running = stand.dump();
    xl.failing.add("destroy");
    expect(await refusal(stand.done(domains.destroy(GUEST)), "FAIL")).to.equal("xl destroy has failed: status 1");
    expect(stand.dump()).to.equal(running);
  });

  describe("leaves nothing of a domain", () => {
    afterEach(() => {
      expect(xl.calls.at(-1)).to.equal(`destroy ${GUEST}`);
      expect(stand.dump()).to.equal(empty);
    });

    it("that no back end answers, after 10 s", async () => {
      stand.drivers.asleep = true;
      const message = "controller 0: no back end has answered in domain 0 after 10 s: start one there";
      const time = await stand.time(async () => {
        expect(await refusal(create(), "TIMEDOUT")).to.equal(`${message}, such as pvscsi xen serve`);
      });
      expect(time).to.equal(10_000);
    });

    it("whose back end cannot serve it", async () => {
      stand.drivers.failing = true;
      stand.drivers.reason = null;
      expect(await refusal(create(), "FAIL")).to.equal("controller 0: its back end has closed");
    });

    it("whose back end says why", async () => {
      stand.drivers.failing = true;
      expect(await refusal(create(), "FAIL")).to.equal("controller 0: no such thing");
    });

    it("of whose LUNs one is not there", async () => {
      stand.drivers.verdicts.set("1:0:0:0", "refused-by-backend");
      expect(await refusal(create(), "FAIL")).to.equal("vdev '1:0:0:0': no such thing");
    });

    it("that cannot be let run", async () => {
      xl.failing.add("unpause");
      expect(await refusal(create(), "FAIL")).to.equal("xl unpause has failed: status 1");
    });
  });

  it("says what it could not clear away either", async () => {
    xl.failing.add("unpause").add("destroy");
    expect(await refusal(create(), "FAIL")).to.equal(
      `xl unpause has failed: status 1; domain ${GUEST} is still there: xl destroy has failed: status 1`,
    );
  });
});

// Tests what the toolstack does with domains whose process somebody starts elsewhere: nobody waits for what is not there.

import type { MachineConfig } from "@pvscsi/config";
import { type Launcher, type Place, Toolstack } from "@pvscsi/toolstack";
import { expect } from "chai";
import { BACK, config, GUEST, refusal, Stand } from "./stand.js";

const CFG = "name = 'domU'\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n";
const DRIVER = "name = 'drv'\ndriver_domain = 1\n";

/** Writes down what it is asked for. */
class ScriptedLauncher implements Launcher {
  readonly calls: string[] = [];

  async build({ name }: MachineConfig, place: Place): Promise<number> {
    return this.calls.push(`build ${name} ${place}`);
  }

  async unpause(domain: number): Promise<void> {
    this.calls.push(`unpause ${domain}`);
  }

  async destroy(domain: number): Promise<void> {
    this.calls.push(`destroy ${domain}`);
  }
}

describe("A domain that is started elsewhere", () => {
  let stand: Stand;
  let launcher: ScriptedLauncher;
  let toolstack: Toolstack;
  let empty: string;

  beforeEach(async () => {
    stand = await Stand.make();
    await stand.done(stand.world.tool.remove(`/local/domain/${GUEST}`));
    empty = stand.dump();
    stand.drivers.asleep = true;
    stand.awaited.add(GUEST);
    launcher = new ScriptedLauncher();
    toolstack = new Toolstack({ store: stand.world.tool, launcher, vscsi: stand.vscsi });
  });

  const create = (text: string, place: Place) => stand.done(toolstack.create(config(text), place));

  it("is there with all its nodes, and nobody starts it or waits for it", async () => {
    expect(await stand.time(() => create(CFG, "elsewhere"))).to.equal(0);
    expect(launcher.calls).to.deep.equal(["build domU elsewhere"]);
    expect(await stand.states()).to.equal("11 dev-0:1-");
  });

  it("gets and loses LUNs meanwhile, and nobody waits either", async () => {
    await create(CFG, "elsewhere");
    await stand.world.write({ [`${BACK}/0/state`]: "2" });
    const time = await stand.time(async () => {
      await stand.attach("0:0:1:0", "0:0:0:1");
      await stand.attach("0:0:2:0", "1:0:0:0");
      await stand.detach("0:0:0:0");
      await stand.attach("0:0:3:0", "2:0:0:0");
      await stand.detach("2:0:0:0");
    });
    expect(time).to.equal(0);
    expect(await stand.world.read(`${BACK}/2`)).to.equal(null);
    expect([await stand.states(0), await stand.states(1)]).to.deep.equal(["21 dev-1:1-", "11 dev-0:1-"]);
  });

  it("gets LUNs of a back end that has still to come as well, and loses them and itself", async () => {
    stand.awaited.add(0);
    await create(CFG, "elsewhere");
    const time = await stand.time(async () => {
      await stand.attach("0:0:1:0", "0:0:0:1");
      await stand.detach("0:0:0:0");
      expect(await stand.states()).to.equal("11 dev-1:1-");
      await stand.done(toolstack.destroy(GUEST));
    });
    expect(time).to.equal(0);
    expect(stand.dump()).to.equal(empty);
  });

  it("keeps those waiting that need it: they are told at once, and nothing is begun", async () => {
    stand.awaited.delete(GUEST);
    stand.awaited.add(0);
    const reason = "domain 0, which has the device, waits to be joined";
    expect(await refusal(create(CFG, "here"), "NOT_READY")).to.equal(reason);
    expect(launcher.calls).to.deep.equal([]);
    expect(stand.dump()).to.equal(empty);
    await create("name = 'domU'\n", "here");
    expect(await refusal(stand.attach("0:0:0:0", "0:0:0:0"), "NOT_READY")).to.equal(reason);
  });

  it("finds the nodes by which a driver domain is told from a guest, its own to write", async () => {
    await create(DRIVER, "elsewhere");
    const dump = stand.world.xenstored.dump(`/local/domain/${GUEST}`);
    expect(dump)
      .to.match(/^libxl = "" {3}\(n1\)$/m)
      .and.to.match(/^device-model = "" {3}\(n1\)$/m);
  });
});

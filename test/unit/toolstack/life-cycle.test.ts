import type { MachineConfig } from "@pvscsi/config";
import { type Launcher, Toolstack } from "@pvscsi/toolstack";
import { expect } from "chai";
import { BACK, config, failure, refusal, Stand } from "./stand.js";

const CFG = "name = 'domU'\nmemory = 64\nvcpus = 2\nvscsi = [ '0:0:0:0,0:0:0:0', '0:0:1:0,1:0:0:0' ]\n";

/** Writes down what it is asked for; fails where it is told to. */
class ScriptedLauncher implements Launcher {
  readonly calls: string[] = [];
  failing: keyof Launcher | null = null;
  #next = 1;

  async build({ name }: MachineConfig): Promise<number> {
    this.#call("build", name);
    return this.#next++;
  }

  async unpause(domain: number): Promise<void> {
    this.#call("unpause", String(domain));
  }

  async destroy(domain: number): Promise<void> {
    this.#call("destroy", String(domain));
  }

  #call(name: keyof Launcher, subject: string): void {
    this.calls.push(`${name} ${subject}`);
    if (this.failing === name) throw new Error(`${name} has failed`);
  }
}

describe("Toolstack", () => {
  let stand: Stand;
  let launcher: ScriptedLauncher;
  let toolstack: Toolstack;
  let empty: string;

  beforeEach(async () => {
    stand = await Stand.make();
    await stand.done(stand.world.tool.remove("/local/domain/1"));
    empty = stand.dump();
    launcher = new ScriptedLauncher();
    toolstack = new Toolstack({ store: stand.world.tool, launcher, vscsi: stand.vscsi });
  });

  const create = (text = CFG) => stand.done(toolstack.create(config(text)));

  it("creates a domain: nodes first, then it runs, then its devices are waited for", async () => {
    expect(await create()).to.equal(1);
    expect(launcher.calls).to.deep.equal(["build domU", "unpause 1"]);
    expect([await stand.states(0), await stand.states(1)]).to.deep.equal(["44 dev-0:44", "44 dev-0:44"]);
    expect(await stand.done(toolstack.list())).to.deep.equal([
      { id: 0, name: "Domain-0", memory: 0, vcpus: 0 },
      { id: 1, name: "domU", memory: 64, vcpus: 2 },
    ]);
  });

  it("gives the guest the homes that libxl gives, and no more rights than that", async () => {
    await create("name = 'domU'\nmemory = 64\n");
    expect(stand.world.xenstored.dump("/local/domain/1")).to.equal(
      [
        'name = "domU"   (n0,r1)',
        'domid = "1"   (n0,r1)',
        'memory = ""   (n0,r1)',
        ' target = "65536"   (n0,r1)',
        'cpu = ""   (n0,r1)',
        ' 0 = ""   (n0,r1)',
        '  availability = "online"   (n0,r1)',
        'device = ""   (n0,r1)',
        'data = ""   (n1)',
        'drivers = ""   (n1)',
        'feature = ""   (n1)',
        'attr = ""   (n1)',
        'error = ""   (n1)',
        "",
      ].join("\n"),
    );
  });

  it("destroys it, and nothing is left", async () => {
    await create();
    await stand.done(toolstack.destroy(1));
    expect(launcher.calls.at(-1)).to.equal("destroy 1");
    expect(stand.dump()).to.equal(empty);
  });

  it("gives a guest with a UUID the nodes by which it is known again, and takes them away with it", async () => {
    const uuid = "4a9b2c3d-0000-4000-8000-000000000001";
    await create(`name = 'domU'\nuuid = '${uuid}'\n`);
    const { xenstored } = stand.world;
    expect(xenstored.dump("/local/domain/1")).to.include(`vm = "/vm/${uuid}"   (n0,r1)`);
    expect(xenstored.dump(`/vm/${uuid}`)).to.equal(`name = "domU"   (n0,r1)\nuuid = "${uuid}"   (n0,r1)\n`);
    expect(await refusal(create(`name = 'other'\nuuid = '${uuid}'\n`), "INVAL")).to.equal(
      `domain 'domU' has uuid ${uuid} already`,
    );
    await stand.done(toolstack.destroy(1));
    expect(stand.dump()).to.equal(empty);
    expect(await create(`name = 'other'\nuuid = '${uuid}'\n`)).to.equal(2);
  });

  it("makes two domains of different names only", async () => {
    await create();
    expect(await refusal(create(), "INVAL")).to.equal("domain 'domU' exists already");
    expect(await create("name = 'other'\n")).to.equal(2);
    expect(launcher.calls).to.deep.equal(["build domU", "unpause 1", "build other", "unpause 2"]);
  });

  it("begins nothing where a device is not there", async () => {
    await failure(create("name = 'domU'\nvscsi = [ '/dev/missing,0:0:0:0' ]"));
    expect(launcher.calls).to.deep.equal([]);
    expect(stand.dump()).to.equal(empty);
  });

  describe("leaves nothing of a domain", () => {
    afterEach(() => expect(stand.dump()).to.equal(empty));

    it("that could not be built", async () => {
      launcher.failing = "build";
      expect(`${await failure(create())}`).to.equal("Error: build has failed");
    });

    it("that could not be started", async () => {
      launcher.failing = "unpause";
      expect(`${await failure(create())}`).to.equal("Error: unpause has failed");
      expect(launcher.calls.at(-1)).to.equal("destroy 1");
    });

    for (const [verdict, reason] of [
      ["refused-by-backend", "no such thing"],
      ["refused-by-guest", "the guest could not attach it"],
    ] as const) {
      it(`of whose LUNs one was ${verdict}`, async () => {
        stand.drivers.verdicts.set("1:0:0:0", verdict);
        expect(await refusal(create(), "FAIL")).to.equal(`vdev '1:0:0:0': ${reason}`);
      });
    }

    it("whose drivers have not met after 10 s", async () => {
      stand.drivers.asleep = true;
      expect(await refusal(create(), "TIMEDOUT")).to.equal("controller 0: not connected after 10 s");
    });

    it("that lost its back end on the way", async () => {
      stand.drivers.asleep = true;
      const created = refusal(toolstack.create(config(CFG)), "NOTFOUND");
      await stand.world.settle();
      await stand.done(stand.world.tool.remove(`${BACK}/0`));
      expect(await stand.done(created)).to.equal("controller 0 of domain 1 is gone");
    });
  });

  it("finds domains by number first, then by name", async () => {
    await create("name = '2'\n");
    await create("name = 'second'\n");
    expect(await stand.done(toolstack.find("2"))).to.equal(2);
    expect(await stand.done(toolstack.find("second"))).to.equal(2);
    expect(await stand.done(toolstack.find("Domain-0"))).to.equal(0);
    for (const name of ["3", "02", "-1", "nobody", ""]) {
      expect(await refusal(stand.done(toolstack.find(name)), "DOMAIN_NOTFOUND")).to.equal(
        `${name} is an invalid domain identifier (rc=-6)`,
      );
    }
  });
});

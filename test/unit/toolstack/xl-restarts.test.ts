// Tests how a guest has its controllers again when xl starts it once more: xl and the drivers are scripted.

import { XlDomains, type XlGuest, XlRestarts } from "@pvscsi/toolstack";
import { expect } from "chai";
import { ScriptedDrivers } from "../../support/scripted-drivers.js";
import { ScriptedXl } from "../../support/scripted-xl.js";
import { config, GUEST, Stand } from "./stand.js";

const CFG = "name = 'domU'\nvscsi = [ '0:0:0:0,0:0:0:0', '0:0:0:2,1:0:0:0' ]\n";
const NEXT = GUEST + 1;

describe("XlRestarts", () => {
  let stand: Stand;
  let xl: ScriptedXl;
  let guest: XlGuest;
  let empty: string;
  let restarted: number[];
  let ended: Promise<void>;
  let over: boolean;

  beforeEach(async () => {
    stand = await Stand.make();
    const { tool: store, simulation: clock } = stand.world;
    await stand.done(store.remove(`/local/domain/${GUEST}`));
    empty = stand.dump();
    const next = new ScriptedDrivers(store, NEXT);
    await stand.done(next.start());
    xl = new ScriptedXl(store, "domU", GUEST);
    const { vscsi } = stand;
    guest = await stand.done(new XlDomains({ store, clock, vscsi, xl }).create(config(CFG), { paused: false }));
    restarted = [];
    over = false;
    ended = new XlRestarts({ store, vscsi }, guest, (domain) => restarted.push(domain)).follow().finally(() => {
      over = true;
    });
    await stand.world.settle();
  });

  const back = (domain: number, devid: number) =>
    stand.world.read(`/local/domain/0/backend/vscsi/${domain}/${devid}/state`);

  it("removes what is left of a domain, and gives the next one the same", async () => {
    await stand.done(xl.remove(GUEST));
    await stand.world.settle();
    expect(stand.dump()).to.equal(empty);
    expect(over).to.equal(false);
    await stand.done(xl.build());
    await stand.world.settle();
    expect(restarted).to.deep.equal([NEXT]);
    expect([await back(NEXT, 0), await back(NEXT, 1)]).to.deep.equal(["4", "4"]);
    expect(await stand.done(stand.vscsi.list(NEXT))).to.have.length(2);
    xl.giveUp();
    await stand.done(xl.remove(NEXT));
    await stand.done(ended);
    expect(stand.dump()).to.equal(empty);
  });

  it("sees a domain take the place of one that was gone for a moment only", async () => {
    const { tool } = stand.world;
    await stand.done(tool.remove(`/local/domain/${GUEST}`));
    await stand.done(xl.build());
    await stand.world.settle();
    expect([await back(GUEST, 0), await back(NEXT, 0), restarted]).to.deep.equal([null, "4", [NEXT]]);
    xl.giveUp();
    await stand.done(xl.remove(NEXT));
    await stand.done(ended);
  });

  it("stays when xl has given up a domain that is there still, and ends with that", async () => {
    xl.giveUp();
    await stand.world.settle();
    expect([over, await back(GUEST, 0)]).to.deep.equal([false, "4"]);
    await stand.done(xl.remove(GUEST));
    await stand.done(ended);
    expect(stand.dump()).to.equal(empty);
  });

  it("ends when xl gives up after the domain's end, and leaves other domains alone", async () => {
    await stand.world.write({ "/local/domain/9/name": "other", "/local/domain/0/backend/vscsi/9/0/state": "4" });
    const others = await stand.done(stand.world.tool.list("/local/domain/0/backend/vscsi"));
    expect(others).to.have.members(["9", String(GUEST)]);
    await stand.done(xl.remove(GUEST));
    await stand.world.settle();
    expect(over).to.equal(false);
    xl.giveUp();
    await stand.done(ended);
    expect(await stand.world.read("/local/domain/0/backend/vscsi/9/0/state")).to.equal("4");
  });

  it("writes nothing for a domain that is gone again", async () => {
    await stand.done(xl.remove(GUEST));
    await stand.world.settle();
    const { transaction } = stand.world.tool;
    stand.world.tool.transaction = async (body) => {
      stand.world.tool.transaction = transaction;
      await xl.remove(NEXT);
      return transaction.call(stand.world.tool, body) as ReturnType<typeof body>;
    };
    await stand.done(xl.build());
    await stand.world.settle();
    expect([restarted, await back(NEXT, 0), await stand.world.read(`/local/domain/${NEXT}`)]).to.deep.equal([
      [],
      null,
      null,
    ]);
    xl.giveUp();
    await stand.done(ended);
  });
});

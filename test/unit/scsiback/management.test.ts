// Aborts and resets: their answers are whole words, and every command is answered exactly once.

import { expect } from "chai";
import type { ScriptedFront } from "../../support/scripted-front.js";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { LUNS, onEachPlatform, Stand } from "./stand.js";

const SUCCESS = 0x2002;
const FAILED = 0x2003;
const ABORT = 0x50000;
const RESET = 0x80000;

onEachPlatform("task management", (platform) => {
  let stand: Stand;
  let front: ScriptedFront;
  beforeEach(async () => {
    stand = await Stand.make({}, platform);
    front = await stand.connected();
  });
  afterEach(() => stand.end());

  const brief = (answers: readonly { rqid: number; rslt: number }[]) => answers.map(({ rqid, rslt }) => [rqid, rslt]);

  it("aborts a command: first the command is answered, then the abort", async () => {
    const data = front.grant("read-write");
    await front.send({ lun: 1, rqid: 7, direction: 2, segments: [[data.gref, 0, 512]] });
    expect(brief(await front.send({ act: 2, rqid: 8, lun: 1, refRqid: 7 }))).to.deep.equal([
      [7, ABORT],
      [8, SUCCESS],
    ]);
    expect(stand.dom0.describe().mappings).to.have.length(1);
  });

  it("answers an abort when the command has really ended", async () => {
    stand.holding.stubborn = true;
    await front.send({ lun: 1, rqid: 7 });
    expect(await front.send({ act: 2, rqid: 8, lun: 1, refRqid: 7 })).to.deep.equal([]);
    expect(await front.send({ act: 2, rqid: 9, lun: 1, refRqid: 7 })).to.deep.equal([]);
    expect(brief(await stand.finish(front))).to.deep.equal([
      [7, ABORT],
      [8, SUCCESS],
      [9, SUCCESS],
    ]);
  });

  const failing: { readonly [name: string]: () => Promise<[refRqid: number, lun: number]> } = {
    itself: async () => [8, 1],
    "an id that nobody has": async () => [0xffff, 1],
    "an answered id": async () => {
      await front.send({ lun: 0, rqid: 7 });
      return [7, 0];
    },
    "another LUN's id": async () => {
      await front.send({ lun: 1, rqid: 7 });
      return [7, 0];
    },
    "another abort": async () => {
      stand.holding.stubborn = true;
      await front.send({ lun: 1, rqid: 7 }, { act: 2, rqid: 6, lun: 1, refRqid: 7 });
      return [6, 1];
    },
  };
  for (const [name, prepare] of Object.entries(failing)) {
    it(`fails to abort ${name}`, async () => {
      const [refRqid, lun] = await prepare();
      expect(brief(await front.send({ act: 2, rqid: 8, lun, refRqid }))).to.deep.equal([[8, FAILED]]);
      while (stand.holding.held.length > 0) await stand.finish(front);
    });
  }

  it("aborts one of two commands that share an id, and answers both", async () => {
    await front.send({ lun: 1, rqid: 7 }, { lun: 1, rqid: 7 });
    const answers = brief(await front.send({ act: 2, rqid: 8, lun: 1, refRqid: 7 }));
    expect(answers).to.deep.equal([
      [7, ABORT],
      [8, SUCCESS],
    ]);
    expect(brief(await stand.finish(front))).to.deep.equal([[7, 0]]);
  });

  it("resets a LUN: its commands end with RESET, other LUNs' go on", async () => {
    await front.send({ lun: 1, rqid: 1 }, { lun: 1, rqid: 2 });
    expect(brief(await front.send({ act: 3, rqid: 3, lun: 1 }, { lun: 0, rqid: 4 }))).to.have.deep.members([
      [1, RESET],
      [2, RESET],
      [3, SUCCESS],
      [4, 0],
    ]);
    expect(stand.holding.resets).to.equal(1);
    const [attention] = await front.send({ lun: 1 });
    expect([attention.rslt, attention.sense[2], attention.sense[12]]).to.deep.equal([2, 6, 0x29]);
  });

  it("does not take the next command for one that was to be aborted", async () => {
    await front.send({ lun: 1, rqid: 1 });
    await front.send({ act: 2, rqid: 2, lun: 1, refRqid: 1 });
    await front.send({ lun: 1, rqid: 3 }, { lun: 1, rqid: 4 });
    expect(brief(await front.send({ act: 3, rqid: 5, lun: 1 }))).to.deep.equal([
      [3, RESET],
      [4, RESET],
      [5, SUCCESS],
    ]);
  });

  it("resets a LUN without commands", async () => {
    expect(brief(await front.send({ act: 3, rqid: 3, lun: 1 }))).to.deep.equal([[3, SUCCESS]]);
  });

  it("answers a reset when the last command has ended", async () => {
    stand.holding.stubborn = true;
    await front.send({ lun: 1, rqid: 1 }, { lun: 1, rqid: 2 });
    expect(await front.send({ act: 3, rqid: 3, lun: 1 })).to.deep.equal([]);
    expect(brief(await stand.finish(front))).to.deep.equal([[1, RESET]]);
    expect(brief(await stand.finish(front))).to.deep.equal([
      [2, RESET],
      [3, SUCCESS],
    ]);
  });

  it("ends the commands of other initiators of the same device", async () => {
    const other = await stand.connected([LUNS[1]], 1);
    await front.send({ lun: 1, rqid: 1 });
    await other.send({ lun: 1, rqid: 2 });
    expect(brief(await front.send({ act: 3, rqid: 3, lun: 1 }))).to.deep.equal([
      [1, RESET],
      [3, SUCCESS],
    ]);
    expect(brief(other.take())).to.deep.equal([[2, RESET]]);
  });

  it("answers an abort that comes when the LUN has been removed, and the command when it ends", async () => {
    stand.holding.stubborn = true;
    await front.send({ lun: 1, rqid: 1 });
    await front.nodes.detach("dev-1");
    await front.write("state", "7");
    await stand.world.settle();
    expect(await front.nodes.states()).to.equal("8 7 4- 6-");
    expect(brief(await front.send({ act: 2, rqid: 2, lun: 1, refRqid: 1 }))).to.deep.equal([[2, 0x10000]]);
    expect(stand.directory.opened).to.deep.equal(["disk", "holding"]);
    expect(brief(await stand.finish(front))).to.deep.equal([[1, RESET]]);
    expect(stand.directory.opened).to.deep.equal(["disk"]);
  });

  it("answers an abort that is under way when the LUN is removed", async () => {
    stand.holding.stubborn = true;
    await front.send({ lun: 1, rqid: 1 });
    await front.send({ act: 2, rqid: 2, lun: 1, refRqid: 1 });
    await front.nodes.detach("dev-1");
    await front.write("state", "7");
    await stand.world.settle();
    expect(brief(await stand.finish(front))).to.deep.equal([
      [1, ABORT],
      [2, SUCCESS],
    ]);
    expect(stand.directory.opened).to.deep.equal(["disk"]);
  });

  it("releases a LUN of the same target before a stuck one next to it", async () => {
    stand.holding.stubborn = true;
    await front.send({ lun: 1, rqid: 1 });
    await front.nodes.detach("dev-1");
    await front.nodes.detach("dev-0");
    await front.write("state", "7");
    await stand.world.settle();
    expect(stand.directory.opened).to.deep.equal(["holding"]);
    await stand.finish(front);
    expect(stand.directory.opened).to.deep.equal([]);
  });

  it("takes a target anew while commands of the one before it end", async () => {
    const second = new HoldingUnit();
    stand.directory.units.set("second", second);
    stand.holding.stubborn = second.stubborn = true;
    await front.nodes.detach("dev-0");
    await front.nodes.attach("second", "0:0:0:2");
    await front.write("state", "7");
    await stand.world.settle();
    await front.send({ lun: 1 });
    while (second.held.length === 0) await front.send({ lun: 2 });
    while (stand.holding.held.length === 0) await front.send({ lun: 1 });
    await front.nodes.detach("dev-1");
    await front.nodes.detach("dev-2");
    await front.write("state", "4");
    await front.write("state", "7");
    await stand.world.settle();
    while (stand.holding.held.length > 0) await stand.finish(front);
    expect(stand.directory.opened).to.deep.equal(["second"]);
    await front.nodes.attach("disk", "0:0:0:0");
    await front.write("state", "4");
    await front.write("state", "7");
    await stand.world.settle();
    second.end();
    await stand.world.settle();
    expect(stand.directory.opened).to.deep.equal(["disk"]);
    front.take();
    expect((await front.send({ lun: 0 }))[0].rslt).to.equal(2);
  });

  it("takes the same LUN anew while a command of the removed one is under way", async () => {
    stand.holding.stubborn = true;
    await front.send({ lun: 1, rqid: 1 });
    await front.nodes.detach("dev-1");
    await front.write("state", "7");
    await stand.world.settle();
    await front.write("state", "4");
    await front.nodes.attach("disk", "0:0:0:1");
    await front.write("state", "7");
    await stand.world.settle();
    expect(await front.nodes.states()).to.equal("8 7 4- 6- 3-");
    expect((await front.send({ lun: 1, rqid: 2 }))[0].rslt).to.equal(2);
    expect(brief(await stand.finish(front))).to.deep.equal([[1, RESET]]);
    expect((await front.send({ lun: 1, rqid: 3 }))[0].rslt).to.not.equal(0x10000);
  });
});

// Judges the control queue of the virtio-scsi device by the numbered rules of the specification's device part (D).

import { ManagementSubtype, Response } from "@pvscsi/virtio";
import { expect } from "chai";
import { DISK, HELD, ready, ScsiWorld } from "./scsi-world.js";

const TUR = [0];

describe("a virtio-scsi device: task management", () => {
  let world: ScsiWorld;
  beforeEach(() => {
    world = ready(new ScsiWorld().start());
    world.run({ lun: HELD });
    world.holding.seen.length = 0;
  });

  const brief = (queue?: number) => world.answers(queue).map(({ tag, response }) => [tag, response]);

  it("D5 D16: aborts one task by its tag, which is answered before the function", () => {
    world.command({ lun: HELD, tag: 5 });
    world.command({ lun: HELD, tag: 6 });
    world.manage(ManagementSubtype.abortTask, { tag: 5 });
    expect(world.controlAnswers().map(([code]) => code)).to.deep.equal([Response.ok]);
    expect(brief()).to.deep.equal([[5, Response.aborted]]);
    expect(world.holding.held).to.have.length(1);
  });

  it("D15 D16: shows no function complete before the tasks that it ended, not even for a moment", () => {
    for (let tag = 2; tag < 6; tag++) world.command({ lun: HELD, tag, queue: 2 + (tag % 2) });
    const answer = world.manage(ManagementSubtype.logicalUnitReset);
    // Nothing has run since the kick that answered the function: the tasks show all the same.
    expect(answer[0]).to.equal(Response.ok);
    expect([2, 3].map((queue) => world.shown(queue))).to.deep.equal([2, 2]);
  });

  it("D15: completes a reset only when the last task has ended", () => {
    world.holding.stubborn = true;
    world.command({ lun: HELD, tag: 5 });
    world.manage(ManagementSubtype.logicalUnitReset);
    expect(world.controlAnswers()).to.deep.equal([]);
    world.holding.end();
    expect(world.controlAnswers().map(([response]) => response)).to.deep.equal([Response.ok]);
    expect(brief()).to.deep.equal([[5, Response.reset]]);
  });

  const ends: readonly [name: string, subtype: number, response: number][] = [
    ["ABORT TASK SET", ManagementSubtype.abortTaskSet, Response.aborted],
    ["CLEAR TASK SET", ManagementSubtype.clearTaskSet, Response.failure],
    ["I_T NEXUS RESET", ManagementSubtype.nexusReset, Response.reset],
    ["LOGICAL UNIT RESET", ManagementSubtype.logicalUnitReset, Response.reset],
  ];
  for (const [name, subtype, response] of ends) {
    it(`D5 D7: ${name} ends all tasks with response ${response}`, () => {
      for (let tag = 2; tag < 5; tag++) world.command({ lun: HELD, tag, queue: 2 + (tag % 2) });
      world.manage(subtype);
      expect(world.controlAnswers().map(([code]) => code)).to.deep.equal([Response.ok]);
      expect([...brief(2), ...brief(3)].sort()).to.deep.equal([2, 3, 4].map((tag) => [tag, response]));
    });
  }

  it("I_T NEXUS RESET ignores the LUN (D20) and leaves a unit attention", () => {
    world.manage(ManagementSubtype.nexusReset, { lun: 99 });
    expect(world.controlAnswers().map(([code]) => code)).to.deep.equal([Response.ok]);
    expect(world.run({ lun: DISK, cdb: TUR }).sense.slice(12, 14)).to.deep.equal([0x29, 0x07]);
  });

  it("LOGICAL UNIT RESET resets the unit, and only it", () => {
    world.manage(ManagementSubtype.logicalUnitReset, { lun: DISK });
    world.controlAnswers();
    expect(world.holding.resets).to.equal(0);
    expect(world.run({ lun: DISK, cdb: TUR }).sense.slice(12, 14)).to.deep.equal([0x29, 0x03]);
  });

  it("QUERY TASK and QUERY TASK SET tell what is there", () => {
    const ask = (subtype: number, tag: number) => {
      world.manage(subtype, { tag });
      return world.controlAnswers()[0][0];
    };
    expect(ask(ManagementSubtype.queryTaskSet, 0)).to.equal(Response.ok);
    world.command({ lun: HELD, tag: 5 });
    expect(ask(ManagementSubtype.queryTask, 5)).to.equal(Response.functionSucceeded);
    expect(ask(ManagementSubtype.queryTask, 6)).to.equal(Response.ok);
    expect(ask(ManagementSubtype.queryTaskSet, 0)).to.equal(Response.functionSucceeded);
  });

  const answers: readonly [
    what: string,
    subtype: number,
    address: { target?: number; lun?: number; tag?: number },
    response: number,
  ][] = [
    ["CLEAR ACA", ManagementSubtype.clearAca, {}, Response.functionRejected],
    ["a function of later days", 99, {}, Response.functionRejected],
    ["ABORT TASK of a task that is not there", ManagementSubtype.abortTask, { tag: 77 }, Response.ok],
    ["ABORT TASK at a LUN that is not there", ManagementSubtype.abortTask, { lun: 9 }, Response.incorrectLun],
    [
      "LOGICAL UNIT RESET at a LUN that is not there",
      ManagementSubtype.logicalUnitReset,
      { lun: 9 },
      Response.incorrectLun,
    ],
    [
      "LOGICAL UNIT RESET at a target that is not there",
      ManagementSubtype.logicalUnitReset,
      { target: 9 },
      Response.badTarget,
    ],
    ["I_T NEXUS RESET of a target that is not there", ManagementSubtype.nexusReset, { target: 9 }, Response.badTarget],
  ];
  for (const [what, subtype, address, response] of answers) {
    it(`answers ${response} to ${what}`, () => {
      world.manage(subtype, address);
      expect(world.controlAnswers().map(([code]) => code)).to.deep.equal([response]);
    });
  }

  it("ABORT TASK finds a task only at its own logical unit", () => {
    world.command({ lun: HELD, tag: 5 });
    world.manage(ManagementSubtype.abortTask, { lun: DISK, tag: 5 });
    expect(world.controlAnswers().map(([code]) => code)).to.deep.equal([Response.ok]);
    expect(world.holding.held).to.have.length(1);
  });

  for (const [name, type] of [
    ["query", 1],
    ["subscription", 2],
  ] as const) {
    it(`answers an asynchronous notification ${name}: nothing of it can be had`, () => {
      world.notification(type);
      world.notification(type, 9);
      expect(world.controlAnswers().map((answer) => [...answer])).to.deep.equal([
        [0, 0, 0, 0, Response.ok],
        [0, 0, 0, 0, Response.badTarget],
      ]);
    });
  }

  it("gives back a request of a type that nobody knows, unanswered", () => {
    const answer = world.control(world.bytes(24).fill(9), 1);
    expect(world.controlAnswers()).to.deep.equal([answer]);
    expect(answer[0]).to.equal(0xee);
    expect(world.failures).to.deep.equal([]);
  });

  it("D7: a reset of the device ends what is under way with RESET", () => {
    world.command({ lun: HELD, tag: 5 });
    world.device.reset();
    expect(brief()).to.deep.equal([[5, Response.reset]]);
  });

  it("D7: and what was answered before has no part in that", () => {
    for (const subtype of [ManagementSubtype.abortTask, ManagementSubtype.abortTaskSet]) {
      world.command({ lun: HELD, tag: 5 });
      world.manage(subtype, { tag: 5 });
      expect(brief()).to.deep.equal([[5, Response.aborted]]);
    }
    world.command({ lun: HELD, tag: 6 });
    world.manage(ManagementSubtype.logicalUnitReset);
    expect(brief()).to.deep.equal([[6, Response.reset]]);
  });

  it("D14: taking a logical unit out ends what is under way there with FAILURE", () => {
    world.command({ lun: HELD, tag: 5 });
    void world.targets.at(0).remove(HELD);
    expect(brief()).to.deep.equal([[5, Response.failure]]);
  });

  it("stops a queue when what was taken from it is used, and says where it stopped", async () => {
    world.holding.stubborn = true;
    world.command({ lun: HELD, tag: 5 });
    let stopped = -1;
    const stop = world.device.stop(2).then((next) => {
      stopped = next;
    });
    world.settle();
    await null;
    expect(stopped).to.equal(-1);
    world.holding.end();
    await stop;
    expect(stopped).to.equal(3);
    expect(brief()).to.deep.equal([[5, Response.ok]]);
  });
});

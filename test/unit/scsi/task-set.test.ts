// The order of tasks by their attributes (SAM-5), how many there may be, and what ends with a CHECK CONDITION or
// because another initiator wants it (5.6; TAS and QERR of SPC-4 7.5.8).

import { createDisk, SENSE, Status, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { hex, IDENTITY, Initiator, pattern, type Sent } from "./initiator.js";
import { OUT, out } from "./reserving.js";
import { BLOCKS, Shared } from "./shared-unit.js";

const WRITE = "2a 00 00 00 00 05 00 00 01 00";

describe("the order of tasks", () => {
  for (const [name, attributes, atStore] of [
    ["SIMPLE waits for nothing", ["simple", "simple", "simple"], [0, 1, 2]],
    ["ORDERED waits for all older ones, and newer ones for it", ["simple", "ordered", "simple"], [0]],
    ["ORDERED alone begins; the next SIMPLE and ORDERED wait", ["ordered", "simple", "ordered"], [0]],
    ["HEAD OF QUEUE waits for nothing", ["ordered", "simple", "head-of-queue", "head-of-queue"], [0, 2, 3]],
    ["SIMPLE and ORDERED wait for HEAD OF QUEUE", ["head-of-queue", "simple", "ordered"], [0]],
  ] as const) {
    it(name, () => {
      const shared = new Shared();
      // By another nexus each, of either target.
      for (const [i, attribute] of attributes.entries()) shared.read(i % 3, i, attribute);
      expect(shared.atStore).to.deep.equal(atStore);
    });
  }

  it("goes on as older ones end", () => {
    const shared = new Shared();
    const sent = (["simple", "ordered", "simple", "simple", "ordered"] as const).map((attribute, i) =>
      shared.read(i % 3, i, attribute),
    );
    const seen = [];
    while (shared.atStore.length > 0) {
      seen.push(shared.atStore);
      shared.store.release();
    }
    expect(seen).to.deep.equal([[0], [1], [2, 3], [3], [4]]);
    for (const each of sent) each.good();
  });

  it("goes on when a dormant task is aborted, which never reaches the store", () => {
    const shared = new Shared();
    const first = shared.read(0, 0);
    const ordered = shared.read(1, 1, "ordered");
    const behind = shared.read(2, 2);
    expect(shared.manage(1, "abort-task", ordered.task.tag)).to.deep.equal(["function-complete"]);
    expect([ordered.ends, ordered.task.aborted, shared.atStore]).to.deep.equal([1, true, [0, 2]]);
    for (const _ of [first, behind]) shared.store.release();
    for (const each of [first, behind]) each.good();
    shared.read(0, 3, "ordered");
    expect(shared.atStore, "nothing is left behind").to.deep.equal([3]);
  });

  it("lets commands wait that need no store", () => {
    const shared = new Shared();
    shared.read(0, 0, "head-of-queue");
    const ready = shared.ready(1);
    expect(ready.ends).to.equal(0);
    shared.store.release();
    ready.good();
  });

  it("needs no stack for a long queue of commands that end at once", () => {
    const shared = new Shared(20_000);
    shared.read(0, 0, "ordered");
    const waiting = Array.from({ length: 15_000 }, (_, i) => shared.ready(i % 3));
    shared.store.release();
    expect(waiting.every(({ ends, task }) => ends === 1 && task.status === Status.good)).to.equal(true);
  });

  for (const attribute of ["aca", "reserved"] as const) {
    it(`refuses ${attribute}, which no device here has, and takes no place for it`, () => {
      const shared = new Shared(1);
      for (let i = 0; i < 2; i++) shared.read(0, 0, attribute).checked(SENSE.invalidMessageError);
      shared.store.holding = false;
      shared.read(0, 0).good();
    });
  }

  it("is another one of each unit", () => {
    const shared = new Shared();
    const store = new HeldStore(BLOCKS * 512);
    shared.targets[0].add(1, createDisk({ ...IDENTITY, store }));
    shared.initiators[0].settle(0).settle(1);
    shared.read(0, 0, "ordered");
    shared.initiators[0].send("28 00 00 00 00 00 00 00 01 00", { lun: 1, room: 512 });
    expect(store.held).to.have.length(1);
  });
});

describe("a task that is announced before its data has come", () => {
  it("has its place in the order: ORDERED waits for it, and it begins when it is submitted", () => {
    const shared = new Shared();
    const announced = shared.read(0, 0, "simple", true);
    shared.read(1, 1, "ordered");
    expect(shared.atStore).to.deep.equal([]);
    shared.submit(0, announced);
    expect(shared.atStore).to.deep.equal([0]);
    shared.store.release();
    expect(shared.atStore).to.deep.equal([1]);
  });

  it("waits in its turn whether its data comes before that or behind it", () => {
    const shared = new Shared();
    shared.read(0, 0, "ordered");
    const [early, late] = [shared.read(1, 1, "simple", true), shared.read(2, 2, "simple", true)];
    shared.submit(1, early);
    shared.store.release();
    expect(shared.atStore).to.deep.equal([1]);
    shared.submit(2, late);
    expect(shared.atStore).to.deep.equal([1, 2]);
  });

  it("is found, aborted and cleared as any other, at once", () => {
    const shared = new Shared();
    const [own, other] = [shared.read(0, 0, "simple", true), shared.read(1, 1, "head-of-queue", true)];
    expect(shared.manage(0, "query-task", own.task.tag)).to.deep.equal(["function-succeeded"]);
    expect(shared.manage(0, "clear-task-set")).to.deep.equal(["function-complete"]);
    expect([own, other].map(({ ends, task }) => [ends, task.aborted])).to.deep.equal([
      [1, true],
      [1, true],
    ]);
    shared.ready(1).checked(SENSE.commandsCleared);
    shared.read(2, 2, "ordered");
    expect(shared.atStore, "nothing is left behind").to.deep.equal([2]);
  });

  for (const attribute of ["simple", "ordered"] as const) {
    it(`may be ended by who announced it, dormant or not (${attribute})`, () => {
      const shared = new Shared();
      const announced = shared.read(0, 0, attribute, true);
      const waiting = shared.read(1, 1, "ordered", true);
      const behind = shared.read(2, 2);
      waiting.task.end(Status.busy);
      announced.task.end(Status.busy);
      expect(shared.atStore).to.deep.equal([2]);
      shared.store.release();
      behind.good();
    });
  }

  it("ends with TASK SET FULL before its data comes, and with its nexus", async () => {
    const shared = new Shared(1);
    const announced = shared.read(0, 0, "simple", true);
    expect(shared.read(0, 1, "simple", true).status).to.equal(Status.taskSetFull);
    await shared.initiators[0].nexus.close();
    expect([announced.ends, announced.task.aborted]).to.deep.equal([1, true]);
  });

  it("is refused when it is submitted where there is no unit", () => {
    const initiator = new Initiator(new Target());
    const sent = initiator.send(WRITE, { lun: 5, out: pattern(512), announced: true });
    expect(sent.ends).to.equal(0);
    initiator.nexus.submit(sent.task);
    sent.checked(SENSE.logicalUnitNotSupported);
  });
});

describe("the depth of a nexus", () => {
  it("is what it may have under way; what is beyond ends with TASK SET FULL, and no other nexus is kept out", () => {
    const shared = new Shared(2);
    const taken = [shared.read(0, 0), shared.read(0, 1, "ordered")];
    expect(shared.read(0, 2).status).to.equal(Status.taskSetFull);
    expect(shared.read(0, 3, "head-of-queue").status).to.equal(Status.taskSetFull);
    const other = shared.read(1, 4);
    shared.store.release();
    shared.store.release();
    for (const each of taken) each.good();
    shared.store.release();
    other.good();
    shared.store.holding = false;
    shared.read(0, 5).good();
  });

  it("takes no unit attention away by TASK SET FULL", () => {
    const shared = new Shared(1);
    shared.read(0, 0);
    shared.store.resized?.();
    shared.store.memory.resize((BLOCKS + 1) * 512);
    shared.store.resized?.();
    expect(shared.read(0, 1).status).to.equal(Status.taskSetFull);
    shared.store.release();
    shared.ready(0).checked(SENSE.capacityChanged);
  });
});

/** What an initiator hears of a task that is under way when another ends it: how it ended, and the unit attentions from then on. */
function heard(sent: Sent, shared: Shared, who: number): string {
  const { task, ends } = sent;
  const end = ends !== 1 ? "under way" : task.aborted ? "no status" : task.status === 0x40 ? "TASK ABORTED" : "ended";
  const attentions: string[] = [];
  for (let next = shared.ready(who); next.status === Status.checkCondition; next = shared.ready(who)) {
    const { sense } = next.task;
    attentions.push(`${sense[12].toString(16)}/${sense[13].toString(16)}`);
  }
  return [end, ...attentions].join(" ");
}

describe("tasks that another initiator ends", () => {
  for (const [name, tas, theirs] of [
    ["clear-task-set", 0, "no status 2f/0"],
    ["clear-task-set", 0x40, "TASK ABORTED"],
    ["logical-unit-reset", 0, "no status 29/3"],
    ["logical-unit-reset", 0x40, "TASK ABORTED 29/3"],
    ["target-reset", 0, "no status 29/3"],
    ["target-reset", 0x40, "TASK ABORTED 29/3"],
    ["abort-task-set", 0, "ended"],
    ["i-t-nexus-reset", 0, "ended"],
  ] as const) {
    it(`by ${name} with TAS ${tas === 0 ? 0 : 1}: ${theirs}; at the other target too`, () => {
      const shared = new Shared();
      if (tas > 0) shared.select(0, tas);
      const sent = [0, 1, 2].map((who) => shared.read(who, who));
      const dormant = [0, 1, 2].map((who) => shared.read(who, who, "ordered"));
      const answers = shared.manage(0, name);
      const kept = theirs === "ended" ? 1 : 0;
      while (shared.atStore.length > 0) {
        expect(answers).to.deep.equal([]);
        if (kept === 1) break;
        shared.store.drop();
      }
      shared.store.holding = false;
      while (shared.store.held.length > 0) shared.store.release();
      expect(answers).to.deep.equal(["function-complete"]);
      const own = heard(sent[0], shared, 0);
      expect(own.split(" ").slice(0, 2).join(" "), "its own").to.equal("no status");
      expect([dormant[0].ends, dormant[0].task.aborted]).to.deep.equal([1, true]);
      for (const who of [1, 2]) {
        expect(dormant[who].task.status).to.equal(sent[who].task.status);
        expect(heard(sent[who], shared, who)).to.equal(theirs);
      }
    });
  }

  for (const [tas, theirs] of [
    [0, "no status 2a/5 2f/0"],
    [0x40, "TASK ABORTED 2a/5"],
  ] as const) {
    it(`by PREEMPT AND ABORT with TAS ${tas >> 6}: ${theirs}, and no others'`, () => {
      const shared = new Shared();
      if (tas > 0) shared.select(0, tas);
      for (const [i, initiator] of shared.initiators.entries()) {
        out(initiator, OUT.register, { serviceKey: i + 1 }, shared.luns[i]).good();
      }
      const sent = [0, 1, 2].map((who) => shared.read(who, who));
      const preempting = out(shared.initiators[0], OUT.preemptAndAbort, { key: 1, serviceKey: 3 });
      shared.store.held.push(...shared.store.held.splice(0, 2));
      expect(preempting.ends).to.equal(0);
      shared.store.drop();
      preempting.good();
      for (const who of [0, 1]) {
        shared.store.release();
        sent[who].good();
      }
      expect([0, 1, 2].map((who) => heard(sent[who], shared, who))).to.deep.equal(["ended", "ended", theirs]);
    });
  }

  it("are told by TASK ABORTED from the first on, of a disk that is made so; a reset goes back to that", () => {
    const shared = new Shared(1024, true);
    shared.select(0, 0);
    shared.manage(0, "logical-unit-reset");
    for (const who of [0, 1, 2]) shared.initiators[who].settle(shared.luns[who]);
    const theirs = shared.read(1, 0);
    shared.manage(0, "clear-task-set");
    shared.store.drop();
    expect(heard(theirs, shared, 1)).to.equal("TASK ABORTED");
  });

  it("are told nothing where they had none", () => {
    const shared = new Shared();
    shared.read(1, 0);
    shared.manage(0, "clear-task-set");
    shared.store.drop();
    shared.ready(1).checked(SENSE.commandsCleared);
    shared.ready(2).good();
  });

  it("have no effect behind the answer: a write that waits never reaches the store", () => {
    const shared = new Shared();
    const read = shared.read(1, 0);
    const write = shared.initiators[1].send(WRITE, { out: pattern(512, 9), attribute: "ordered" });
    const answers = shared.manage(0, "logical-unit-reset");
    expect([write.ends, answers]).to.deep.equal([1, []]);
    shared.store.drop();
    expect([read.ends, answers, shared.store.seen]).to.deep.equal([1, ["function-complete"], ["read"]]);
  });
});

describe("a CHECK CONDITION", () => {
  const BEYOND = "28 00 00 00 ff ff 00 00 01 00";
  for (const [qerr, tas, own, others] of [
    [0x00, 0x00, "ended", "ended"],
    [0x02, 0x00, "no status", "no status 2f/0"],
    [0x02, 0x40, "no status", "TASK ABORTED"],
    [0x06, 0x00, "no status", "ended"],
  ] as const) {
    it(`with QERR ${qerr >> 1} and TAS ${tas >> 6}: its nexus's other tasks end with "${own}", the others' with "${others}"`, () => {
      const shared = new Shared();
      if (qerr + tas > 0) shared.select(qerr, tas);
      const sent = [0, 1, 2].map((who) => shared.read(who, who));
      shared.initiators[0].send(BEYOND, { room: 512 }).checked(SENSE.lbaOutOfRange);
      while (shared.atStore.length > 0) shared.store.release();
      shared.store.holding = false;
      expect([0, 1, 2].map((who) => heard(sent[who], shared, who))).to.deep.equal([own, others, others]);
    });
  }

  it("cannot be given the reserved QERR", () => {
    const shared = new Shared();
    const out = hex("00 00 00 00 0a 0a 00 14 00 00 00 00 00 00 00 00");
    shared.initiators[0].send("15 10 00 00 10 00", { out }).checked(SENSE.invalidFieldInParameterList, "8a 00 07");
  });
});

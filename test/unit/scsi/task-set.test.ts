// The order of tasks by their attributes (SAM-5), how many there may be, and what ends with a CHECK CONDITION or
// because another initiator wants it (5.6; TAS and QERR of SPC-4 7.5.8).

import {
  createDisk,
  type LogicalUnit,
  type ManagementFunction,
  Nexus,
  SENSE,
  Status,
  Target,
  type TaskAttribute,
} from "@pvscsi/scsi";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { hex, IDENTITY, Initiator, pattern, type Sent } from "./initiator.js";
import { OUT, out, port } from "./reserving.js";

const BLOCKS = 4096;
const READY = "00 00 00 00 00 00";
const WRITE = "2a 00 00 00 00 05 00 00 01 00";

/** A unit that two targets have, at LUN 0 and at LUN 7, over a store that keeps requests: three initiators, two of them at the first. */
class Shared {
  readonly store = new HeldStore(BLOCKS * 512);
  readonly disk: LogicalUnit;
  readonly targets = [new Target("0:0", [1]), new Target("1:0", [2])];
  readonly initiators: readonly Initiator[];
  readonly luns = [0, 0, 7];

  constructor(queueDepth = 1024, tellsAborted = false) {
    this.disk = createDisk({ ...IDENTITY, store: this.store, queueDepth, tellsAborted });
    for (const [i, target] of this.targets.entries()) target.add(i * 7, this.disk);
    this.initiators = this.luns.map((lun, i) => {
      const target = this.targets[lun === 7 ? 1 : 0];
      return new Initiator(target, new Nexus(target, { initiatorPort: port(`initiator ${i}`) })).settle(lun);
    });
  }

  /** READ(10) of one block. */
  read(who: number, lba: number, attribute: TaskAttribute = "simple", announced = false): Sent {
    const [high, low] = [lba >>> 8, lba & 0xff].map((byte) => byte.toString(16).padStart(2, "0"));
    return this.initiators[who].send(`28 00 00 00 ${high} ${low} 00 00 01 00`, {
      lun: this.luns[who],
      room: 512,
      attribute,
      announced,
    });
  }

  /** The data of an announced task has come. */
  submit(who: number, { task }: Sent): void {
    this.initiators[who].nexus.submit(task);
  }

  ready(who: number): Sent {
    return this.initiators[who].send(READY, { lun: this.luns[who] });
  }

  manage(who: number, name: ManagementFunction, tag = 0): string[] {
    const answers: string[] = [];
    const completed = (response: string): number => answers.push(response);
    this.initiators[who].nexus.manage({ function: name, lun: this.luns[who], tag, completed });
    return answers;
  }

  /** The blocks that the store has been asked for and has not given. */
  get atStore(): number[] {
    return this.store.held.map(({ offset }) => offset / 512);
  }

  /** Selects the control page, by its bytes 3 and 5, by the first initiator; the others have heard of that. */
  select(byte3: number, byte5: number): void {
    const page = `0a 0a 00 ${(0x10 | byte3).toString(16)} 00 ${byte5.toString(16).padStart(2, "0")} 00 00 00 00 00 00`;
    this.initiators[0].send("15 10 00 00 10 00", { out: hex(`00 00 00 00 ${page}`) }).good();
    for (const who of [1, 2]) this.ready(who).checked(SENSE.modeParametersChanged);
  }
}

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

interface ModelTask {
  readonly lba: number;
  readonly who: number;
  readonly attribute: TaskAttribute;
  begun: boolean;
  /** Its data has come. */
  whole: boolean;
}

/** What SAM-5 says of task attributes, task by task. */
class Model {
  readonly tasks: ModelTask[] = [];

  add(who: number, lba: number, attribute: TaskAttribute, whole: boolean): void {
    this.tasks.push({ lba, who, attribute, begun: false, whole });
    this.#settle();
  }

  end(gone: (task: ModelTask) => boolean): void {
    for (const task of this.tasks.filter(gone)) this.tasks.splice(this.tasks.indexOf(task), 1);
    this.#settle();
  }

  /** Those that have begun and whose data has come. */
  get begun(): number[] {
    return this.tasks.filter(({ begun, whole }) => begun && whole).map(({ lba }) => lba);
  }

  #settle(): void {
    for (const [index, task] of this.tasks.entries()) task.begun ||= this.#mayBegin(task.attribute, index);
  }

  #mayBegin(attribute: TaskAttribute, index: number): boolean {
    if (attribute === "head-of-queue") return true;
    if (this.tasks.some((task) => task.attribute === "head-of-queue")) return false;
    const older = this.tasks.slice(0, index);
    return attribute === "ordered" ? older.length === 0 : !older.some((task) => task.attribute === "ordered");
  }
}

describe("a task set against the model", () => {
  const ATTRIBUTES: readonly TaskAttribute[] = ["simple", "simple", "simple", "ordered", "head-of-queue"];
  for (let seed = 1; seed <= 20; seed++) {
    it(`has at its store what the model has begun, seed ${seed}`, () => {
      const random = seededRandom(seed);
      const shared = new Shared();
      const model = new Model();
      const sent = new Map<number, Sent>();
      for (let step = 0; step < 600; step++) {
        const who = random.below(3);
        const kind = random.below(19);
        if (kind < 7) {
          const attribute = ATTRIBUTES[random.below(ATTRIBUTES.length)];
          const whole = random.chance(0.7);
          model.add(who, step, attribute, whole);
          sent.set(step, shared.read(who, step, attribute, !whole));
        } else if (kind < 14) {
          if (shared.store.held.length === 0) continue;
          const [request] = shared.store.held.splice(random.below(shared.store.held.length), 1);
          shared.store.held.unshift(request);
          const lba = request.offset / 512;
          model.end((task) => task.lba === lba);
          shared.store.release();
          sent.get(lba)?.good();
        } else if (kind < 17) {
          const announced = model.tasks.filter(({ whole }) => !whole);
          if (announced.length === 0) continue;
          const task = announced[random.below(announced.length)];
          task.whole = true;
          shared.submit(task.who, sent.get(task.lba) as Sent);
        } else {
          const everyones = kind === 18;
          const gone = (task: { who: number }): boolean => everyones || task.who === who;
          const lbas = model.tasks.filter(gone).map(({ lba }) => lba);
          const answers = shared.manage(who, everyones ? "clear-task-set" : "abort-task-set");
          for (const request of [...shared.store.held].filter(({ offset }) => lbas.includes(offset / 512))) {
            expect(answers, "before the last has ended").to.deep.equal([]);
            shared.store.held.splice(shared.store.held.indexOf(request), 1);
            shared.store.held.unshift(request);
            shared.store.drop();
          }
          model.end(gone);
          expect(answers).to.deep.equal(["function-complete"]);
          for (const lba of lbas) expect([sent.get(lba)?.ends, sent.get(lba)?.task.aborted]).to.deep.equal([1, true]);
          if (everyones) for (const each of [0, 1, 2]) shared.initiators[each].settle(shared.luns[each]);
        }
        const byNumber = (a: number, b: number): number => a - b;
        expect(shared.atStore.toSorted(byNumber), `step ${step}`).to.deep.equal(model.begun);
      }
      for (const [lba, { ends }] of sent)
        expect(ends, `${lba}`).to.equal(model.tasks.some((task) => task.lba === lba) ? 0 : 1);
    });
  }
});

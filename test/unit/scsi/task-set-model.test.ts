// A task set against a model of it: random tasks of three initiators, whose data may come later.

import type { TaskAttribute } from "@pvscsi/scsi";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import type { Sent } from "./initiator.js";
import { Shared } from "./shared-unit.js";

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

// Knows an I_T_L nexus: one logical unit as one initiator sees it, with what it is owed there and how many tasks it has there.

import type { LogicalUnit } from "./logical-unit.js";
import type { Nexus } from "./nexus.js";
import type { TaskSet } from "./task-set.js";
import { Attentions } from "./unit-attention.js";

export class Place {
  readonly nexus: Nexus;
  readonly lun: number;
  readonly unit: LogicalUnit;
  readonly taskSet: TaskSet;
  readonly attentions = new Attentions();
  /** Tasks that the initiator may have in the task set, and those that it has. */
  readonly depth: number;
  underWay = 0;

  constructor(nexus: Nexus, lun: number, unit: LogicalUnit) {
    this.nexus = nexus;
    this.lun = lun;
    this.unit = unit;
    this.taskSet = unit.taskSet;
    this.depth = unit.taskSet.depth;
  }
}

// Knows a unit that two targets have and three initiators reach, over a store that keeps requests.

import {
  createDisk,
  type LogicalUnit,
  type ManagementFunction,
  Nexus,
  SENSE,
  Target,
  type TaskAttribute,
} from "@pvscsi/scsi";
import { HeldStore } from "../../support/held-store.js";
import { hex, IDENTITY, Initiator, type Sent } from "./initiator.js";
import { port } from "./reserving.js";

export const BLOCKS = 4096;
const READY = "00 00 00 00 00 00";

/** A unit that two targets have, at LUN 0 and at LUN 7, over a store that keeps requests: three initiators, two of them at the first. */
export class Shared {
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

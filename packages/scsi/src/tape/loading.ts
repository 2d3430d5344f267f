// Knows LOAD UNLOAD: whether what is in the drive can be used.

import { removalPrevented } from "../device/removal.js";
import { check, invalidField } from "../device-server.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Tape } from "./tape.js";
import { synchronize } from "./writing.js";

const LOAD = 0x01;
const RETEN = 0x02;
const EOT = 0x04;
const HOLD = 0x08;

/**
 * LOAD UNLOAD (SSC-3 7.2). HOLD takes the medium into the drive, or leaves it there, and does not thread it. RETEN and EOT say where the
 * medium is to be wound to before it is out, which changes nothing here.
 */
export function loadUnload(tape: Tape, task: Task): void {
  const control = task.cdb[4];
  const load = (control & LOAD) !== 0;
  if (load && (control & EOT) !== 0) return invalidField(tape, task, 4, 2);
  if ((control & HOLD) !== 0 && (control & (RETEN | EOT)) !== 0) return invalidField(tape, task, 4, 3);
  if (tape.tape === null) return check(tape, task, SENSE.mediumNotPresent);
  const held = (control & HOLD) !== 0;
  if (load && !held) return loadMedium(tape, task);
  if (!load && !held && removalPrevented(tape)) return check(tape, task, SENSE.mediumRemovalPrevented);
  synchronize(tape, tape.take(task), () => {
    tape.medium.rewind();
    tape.threading = held ? "held" : "ejected";
    tape.succeed();
  });
}

function loadMedium(tape: Tape, task: Task): void {
  if (tape.threading !== "threaded") {
    tape.thread(task);
    return task.end(Status.good);
  }
  synchronize(tape, tape.take(task), () => {
    tape.medium.rewind();
    tape.succeed();
  });
}

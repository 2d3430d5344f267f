// Knows START STOP UNIT: whether the medium of a disk can be reached.

import { removalPrevented } from "../device/removal.js";
import { check } from "../device-server.js";
import type { AccessName } from "../reservations/access.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Disk } from "./disk.js";
import { flush } from "./transfer.js";
import type { Work } from "./work.js";

const START = 0x01;
const LOEJ = 0x02;
const NO_FLUSH = 0x04;

/** START STOP UNIT (SBC-3 5.25). Power conditions are accepted and have no effect: nothing here uses more power. */
export function startStopUnit(disk: Disk, task: Task): void {
  const control = task.cdb[4];
  if (control >>> 4 !== 0) return task.end(Status.good);
  const start = (control & START) !== 0;
  const loadOrEject = (control & LOEJ) !== 0;
  if (start) return startUnit(disk, task, loadOrEject);
  const end = loadOrEject ? eject : stop;
  if ((control & NO_FLUSH) !== 0 || disk.medium !== "ready") return end(disk, task);
  flush(disk, task, "reads", loadOrEject ? ejectFlushed : stopFlushed);
}

/** With START and without a power condition it runs whoever has reserved the unit (SBC-3 table 13). */
export function startStopAccess(cdb: Uint8Array): AccessName {
  return cdb[4] >>> 4 === 0 && (cdb[4] & START) !== 0 ? "asks" : "writes";
}

/** What is prevented is that the medium is changed: none is loaded meanwhile either. */
function startUnit(disk: Disk, task: Task, load: boolean): void {
  if (disk.medium === "ejected" && !load) return check(disk, task, SENSE.mediumNotPresent);
  if (disk.medium === "ejected" && removalPrevented(disk)) return check(disk, task, SENSE.mediumRemovalPrevented);
  const loaded = disk.medium === "ejected";
  disk.medium = "ready";
  if (loaded) disk.notify("medium-changed", task);
  task.end(Status.good);
}

const stopFlushed = (disk: Disk, work: Work): void => stop(disk, disk.release(work));
const ejectFlushed = (disk: Disk, work: Work): void => eject(disk, disk.release(work));

function stop(disk: Disk, task: Task): void {
  if (disk.medium === "ready") disk.medium = "stopped";
  task.end(Status.good);
}

/** Asked after the flush: while it lasts, removal may have been prevented. */
function eject(disk: Disk, task: Task): void {
  if (removalPrevented(disk)) return check(disk, task, SENSE.mediumRemovalPrevented);
  disk.medium = "ejected";
  task.end(Status.good);
}

// Knows START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL of a drive with a tray, and MECHANISM STATUS (MMC-6).

import { get16, put24 } from "../big-endian.js";
import { preventAllow, removalPrevented } from "../device/removal.js";
import { check, reply } from "../device-server.js";
import type { AccessName } from "../reservations/access.js";
import { SENSE } from "../sense.js";
import { Status, type Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";

const START = 0x01;
const LOEJ = 0x02;

/** A disc that was stopped is started by whatever needs it; power conditions are accepted and have no effect. */
export function startStopUnit(drive: Cdrom, task: Task): void {
  const control = task.cdb[4];
  if (control >>> 4 !== 0) return task.end(Status.good);
  if ((control & LOEJ) === 0) return (control & START) === 0 ? task.end(Status.good) : start(drive, task);
  if ((control & START) === 0) return eject(drive, task);
  drive.closeTray();
  task.end(Status.good);
}

/** What only looks whether there is a disc, or closes the tray, runs whoever has reserved the unit. */
export function startStopAccess(cdb: Uint8Array): AccessName {
  return cdb[4] >>> 4 === 0 && (cdb[4] & START) !== 0 ? "asks" : "writes";
}

function start(drive: Cdrom, task: Task): void {
  const reason = drive.notReady();
  if (reason !== null) check(drive, task, reason);
  else task.end(Status.good);
}

/** The persistent prevent state keeps the button from it and not the initiators (Mt. Fuji 7, PREVENT ALLOW MEDIUM REMOVAL). */
function eject(drive: Cdrom, task: Task): void {
  if (removalPrevented(drive)) return check(drive, task, SENSE.mediumRemovalPrevented);
  drive.openTray();
  task.end(Status.good);
}

const PREVENT = 0x01;
const PERSISTENT = 0x02;

export function preventAllowRemoval(drive: Cdrom, task: Task): void {
  const { cdb } = task;
  if ((cdb[4] & PERSISTENT) === 0) return preventAllow(drive, task);
  drive.persistent = (cdb[4] & PREVENT) !== 0;
  task.end(Status.good);
}

const DOOR_OPEN = 0x10;

/** A drive without a changer: no slots. */
export function mechanismStatus(drive: Cdrom, task: Task): void {
  const answer = drive.scratch;
  answer.fill(0, 0, 8);
  answer[1] = drive.trayOpen ? DOOR_OPEN : 0;
  put24(answer, 2, drive.position & 0xff_ffff);
  reply(task, answer, 8, get16(task.cdb, 8));
}

// Knows what an initiator is told when a command was lost on its way to a real device. A logical unit can speak of that by status and sense
// data only; what QEMU's scsi-generic says for Linux' host bytes is the model.

import { HostByte } from "../adapter.js";
import { endWithSense, SENSE, type Sense } from "../sense.js";
import { Status, type Task } from "../task.js";

/** Those that have a status, or sense data, of their own; all others are a communication failure. */
const TOLD = new Map<number, number | Sense>([
  [HostByte.noConnect, SENSE.unitNotResponding],
  [HostByte.badTarget, SENSE.unitNotResponding],
  [HostByte.busBusy, Status.busy],
  [HostByte.timeOut, SENSE.commandTimeout],
  [HostByte.requeue, Status.busy],
  [HostByte.immediateRetry, Status.busy],
  [HostByte.reset, SENSE.commandLostByReset],
  [HostByte.transportDisrupted, SENSE.commandLostWithNexus],
  [HostByte.transportFailFast, SENSE.commandLostWithNexus],
  [HostByte.targetFailure, SENSE.internalTargetFailure],
  [HostByte.nexusFailure, Status.reservationConflict],
  [HostByte.allocationFailure, SENSE.spaceAllocationFailed],
  [HostByte.mediumError, SENSE.unrecoveredReadError],
]);

/** Ends a task whose command did not end at the device. */
export function endLost(task: Task, hostByte: number): void {
  const told = TOLD.get(hostByte) ?? SENSE.communicationFailure;
  if (typeof told === "object") return endWithSense(task, told);
  task.transferLength = 0;
  task.end(told);
}

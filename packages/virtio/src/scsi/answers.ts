// Knows what virtio-scsi's responses mean to an operating system: Linux' host bytes (drivers/scsi/virtio_scsi.c).

import { type Command, HostByte, MAX_SENSE, Status } from "@pvscsi/scsi";
import { copyBytes } from "@pvscsi/wire";
import { CommandResponse, Response } from "../abi/scsi.js";

const HOST_BYTES: { readonly [response: number]: number } = {
  [Response.ok]: HostByte.ok,
  [Response.overrun]: HostByte.error,
  [Response.aborted]: HostByte.abort,
  [Response.badTarget]: HostByte.badTarget,
  [Response.reset]: HostByte.reset,
  [Response.busy]: HostByte.busBusy,
  [Response.transportFailure]: HostByte.transportDisrupted,
  [Response.targetFailure]: HostByte.targetFailure,
  [Response.nexusFailure]: HostByte.nexusFailure,
  [Response.failure]: HostByte.error,
};

/**
 * Takes over what a response says, of which the device has written `written` bytes, data included: what is behind them
 * means nothing (2.7.8.3). It lies in memory that the device shares, so each of its fields is read once.
 */
export function readAnswer(answer: InstanceType<typeof CommandResponse>, written: number, command: Command): void {
  const { senseLen, resid, status, response } = answer;
  const { direction, data } = command;
  const received = direction === "to-device" ? data.length : Math.max(0, written - answer.bytes.length);
  const room = Math.min(written, answer.bytes.length) - CommandResponse.size;
  command.hostByte = HOST_BYTES[response] ?? HostByte.error;
  command.status = status;
  command.residual = Math.min(data.length, Math.max(resid, data.length - received));
  command.senseLength = Math.min(senseLen, room, MAX_SENSE);
  copyBytes(answer.bytes, CommandResponse.size, command.sense, 0, command.senseLength);
}

/** Ends a command that has moved nothing. */
export function refuse(command: Command, hostByte: number): void {
  command.hostByte = hostByte;
  command.status = Status.good;
  command.senseLength = 0;
  command.residual = command.data.length;
  command.completed(command);
}

/** Whether a task management function has done what it should, as Linux takes it. */
export function succeeded(response: number): boolean {
  return response === Response.ok || response === Response.functionSucceeded;
}

// Knows how commands and management requests end: what a response says about one, and how one ends without an answer.
// Knows no ring.

import { type AdapterManagement, type Command, HostByte, Status } from "@pvscsi/scsi";
import { copyBytes, type RecordOf } from "@pvscsi/wire";
import { VSCSIIF_SENSE_BUFFERSIZE, VscsiifResponse, vscsiifResultHost, vscsiifResultStatus } from "@pvscsi/xen";

const SENSE_BUFFER = VscsiifResponse.offsets.senseBuffer;

/** Takes over what a response says; it may lie in shared memory, so each of its fields is read once. */
export function readResult(response: RecordOf<typeof VscsiifResponse>, command: Command): void {
  const { rslt, residualLen, senseLen } = response;
  command.hostByte = hostByteOf(rslt);
  command.status = vscsiifResultStatus(rslt);
  command.residual = Math.min(residualLen, command.data.length);
  command.senseLength = Math.min(senseLen, VSCSIIF_SENSE_BUFFERSIZE);
  copyBytes(response.bytes, response.base + SENSE_BUFFER, command.sense, 0, command.senseLength);
}

/** Unknown values are an error. Linux 4.9's backend shifted its own two refusals by 24 bits; they mean the same. */
function hostByteOf(rslt: number): number {
  const host = vscsiifResultHost(rslt);
  if (rslt === OLD_NO_CONNECT) return HostByte.noConnect;
  if (rslt === OLD_ERROR) return HostByte.error;
  return host <= HostByte.transportMarginal ? host : HostByte.error;
}

const OLD_NO_CONNECT = HostByte.noConnect << 24;
const OLD_ERROR = HostByte.error << 24;

/** Says that a command has failed without having moved anything. */
export function failCommand(command: Command, hostByte: number): void {
  command.hostByte = hostByte;
  command.status = Status.good;
  command.senseLength = 0;
  command.residual = command.data.length;
}

export function refuseCommand(command: Command, hostByte: number): void {
  failCommand(command, hostByte);
  command.completed(command);
}

export function refuseManagement(management: AdapterManagement): void {
  management.succeeded = false;
  management.completed(management);
}

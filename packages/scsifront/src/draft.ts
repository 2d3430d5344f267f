// Knows how a command or a management request becomes the bytes of a vscsiif request, all but its segments. Knows no ring.

import type { AdapterManagement, Address, Command } from "@pvscsi/scsi";
import { copyBytes, type RecordOf } from "@pvscsi/wire";
import {
  VSCSIIF_ENTRY_SIZE,
  VSCSIIF_MAX_COMMAND_SIZE,
  VscsiifAct,
  VscsiifDirection,
  VscsiifRequest,
} from "@pvscsi/xen";

type Request = RecordOf<typeof VscsiifRequest>;

/** The request being filled in. It goes to its slot as a whole, so that the slot holds nothing of an earlier one. */
export class RequestDraft {
  readonly bytes = new Uint8Array(VSCSIIF_ENTRY_SIZE);
  readonly request: Request = new VscsiifRequest(this.bytes);

  command(rqid: number, command: Command): Request {
    const request = this.#begin(rqid, command);
    request.act = VscsiifAct.scsiCdb;
    // The back end refuses what is longer than it can be; a length that does not fit its byte must not become a short one.
    request.cmdLen = Math.min(0xff, command.cdbLength);
    copyBytes(command.cdb, 0, this.bytes, CMND, Math.min(command.cdbLength, VSCSIIF_MAX_COMMAND_SIZE));
    request.timeout = Math.min(0xffff, Math.ceil(command.timeout / 1000));
    request.dataDirection = DIRECTIONS[command.direction];
    return request;
  }

  /** Linux repeats the victim's CDB and direction in an abort; nobody reads them. */
  management(rqid: number, management: AdapterManagement, victimRqid: number): Request {
    const abort = management.function === "abort";
    const request = this.#begin(rqid, management);
    request.act = abort ? VscsiifAct.scsiAbort : VscsiifAct.scsiReset;
    request.dataDirection = VscsiifDirection.none;
    if (abort) request.refRqid = victimRqid;
    return request;
  }

  #begin(rqid: number, address: Address): Request {
    this.bytes.fill(0);
    this.request.rqid = rqid;
    this.request.channel = address.channel;
    this.request.id = address.target;
    this.request.lun = address.lun;
    return this.request;
  }
}

const CMND = VscsiifRequest.offsets.cmnd;

const DIRECTIONS = {
  "to-device": VscsiifDirection.toDevice,
  "from-device": VscsiifDirection.fromDevice,
  none: VscsiifDirection.none,
  bidirectional: VscsiifDirection.bidirectional,
} as const;

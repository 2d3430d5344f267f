// Knows one virtio-scsi command while it is under way: its private copy, the answer it gets, and the task made of it.

import { Task } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { CommandRequest, CommandResponse, Response } from "../abi/scsi.js";
import { Chain } from "../chain.js";
import { ScsiAddress } from "./lun.js";

/** Of the configuration space, as they are when a queue is started. */
export interface CommandSizes {
  readonly cdb: number;
  readonly sense: number;
}

/** A pooled record; the copy is what gets checked and used, whatever the driver writes meanwhile. */
export class Exchange {
  pooled = true;
  readonly chain = new Chain();
  /** Request header and CDB. */
  readonly bytes: Uint8Array;
  readonly request: InstanceType<typeof CommandRequest>;
  /** Response header and sense data. */
  readonly answer: Uint8Array;
  readonly response: InstanceType<typeof CommandResponse>;
  readonly address = new ScsiAddress();
  readonly data = new Places();
  readonly task = new Task();
  /** What the driver is told when the task is aborted. */
  ending: number = Response.reset;
  /** Its index in the list of those under way. */
  index = 0;

  constructor({ cdb, sense }: CommandSizes) {
    this.bytes = new Uint8Array(CommandRequest.size + cdb);
    this.request = new CommandRequest(this.bytes);
    this.answer = new Uint8Array(CommandResponse.size + sense);
    this.response = new CommandResponse(this.answer);
  }

  /** Whether the driver knows it by that tag at that logical unit. */
  is({ target, lun }: ScsiAddress, tagLow: number, tagHigh: number): boolean {
    return this.isAt(target, lun) && this.request.tagLow === tagLow && this.request.tagHigh === tagHigh;
  }

  isAt(target: number, lun: number): boolean {
    return this.address.target === target && this.address.lun === lun;
  }
}

// Knows one command of an initiator while it is under way: which tag it has, how much of its data has moved, and when it is over.

import { type Command, HostByte, Status } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { NO_TAG } from "../abi/pdu.js";

/** Bits of a tag that are the slot's index. */
const INDEX_BITS = 16;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
/** Uses of a slot that have tags of their own: no tag of a command is 8000_0000h or above. */
const SERIALS = 0x8000;

export class CommandSlot {
  readonly #index: number;
  #serial = 0;
  /** Its Initiator Task Tag. */
  tag: number;
  /** That of the last command here which a task management function has ended: the target may answer it still. */
  lateTag = NO_TAG;
  command: Command | null = null;
  cmdSN = 0;
  /** Bytes it expects to move. */
  length = 0;
  /** Bytes of a read that have come, and of a write that were sent: data comes and goes in order. */
  moved = 0;
  /** The DataSN of its next Data-In, or the R2TSN of its next R2T. */
  sequence = 0;
  /** What of its data is sent at once. */
  readonly part = new Places();
  /** Whether nothing more comes for it. */
  ended = true;
  /** PDUs of its own that have not left. */
  unsent = 0;
  readonly #over: (slot: CommandSlot) => void;

  /** `over` hears when it has ended and none of its bytes is on its way. */
  constructor(index: number, over: (slot: CommandSlot) => void) {
    this.#index = index;
    this.#over = over;
    this.tag = index;
  }

  /** Begins with a command, which has a tag that none before it had for long. */
  begin(command: Command): void {
    this.#serial = (this.#serial + 1) % SERIALS;
    this.tag = this.#serial * (INDEX_MASK + 1) + this.#index;
    this.command = command;
    this.length = command.direction === "none" ? 0 : command.data.length;
    this.moved = 0;
    this.sequence = 0;
    this.ended = false;
    command.hostByte = HostByte.ok;
    command.status = Status.good;
    command.senseLength = 0;
    command.residual = 0;
    command.overflow = 0;
  }

  get writes(): boolean {
    return this.command?.direction === "to-device";
  }

  /** One of its PDUs has left. */
  left(): void {
    this.unsent -= 1;
    if (this.ended && this.unsent === 0) this.#over(this);
  }

  /** It is over as soon as nothing of its data is on its way: its pages are its submitter's again then. */
  end(): void {
    this.ended = true;
    if (this.unsent === 0) this.#over(this);
  }
}

/** Where the slot of a tag is. */
export function slotIndex(tag: number): number {
  return tag & INDEX_MASK;
}

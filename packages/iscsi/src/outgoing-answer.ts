// Knows the PDUs that go out to an initiator, and the numbers that each carries.

import type { Outbox } from "@pvscsi/wire";
import { Answer, DataIn, ReadyToTransfer, ScsiResponse } from "./abi/pdu.js";
import { OutgoingPdu, PduWriter } from "./outgoing.js";

export class OutgoingAnswer extends OutgoingPdu {
  readonly answer = new Answer(this.bytes);
  readonly response = new ScsiResponse(this.bytes);
  readonly dataIn = new DataIn(this.bytes);
  readonly readyToTransfer = new ReadyToTransfer(this.bytes);
}

/** The numbers that every answer carries. */
export interface CommandNumbers {
  readonly expCmdSN: number;
  readonly maxCmdSN: number;
}

export class AnswerWriter extends PduWriter<OutgoingAnswer> {
  /** The StatSN of the next answer that has one of its own. */
  statSN = 1;
  /** Of the session; all zero until there is one. */
  numbers: CommandNumbers = { expCmdSN: 0, maxCmdSN: 0 };

  constructor(outbox: Outbox<OutgoingAnswer>) {
    super(outbox, () => new OutgoingAnswer());
  }

  protected override number({ answer }: OutgoingAnswer, counts: boolean): void {
    answer.statSN = this.statSN;
    answer.expCmdSN = this.numbers.expCmdSN;
    answer.maxCmdSN = this.numbers.maxCmdSN;
    if (counts) this.statSN = (this.statSN + 1) >>> 0;
  }
}

// Knows the PDUs that go out to a target, and the numbers that each carries (RFC 7143 4.2.2).

import type { Outbox } from "@pvscsi/wire";
import { DataOut, IMMEDIATE, LoginRequest, LogoutRequest, ManagementRequest, Opcode, ScsiCommand } from "../abi/pdu.js";
import { OutgoingPdu, PduWriter } from "../outgoing.js";

export class OutgoingRequest extends OutgoingPdu {
  readonly command = new ScsiCommand(this.bytes);
  readonly dataOut = new DataOut(this.bytes);
  readonly management = new ManagementRequest(this.bytes);
  readonly login = new LoginRequest(this.bytes);
  readonly logout = new LogoutRequest(this.bytes);
}

export class RequestWriter extends PduWriter<OutgoingRequest> {
  /** The CmdSN of the next command. */
  cmdSN = 1;
  /** The StatSN that the target's next answer has to have. */
  expStatSN = 0;
  /** The last CmdSN that the target takes. */
  maxCmdSN = 0;

  constructor(outbox: Outbox<OutgoingRequest>) {
    super(outbox, () => new OutgoingRequest());
  }

  /** Whether the target takes a further command. */
  get open(): boolean {
    return ((this.maxCmdSN - this.cmdSN) | 0) >= 0;
  }

  /** Takes the window of an answer: one that is older than what we know says nothing (4.2.2.1). */
  hear(expCmdSN: number, maxCmdSN: number): void {
    if (((maxCmdSN - expCmdSN) | 0) < -1) return;
    if (((maxCmdSN - this.maxCmdSN) | 0) > 0) this.maxCmdSN = maxCmdSN;
  }

  /** A Data-Out has no CmdSN; what is immediate has the next one and does not take it up. */
  protected override number({ request }: OutgoingRequest, counts: boolean): void {
    request.expStatSN = this.expStatSN;
    if ((request.opcode & ~IMMEDIATE) === Opcode.dataOut) return;
    request.cmdSN = this.cmdSN;
    if (counts) this.cmdSN = (this.cmdSN + 1) >>> 0;
  }
}

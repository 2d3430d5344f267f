// Knows what an initiator is told without having asked (RFC 7143 11.9): that LUNs have come or gone, that it is to log out, that its
// session ends.

import { FIXED_SENSE_LENGTH, SENSE, writeSense } from "@pvscsi/scsi";
import { AsynchronousEvent, FINAL } from "./abi/codes.js";
import { AsynchronousMessage, NO_TAG, Opcode } from "./abi/pdu.js";
import type { AnswerWriter, OutgoingAnswer } from "./outgoing-answer.js";

/** Sense data behind two bytes of its length (11.9.4). */
const LUNS_CHANGED = new Uint8Array(2 + FIXED_SENSE_LENGTH);
LUNS_CHANGED[1] = writeSense(LUNS_CHANGED.subarray(2), SENSE.reportedLunsChanged);

export class Announcements {
  readonly #writer: AnswerWriter;
  /** Set while a message about LUNs has not left: whoever gets it looks at all of them. */
  #tellingOfLuns = false;
  readonly #toldOfLuns = {
    left: () => {
      this.#tellingOfLuns = false;
    },
  };

  constructor(writer: AnswerWriter) {
    this.#writer = writer;
  }

  /** LUNs have come or gone: the sense data of the unit attention that all its other LUNs have as well. */
  lunsChanged(): void {
    if (this.#tellingOfLuns) return;
    this.#tellingOfLuns = true;
    const { pdu } = this.#begin(AsynchronousEvent.scsi);
    pdu.owner = this.#toldOfLuns;
    this.#writer.sendBytes(pdu, LUNS_CHANGED, true);
  }

  /** It is to log out within `seconds`. */
  requestLogout(seconds: number): void {
    const { pdu, message } = this.#begin(AsynchronousEvent.logoutRequested);
    message.parameter3 = seconds;
    this.#writer.send(pdu, null, true);
  }

  /** Its session ends, with all that is under way; it may come again at once, and finds nothing of it then. */
  dropSession(): void {
    this.#writer.send(this.#begin(AsynchronousEvent.sessionDropped).pdu, null, true);
  }

  #begin(event: number): { readonly pdu: OutgoingAnswer; readonly message: InstanceType<typeof AsynchronousMessage> } {
    const pdu = this.#writer.begin(Opcode.asynchronous, FINAL);
    const message = new AsynchronousMessage(pdu.bytes);
    message.itt = NO_TAG;
    message.event = event;
    return { pdu, message };
  }
}

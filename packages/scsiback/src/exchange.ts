// Knows one request while it is under way: its private copy, what it borrowed, and the task made of it.

import { Task } from "@pvscsi/scsi";
import { Loan, VscsiifRequest } from "@pvscsi/xen";
import type { VirtualTarget } from "./translation.js";

/** A pooled record; the copy is what gets checked and used, whatever the slot says later (XSA-155). */
export class Exchange {
  pooled = true;
  /** The request's 252 bytes as they were when it was taken. */
  readonly bytes = new Uint8Array(VscsiifRequest.size);
  readonly request = new VscsiifRequest(this.bytes);
  readonly loan = new Loan();
  readonly task = new Task();
  place: VirtualTarget | null = null;
  /** The front end asked to abort it: its answer is host ABORT, where another's reset gives host RESET. */
  abortAsked = false;
  /** Its index in the list of those under way. */
  index = 0;
}

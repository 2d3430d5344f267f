// Knows one request while it is under way: the shadow that the front end keeps of its ring slot.

import type { AdapterManagement, Command } from "@pvscsi/scsi";
import type { GrantReference } from "@pvscsi/xen";
import type { DescriptorList } from "./segments.js";

/** Its index among the shadows is its rqid on the ring. */
export class Shadow {
  readonly rqid: number;
  busy = false;
  /** Which of its ring's requests it is, counted from 0. */
  number = 0;
  command: Command | null = null;
  management: AdapterManagement | null = null;
  /** Where its descriptors are when they are not in its slot. */
  list: DescriptorList | null = null;
  /** Grants given for it: data first, then its list's. */
  readonly grants: GrantReference[] = [];
  grantCount = 0;

  constructor(rqid: number) {
    this.rqid = rqid;
  }
}

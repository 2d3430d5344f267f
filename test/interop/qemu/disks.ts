// Knows what is asked of whatever serves a guest's disks over virtio-scsi. Knows none of them.

import type { SuiteContext } from "../suite.js";

/** Where a disk is on its controller. */
export interface Place {
  readonly target: number;
  readonly lun: number;
}

export interface Disk extends Place {
  /** What keeps its bytes; without, whatever the server likes best. */
  readonly file?: string;
  readonly mebibytes: number;
  readonly identity?: Identity;
}

/** What a disk says of itself in INQUIRY. */
export interface Identity {
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

/** One controller of one guest. It is there before the guest. */
export interface DiskServer {
  /** QEMU's words for the controller. */
  readonly words: readonly string[];
  attach(disk: Disk): Promise<void>;
  detach(place: Place): Promise<void>;
  resize(place: Place, mebibytes: number): Promise<void>;
  /** What it has open, a line each without numbers of its own; where the server is a process of ours. */
  open?(): Promise<readonly string[]>;
  /** Ends after the guest; rejects when it does not end in order. Gives what it has said. */
  close(): Promise<string>;
}

/** An implementation. */
export interface DiskServerKind {
  /** For a person. */
  readonly name: string;
  /** Whether one that served a guest serves the next one. */
  readonly outlivesGuest: boolean;
  /** Questions to sg3_utils that it is known not to answer well. */
  readonly lacks: readonly string[];
  /** Tests of libiscsi's suite that are known to fail, and why. */
  readonly failing: ReadonlyMap<string, string>;
  start(context: SuiteContext, disks: readonly Disk[], queues: number): Promise<DiskServer>;
}

/** As tools write it. */
export function textOf({ target, lun }: Place): string {
  return `${target}:${lun}`;
}

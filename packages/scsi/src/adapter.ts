// Knows the initiator's seam: a host adapter that takes commands for channel:target:lun. Every front end, whichever
// wire it drives, is one; the guest above it does not know which.

import { Places } from "@pvscsi/wire";
import { type DataDirection, MAX_CDB, MAX_SENSE, Status, type TaskAttribute } from "./task.js";

/** What became of the command on its way: Linux' host byte, and vscsiif's (xen/io/vscsiif.h, XEN_VSCSIIF_RSLT_HOST). */
export const HostByte = {
  ok: 0,
  noConnect: 1,
  busBusy: 2,
  timeOut: 3,
  badTarget: 4,
  abort: 5,
  parity: 6,
  error: 7,
  reset: 8,
  badInterrupt: 9,
  passThrough: 10,
  softError: 11,
  immediateRetry: 12,
  requeue: 13,
  transportDisrupted: 14,
  transportFailFast: 15,
  targetFailure: 16,
  nexusFailure: 17,
  allocationFailure: 18,
  mediumError: 19,
  transportMarginal: 20,
} as const;

/** Where a device sits behind an adapter. */
export interface Address {
  readonly channel: number;
  readonly target: number;
  readonly lun: number;
}

/** One command of an initiator, as a pooled record; `completed` runs exactly once for each `queue`. */
export class Command implements Address {
  pooled = true;
  channel = 0;
  target = 0;
  lun = 0;
  readonly cdb = new Uint8Array(MAX_CDB);
  cdbLength = 0;
  /** SIMPLE by an adapter whose wire has no word for it. */
  attribute: TaskAttribute = "simple";
  direction: DataDirection = "none";
  /** Pieces of pages that came from the same adapter's `allocate`. */
  readonly data = new Places();
  /** Milliseconds the submitter will wait; the submitter keeps the time, an adapter only passes it on. */
  timeout = 0;

  hostByte: number = HostByte.ok;
  status: number = Status.good;
  readonly sense = new Uint8Array(MAX_SENSE);
  senseLength = 0;
  /** Bytes of `data` that were not moved. */
  residual = 0;
  /** Bytes that it would have moved besides, where the wire tells that; 0 where it does not, or there are none. */
  overflow = 0;

  completed: (command: Command) => void = () => {};
  /** The submitter's own record for this command. */
  context: unknown = null;
}

/** A task management request of an initiator, as a record; `completed` runs exactly once. */
export class AdapterManagement implements Address {
  function: "abort" | "device-reset" = "abort";
  channel = 0;
  target = 0;
  lun = 0;
  /** For "abort": the command, queued at the same adapter and not yet completed. */
  victim: Command | null = null;
  /** Whether the other side said that the function is complete. */
  succeeded = false;
  completed: (management: AdapterManagement) => void = () => {};
}

export interface AdapterLimits {
  /** Commands that may be under way at once; what is queued above that waits inside the adapter. */
  readonly queueDepth: number;
  /** Bytes one command may move. */
  readonly maxTransfer: number;
  /** Pieces one command's data may have after cutting at page edges. */
  readonly maxSegments: number;
  readonly maxCdb: number;
  /** Highest addresses plus one. */
  readonly channels: number;
  readonly targets: number;
  readonly luns: number;
}

/** What an adapter tells the operating system above it. */
export type AdapterEvent =
  | { readonly kind: "device-added"; readonly address: Address }
  | { readonly kind: "device-removed"; readonly address: Address }
  /** The device is there still, and is another size or has other parameters. */
  | { readonly kind: "device-changed"; readonly address: Address }
  /** Some devices of a target may have come or gone: its logical unit 0 is named. */
  | { readonly kind: "target-changed"; readonly address: Address }
  /** Any device may have come or gone. */
  | { readonly kind: "bus-changed" }
  | { readonly kind: "closed"; readonly reason: string };

/** Hears an event and says whether it could do what follows from it, e.g. attach the device. */
export type AdapterListener = (event: AdapterEvent) => Promise<boolean>;

export interface HostAdapter {
  /** What Linux prints behind `scsi hostN:`. */
  readonly name: string;
  /** The driver's name, as in /sys/class/scsi_host/hostN/proc_name. */
  readonly driver: string;
  readonly limits: AdapterLimits;
  /** Pages of 4096 bytes that commands may point into. Throws RangeError, and allocates none, when there are not so many. */
  allocate(pages: number): Uint8Array[];
  free(pages: readonly Uint8Array[]): void;
  /** Takes a command; it completes exactly once, perhaps before this returns. */
  queue(command: Command): void;
  manage(management: AdapterManagement): void;
  /** Sets who hears events, in order, one at a time. Set once, before the first device can appear. */
  listen(listener: AdapterListener): void;
  /** Ends every command under way with a host byte, and lets go of all it holds. */
  close(): Promise<void>;
}

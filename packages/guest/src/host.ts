// Knows one SCSI host of the guest: its adapter, its devices, and that it looks at one thing at a time.

import type { Address, HostAdapter } from "@pvscsi/scsi";
import type { Clock, Scheduler } from "@pvscsi/wire";
import type { ScsiDevice } from "./device.js";
import type { Disk } from "./disk.js";
import type { KernelLog } from "./kernel-log.js";
import { Recovery } from "./recovery.js";
import type { PageShortage } from "./request-pages.js";
import { RequestQueue } from "./request-queue.js";
import { type ScanSite, scanLun, scanTarget } from "./scan.js";

export interface HostSetting {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: KernelLog;
  readonly shortage: PageShortage;
  /** Gives a new device its names and its drivers. */
  readonly found: (host: ScsiHost, device: ScsiDevice) => Promise<void>;
}

/** Which addresses a scan looks at; what is absent is all of them. */
export interface ScanRange {
  readonly channel?: number | undefined;
  readonly target?: number | undefined;
  readonly lun?: number | undefined;
}

export class ScsiHost implements ScanSite {
  readonly hostNumber: number;
  readonly adapter: HostAdapter;
  readonly queue: RequestQueue;
  readonly log: KernelLog;
  /** In the order they were found. */
  readonly devices: ScsiDevice[] = [];
  readonly disks = new Map<ScsiDevice, Disk>();
  readonly #found: HostSetting["found"];
  #last: Promise<unknown> = Promise.resolve();

  constructor(hostNumber: number, adapter: HostAdapter, { clock, scheduler, log, shortage, found }: HostSetting) {
    this.hostNumber = hostNumber;
    this.adapter = adapter;
    this.log = log;
    this.queue = new RequestQueue(adapter, clock, scheduler, shortage);
    this.queue.handler = new Recovery(this.queue, clock);
    this.#found = found;
  }

  find(address: Address): ScsiDevice | undefined {
    return this.devices.find((device) => device.at(address));
  }

  async found(device: ScsiDevice): Promise<void> {
    device.state = "running";
    this.devices.push(device);
    await this.#found(this, device);
  }

  /** Runs jobs that look for devices or part from them one after the other (Linux's scan_mutex). */
  inTurn<Result>(job: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Looks for one device; true when it is there. */
  addDevice(address: Address): Promise<boolean> {
    return this.inTurn(async () => (await scanLun(this, address)) === "present");
  }

  /** As `echo "CHANNEL TARGET LUN" > scan` does. */
  scan({ channel, target, lun }: ScanRange): Promise<void> {
    const { channels, targets } = this.adapter.limits;
    return this.inTurn(async () => {
      for (const c of range(channel, channels)) {
        for (const t of range(target, targets)) {
          if (lun === undefined) await scanTarget(this, c, t);
          else await scanLun(this, { channel: c, target: t, lun });
        }
      }
    });
  }
}

/** The one number that was asked for, where it is below `end`, or all of them. */
function range(one: number | undefined, end: number): number[] {
  if (one !== undefined) return one < end ? [one] : [];
  return Array.from({ length: end }, (_, index) => index);
}

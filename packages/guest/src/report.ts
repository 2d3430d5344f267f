// Knows Linux's lines about unit attentions, failed commands and failed block requests. Decides nothing.

import { type Command, type DecodedSense, HostByte, SenseKey, Status } from "@pvscsi/scsi";
import type { Clock } from "@pvscsi/wire";
import type { BlockStatus } from "./block-status.js";
import type { ScsiDevice } from "./device.js";
import { senseOf } from "./disposition.js";
import type { KernelLog } from "./kernel-log.js";
import { additionalSenseLine, cdbText, hostByteName, senseKeyLine } from "./linux-words.js";
import type { Request } from "./request.js";

/** What Linux prints for unit attentions, by ASC and ASCQ, or by ASC alone. */
const ATTENTIONS = new Map<number, string>([
  [0x3f03, "Inquiry data has changed"],
  [
    0x3f0e,
    "LUN assignments on this target have changed. The Linux SCSI layer does not automatically remap LUN assignments.",
  ],
  [
    0x3f,
    "Operating parameters on this target have changed. The Linux SCSI layer does not automatically adjust these parameters.",
  ],
  [0x3807, "Warning! Received an indication that the LUN reached a thin provisioning soft threshold."],
  [0x29, "Power-on or device reset occurred"],
  [0x2a01, "Mode parameters changed"],
  [0x2a06, "Asymmetric access state changed"],
  [0x2a09, "Capacity data has changed"],
  [0x2a, "Parameters changed"],
]);

/** Says what a unit attention or a reservation conflict was about; tells the device of attentions. Mostly nothing. */
export function printAnswer(device: ScsiDevice, command: Command): void {
  if (command.hostByte !== HostByte.ok || command.status === Status.good) return;
  if (command.status === Status.reservationConflict) device.print("reservation conflict");
  const sense = senseOf(command);
  // What is deferred is about an earlier command: Linux tries again before it looks further.
  if (sense === null || sense.deferred || sense.key !== SenseKey.unitAttention) return;
  const text = ATTENTIONS.get((sense.asc << 8) | sense.ascq) ?? ATTENTIONS.get(sense.asc);
  if (text !== undefined) device.print(text);
  device.attention?.(sense);
}

export function printTooOld({ device, owner, tag }: Request, milliseconds: number): void {
  device?.print(`[${owner?.name}] tag#${tag} timing out command, waited ${Math.floor(milliseconds / 1000)}s`);
}

/** Linux's printk_ratelimited: ten times in five seconds, and then a count of what was left out. */
class RateLimit {
  readonly #log: KernelLog;
  readonly #clock: Clock;
  readonly #caller: string;
  #begun = Number.NEGATIVE_INFINITY;
  #printed = 0;
  #missed = 0;

  constructor(log: KernelLog, clock: Clock, caller: string) {
    this.#log = log;
    this.#clock = clock;
    this.#caller = caller;
  }

  allows(): boolean {
    const now = this.#clock.now();
    if (now - this.#begun >= 5000) {
      if (this.#missed > 0) this.#log.print(`${this.#caller}: ${this.#missed} callbacks suppressed`);
      this.#begun = now;
      this.#printed = 0;
      this.#missed = 0;
    }
    if (this.#printed === 10) {
      this.#missed += 1;
      return false;
    }
    this.#printed += 1;
    return true;
  }
}

/** The lines of one guest about what failed; bursts are cut short as Linux does. */
export class FailureReport {
  readonly #log: KernelLog;
  readonly #clock: Clock;
  readonly #commands: RateLimit;
  readonly #requests: RateLimit;

  constructor(log: KernelLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#commands = new RateLimit(log, clock, "scsi_io_completion_action");
    this.#requests = new RateLimit(log, clock, "blk_print_req_error");
  }

  /** `[sda] tag#12 FAILED Result: ...`, its sense data and its CDB. */
  command(disk: string, request: Request): void {
    const { device, command, tag } = request;
    if (device === null || !this.#commands.allows()) return;
    const head = `[${disk}] tag#${tag}`;
    const age = Math.floor((this.#clock.now() - request.begun) / 1000);
    const host = hostByteName(command.hostByte);
    device.print(`${head} FAILED Result: hostbyte=${host} driverbyte=DRIVER_OK cmd_age=${age}s`);
    const sense = senseOf(command);
    if (sense !== null) this.#printSenseLines(device, head, sense);
    device.print(`${head} CDB: ${cdbText(command.cdb.subarray(0, command.cdbLength))}`);
  }

  /** The sense data of a command that succeeded all the same. */
  recovered(disk: string, request: Request): void {
    const sense = senseOf(request.command);
    if (sense !== null && request.device !== null) {
      this.#printSenseLines(request.device, `[${disk}] tag#${request.tag}`, sense);
    }
  }

  #printSenseLines(device: ScsiDevice, head: string, sense: DecodedSense): void {
    device.print(`${head} ${senseKeyLine(sense)}`);
    device.print(`${head} ${additionalSenseLine(sense)}`);
  }

  /** `critical medium error, dev sda, sector 1000 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2`. */
  block(status: BlockStatus, disk: string, sector: number, operation: string, segments: number): void {
    if (!this.#requests.allows()) return;
    this.#log.print(
      `${status.words} error, dev ${disk}, sector ${sector} op ${operation} phys_seg ${segments} prio class 2`,
    );
  }
}

// Knows one SCSI device as the operating system keeps it: address, what INQUIRY said, state. Knows no command.

import type { Address, DecodedSense } from "@pvscsi/scsi";
import type { KernelLog } from "./kernel-log.js";

/** The first 36 bytes of standard INQUIRY data (SPC-4 6.6.2), and all of it. */
export interface InquiryData {
  readonly qualifier: number;
  readonly type: number;
  readonly removable: boolean;
  /** The VERSION field: 5 is SPC-3. */
  readonly version: number;
  readonly responseFormat: number;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

/** "created": being probed; "removed": takes no command any more. */
export type DeviceState = "created" | "running" | "offline" | "removed";

export class ScsiDevice implements Address {
  readonly hostNumber: number;
  readonly channel: number;
  readonly target: number;
  readonly lun: number;
  readonly #log: KernelLog;
  state: DeviceState = "created";
  inquiry: InquiryData | null = null;
  /** Vital product data pages that were read when it was found, by page code. */
  readonly pages = new Map<number, Uint8Array>();
  /** The driver bound to it; it stands before the address in the log. */
  driver: "scsi" | "sd" | "st" | "sr" | "ch" | "ses" = "scsi";
  /** The node that its driver has below /dev, `sda`, `st0`, `sr0` or `sch0`; null before there is one. */
  node: string | null = null;
  /** Other names below /dev that the same driver gives it, such as `nst0`. */
  aliases: readonly string[] = [];
  /** N of /dev/sgN; null before there is one. */
  generic: number | null = null;
  /** Hears of unit attentions that commands brought home. */
  attention: ((sense: DecodedSense) => void) | null = null;
  /** It was said once that I/O is refused. */
  #refusalPrinted = false;

  constructor(hostNumber: number, address: Address, log: KernelLog) {
    this.hostNumber = hostNumber;
    this.channel = address.channel;
    this.target = address.target;
    this.lun = address.lun;
    this.#log = log;
  }

  /** `0:0:0:0`. */
  get name(): string {
    return `${this.hostNumber}:${this.channel}:${this.target}:${this.lun}`;
  }

  at({ channel, target, lun }: Address): boolean {
    return this.channel === channel && this.target === target && this.lun === lun;
  }

  /** Whether that is what it is called below /dev: `sg0`, or what its driver calls it. */
  isCalled(name: string): boolean {
    return this.node === name || this.aliases.includes(name) || (this.generic !== null && name === `sg${this.generic}`);
  }

  /** One line of the log: `sd 0:0:0:0: text`. */
  print(text: string): void {
    this.#log.print(`${this.driver} ${this.name}: ${text}`);
  }

  /** Says, the first time only, that an offline device takes no I/O. */
  printRefusal(): void {
    if (this.#refusalPrinted) return;
    this.#refusalPrinted = true;
    this.print("rejecting I/O to offline device");
  }
}

// Knows which disks of a guest are no SCSI devices: what they are called, how they come and go, and Linux' lines about
// that.

import { type BlockAdapter, diskLetters } from "@pvscsi/scsi";
import { never } from "@pvscsi/wire";
import { BlockRequest } from "./block-request.js";
import type { KernelLog } from "./kernel-log.js";
import { LowestFree } from "./naming.js";
import { PlainDisk } from "./plain-disk.js";
import type { FailureReport } from "./report.js";
import { sizeText } from "./size-text.js";

export class PlainDisks {
  readonly #log: KernelLog;
  readonly #report: FailureReport;
  readonly #numbers = new Map<string, LowestFree>();
  readonly #disks = new Map<PlainDisk, number>();

  constructor(log: KernelLog, report: FailureReport) {
    this.#log = log;
    this.#report = report;
  }

  find(name: string): PlainDisk | undefined {
    return [...this.#disks.keys()].find((disk) => disk.name === name);
  }

  attach(adapter: BlockAdapter): PlainDisk {
    const number = this.#numbersOf(adapter).take();
    const disk = new PlainDisk(`${adapter.letters}${diskLetters(number)}`, adapter, this.#report);
    this.#disks.set(disk, number);
    this.#printSize(disk, "");
    adapter.listen((event) => {
      switch (event.kind) {
        case "resized":
          disk.resized();
          return this.#printSize(disk, "new size: ");
        case "closed":
          return void this.#forget(disk);
        default:
          return never(event);
      }
    });
    return disk;
  }

  async detach(disk: PlainDisk): Promise<void> {
    if (!this.#disks.has(disk)) return;
    // The store's user may have gone without a flush.
    if (disk.parameters.writeCache) await flush(disk);
    await disk.stop();
    await disk.adapter.close();
  }

  /** Its name is free when nothing of it is under way. */
  async #forget(disk: PlainDisk): Promise<void> {
    const number = this.#disks.get(disk);
    if (number === undefined) return;
    this.#disks.delete(disk);
    await disk.stop();
    this.#numbersOf(disk.adapter).giveBack(number);
  }

  #numbersOf({ letters }: BlockAdapter): LowestFree {
    const numbers = this.#numbers.get(letters) ?? new LowestFree();
    this.#numbers.set(letters, numbers);
    return numbers;
  }

  /** As virtblk_update_capacity. */
  #printSize({ name, adapter, size, parameters: { blocks, blockSize } }: PlainDisk, change: string): void {
    const text = `${blocks} ${blockSize}-byte logical blocks (${sizeText(size, "decimal")}/${sizeText(size, "binary")})`;
    this.#log.print(`${adapter.driver} ${adapter.device}: [${name}] ${change}${text}`);
  }
}

function flush(disk: PlainDisk): Promise<void> {
  return new Promise((resolve) => {
    const request = new BlockRequest();
    request.operation = "flush";
    request.completed = () => resolve();
    disk.submit(request);
  });
}

// Random READs and WRITEs at one LUN, each checked against a model.

import { Command, type HostAdapter } from "@pvscsi/scsi";
import type { Random } from "@pvscsi/wire";

const BLOCK = 512;
const BLOCKS = 4096;
/** What a disk must hold to be worked on. */
export const WORKLOAD_BYTES = BLOCK * BLOCKS;

/** The ranges of commands under way are disjoint. The disk is all zeros at first. */
export class Workload {
  readonly model = new Uint8Array(BLOCK * BLOCKS);
  readonly #busy = new Uint8Array(BLOCKS);
  readonly problems: string[] = [];
  readonly hostBytes = new Map<number, number>();
  completed = 0;
  underWay = 0;

  constructor(
    readonly adapter: HostAdapter,
    readonly lun: number,
    readonly random: Random,
  ) {}

  /** Queues a command of random size and pieces, where no other is under way. */
  queue(): void {
    const { maxTransfer, maxSegments } = this.adapter.limits;
    const most = this.random.chance(0.3) ? Math.floor(maxTransfer / BLOCK) : 16;
    const blocks = 1 + this.random.below(Math.min(most, BLOCKS));
    const lba = this.random.below(BLOCKS - blocks + 1);
    if (this.#busy.subarray(lba, lba + blocks).some((busy) => busy !== 0)) return;
    this.#busy.fill(1, lba, lba + blocks);
    const write = this.random.chance(0.5);
    const command = new Command();
    const pages = this.#addPieces(command, blocks * BLOCK, maxSegments);
    command.lun = this.lun;
    command.cdb.set([write ? 0x2a : 0x28, 0, 0, 0, lba >> 8, lba & 0xff, 0, blocks >> 8, blocks & 0xff, 0]);
    command.cdbLength = 10;
    command.direction = write ? "to-device" : "from-device";
    if (this.random.chance(0.1)) command.direction = "bidirectional";
    const bytes = new Uint8Array(blocks * BLOCK);
    if (write) {
      for (let i = 0; i < bytes.length; i += 4) bytes.fill(this.random.below(256), i, i + 4);
      command.data.write(bytes);
    }
    this.underWay += 1;
    command.completed = () => this.#ended(command, { write, lba, blocks, bytes, pages });
    this.adapter.queue(command);
  }

  /** As many pieces as are needed, and sometimes more; they begin and end anywhere. */
  #addPieces(command: Command, length: number, most: number): Uint8Array[] {
    const pages: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const [page] = this.adapter.allocate(1);
      pages.push(page);
      const room = (most - command.data.count - 1) * 4096 >= left;
      const offset = room ? this.random.below(64) * 8 : 0;
      const size = Math.min(left, room ? 1 + this.random.below(4096 - offset) : 4096);
      command.data.add(
        page,
        offset,
        room && (most - command.data.count - 1) * 4096 < left - size ? Math.min(left, 4096 - offset) : size,
      );
      left = length - command.data.length;
    }
    return pages;
  }

  #ended(
    command: Command,
    done: { write: boolean; lba: number; blocks: number; bytes: Uint8Array; pages: Uint8Array[] },
  ): void {
    const { write, lba, blocks, bytes, pages } = done;
    this.underWay -= 1;
    this.completed += 1;
    this.hostBytes.set(command.hostByte, (this.hostBytes.get(command.hostByte) ?? 0) + 1);
    this.#busy.fill(0, lba, lba + blocks);
    const place = this.model.subarray(lba * BLOCK, (lba + blocks) * BLOCK);
    if (command.hostByte === 0 && command.status === 0 && command.residual === 0) {
      if (write) place.set(bytes);
      else {
        command.data.read(bytes);
        if (Buffer.compare(bytes, place) !== 0) this.problems.push(`READ ${lba}+${blocks} differs`);
      }
    } else if (command.hostByte === 0 && command.status !== 2) {
      this.problems.push(`status ${command.status}, residual ${command.residual}`);
    }
    this.adapter.free(pages);
  }
}

// Knows one virtio-blk request while it is under way: its private copy, and the store's request or task made of it.

import { StoreRequest, Task } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { BlockRange, BlockRequestHeader } from "../abi/block.js";
import { Chain } from "../chain.js";

/** A pooled record; the copies are what gets checked and used, whatever the driver writes meanwhile. */
export class BlockExchange {
  pooled = true;
  readonly chain = new Chain();
  readonly #bytes = new Uint8Array(BlockRequestHeader.size);
  readonly header = new BlockRequestHeader(this.#bytes);
  /** What is between header and status. */
  readonly data = new Places();
  readonly request = new StoreRequest();
  /** The request is the store's now. */
  atStore = false;
  /** Ranges of a DISCARD or WRITE_ZEROES; the next one, and how many there are. */
  readonly #ranges: Uint8Array;
  readonly range: InstanceType<typeof BlockRange>;
  next = 0;
  count = 0;
  /** Made when the first SCSI command comes. */
  #task: Task | null = null;
  /** Its index in the list of those under way. */
  index = 0;

  constructor(ranges: number) {
    this.#ranges = new Uint8Array(ranges * BlockRange.size);
    this.range = new BlockRange(this.#ranges);
    this.request.context = this;
  }

  get sector(): number {
    return this.header.sectorHigh * 2 ** 32 + this.header.sectorLow;
  }

  get task(): Task {
    this.#task ??= new Task();
    return this.#task;
  }

  /** Copies the header; there are enough bytes. */
  readHeader(): void {
    this.chain.readable.read(this.#bytes);
  }

  /** Copies the ranges that the data is; false when it is none, more than fit, or not whole ones. */
  readRanges(): boolean {
    const { length } = this.data;
    if (length === 0 || length > this.#ranges.length || length % BlockRange.size !== 0) return false;
    this.data.read(this.#ranges.subarray(0, length));
    this.count = length / BlockRange.size;
    this.next = 0;
    return true;
  }
}

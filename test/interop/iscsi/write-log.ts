// Knows what a disk may hold after it was killed: of each block, what was last acknowledged as durable, or anything that was
// sent after that. Every byte of a block is its pattern. Knows no program.

/** Bytes of a block. */
export const BLOCK = 4096;
const SECTOR = 512;

/** What was sent to one block, in order; the first is what it held before. */
interface History {
  readonly patterns: number[];
  /** Which of them was acknowledged, and which of them as durable. */
  acknowledged: number;
  durable: number;
}

export class WriteLog {
  /** Acknowledgements that made something durable. */
  promises = 0;
  readonly #first: number;
  readonly #blocks: History[];

  /** The blocks from number `first` on, as they are now. */
  constructor(first: number, bytes: Uint8Array) {
    this.#first = first;
    this.#blocks = Array.from({ length: bytes.length / BLOCK }, (_, block) => ({
      patterns: [bytes[block * BLOCK]],
      acknowledged: 0,
      durable: 0,
    }));
  }

  /** A pattern for a write of `count` blocks that is being sent, which none of them has had lately. */
  send(block: number, count: number, pattern: number): void {
    for (const { patterns } of this.#of(block, count)) patterns.push(pattern);
  }

  /** The last write to these blocks was acknowledged. */
  acknowledge(block: number, count: number, durable: boolean): void {
    for (const history of this.#of(block, count)) {
      history.acknowledged = history.patterns.length - 1;
      if (durable) history.durable = history.acknowledged;
    }
    if (durable) this.promises += 1;
  }

  /** A flush was acknowledged: all that was acknowledged before it began is durable. */
  flushed(): void {
    for (const history of this.#blocks) history.durable = history.acknowledged;
    this.promises += 1;
  }

  /** What is wrong with a whole disk's bytes, or null. */
  broken(disk: Uint8Array): string | null {
    for (const [index, { patterns, durable }] of this.#blocks.entries()) {
      const at = (this.#first + index) * BLOCK;
      for (let sector = at; sector < at + BLOCK; sector += SECTOR) {
        const bytes = disk.subarray(sector, sector + SECTOR);
        const found = patterns.lastIndexOf(bytes[0]);
        if (bytes.some((byte) => byte !== bytes[0]) || found < 0) return `byte ${sector} holds what was never sent`;
        if (found < durable) return `byte ${sector} holds write ${found}, and ${durable} was acknowledged as durable`;
      }
    }
    return null;
  }

  #of(block: number, count: number): History[] {
    return this.#blocks.slice(block, block + count);
  }
}

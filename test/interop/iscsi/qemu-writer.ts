// Knows qemu-io as a writer that is told one command at a time and says of each when it was acknowledged.

import type { Random } from "@pvscsi/wire";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";
import { BLOCK, WriteLog } from "./write-log.js";

const MOST_BLOCKS = 8;
/** Patterns go round; 0 is what a new file holds. */
const PATTERNS = 251;

export interface WriterWishes {
  readonly url: string;
  /** The blocks it has for itself. */
  readonly first: number;
  /** What they hold now. */
  readonly bytes: Uint8Array;
  /** Whether each write is durable when it is acknowledged: the disk says that it has no cache. */
  readonly writeThrough: boolean;
}

export class QemuWriter {
  readonly log: WriteLog;
  readonly #child: Child;
  readonly #random: Random;
  readonly #wishes: WriterWishes;
  #pattern: number;

  constructor(context: SuiteContext, wishes: WriterWishes, random: Random) {
    // Buffered, its output would come late, and of two commands that come together it would not notice the second.
    this.#child = context.start("stdbuf", "-i0", "-oL", "qemu-io", "-f", "raw", wishes.url);
    this.#wishes = wishes;
    this.#random = random;
    this.#pattern = random.below(PATTERNS);
    this.log = new WriteLog(wishes.first, wishes.bytes);
  }

  /** Writes, with FUA and without, and flushes, until it is ended; `heard` is told of each acknowledgement. */
  async run(heard: () => void): Promise<void> {
    const { writeThrough } = this.#wishes;
    for (;;) {
      const turn = this.#random.below(4);
      const answered = turn === 0 ? await this.#flush() : await this.#write(turn === 1, writeThrough);
      if (!answered) return;
      heard();
    }
  }

  /** Ends it at once: a libiscsi that lives on would come again, and its flush would be another server's. */
  async kill(): Promise<void> {
    process.kill(this.#child.pid, "SIGKILL");
    await this.#child.finished;
  }

  async #write(fua: boolean, writeThrough: boolean): Promise<boolean> {
    const { first, bytes } = this.#wishes;
    const count = 1 + this.#random.below(MOST_BLOCKS);
    const block = this.#random.below(bytes.length / BLOCK - count + 1);
    this.#pattern = (this.#pattern + 1) % PATTERNS;
    const pattern = 1 + this.#pattern;
    this.log.send(block, count, pattern);
    const words = `write ${fua ? "-f " : ""}-P ${pattern} ${(first + block) * BLOCK} ${count * BLOCK}`;
    if (!(await this.#said(words, new RegExp(`wrote ${count * BLOCK}/${count * BLOCK} bytes`)))) return false;
    this.log.acknowledge(block, count, fua || writeThrough);
    return true;
  }

  /** A flush says nothing; what is asked behind it is answered when it was. */
  async #flush(): Promise<boolean> {
    this.#child.tell("flush");
    if (!(await this.#said("length", /^(qemu-io> )*\d+ MiB$/))) return false;
    this.log.flushed();
    return true;
  }

  async #said(words: string, expected: RegExp): Promise<boolean> {
    this.#child.tell(words);
    try {
      for (;;) {
        const line = await this.#child.readLine();
        if (/fail|error/i.test(line)) return false;
        if (expected.test(line)) return true;
      }
    } catch {
      return false;
    }
  }
}

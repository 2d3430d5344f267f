// Knows holes in files: fallocate(2), which makes them, and lseek(2), which finds them. Neither is Node's.

import type { Called, Calls, LaterCall } from "./calls.js";

const KEEP_SIZE = 0x01;
const PUNCH_HOLE = 0x02;
const SEEK = { data: 3, hole: 4 } as const;
/** Calls under way at a time: koffi has threads for some more, and refuses others. */
const MOST = 16;

interface Waiting {
  readonly call: LaterCall;
  readonly words: readonly unknown[];
  readonly done: Called;
}

/** All in threads of their own, as a file system may wait for its medium; `done` never runs before a method returns. */
export class FileHoles {
  readonly #fallocate: LaterCall;
  readonly #lseek: LaterCall;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(calls: Calls) {
    this.#fallocate = calls.later("fallocate", "int fallocate(int fd, int mode, int64_t offset, int64_t length)");
    this.#lseek = calls.later("lseek", "int64_t lseek(int fd, int64_t offset, int whence)");
  }

  /** Gives `length` bytes back; they read as zeros, and the file is as long as it was. `done` hears SystemCallError. */
  punch(descriptor: number, offset: number, length: number, done: (error: Error | null) => void): void {
    this.#call({ call: this.#fallocate, words: [descriptor, KEEP_SIZE | PUNCH_HOLE, offset, length], done });
  }

  /**
   * Finds the first byte from `offset` on that is data, or that is in a hole, as the end of the file is. ENXIO: there is no
   * data behind it. The position of the descriptor is another one then.
   */
  seek(descriptor: number, offset: number, wanted: "data" | "hole", done: Called): void {
    this.#call({ call: this.#lseek, words: [descriptor, offset, SEEK[wanted]], done });
  }

  #call(waiting: Waiting): void {
    if (this.#underWay === MOST) this.#waiting.push(waiting);
    else this.#begin(waiting);
  }

  #begin({ call, words, done }: Waiting): void {
    this.#underWay += 1;
    call(words, (error, result) => {
      this.#underWay -= 1;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#begin(next);
      done(error, result);
    });
  }
}

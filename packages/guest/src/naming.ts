// Knows which numbers an operating system gives away: the lowest that is free. Knows nothing of devices.

/** Numbers from 0 on; the lowest free one is given out next, so a number given back comes again first. */
export class LowestFree {
  readonly #taken: boolean[] = [];

  take(): number {
    const free = this.#taken.indexOf(false);
    const number = free === -1 ? this.#taken.length : free;
    this.#taken[number] = true;
    return number;
  }

  giveBack(number: number): void {
    this.#taken[number] = false;
  }
}

// Knows which numbers and names an operating system gives away: the lowest that is free. Knows nothing of devices.

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

const LETTERS = 26;

/** The name of disk `index`: sda to sdz, sdaa to sdzz, sdaaa and so on; there is no letter for zero. */
export function diskName(index: number): string {
  let letters = "";
  for (let left = index; left >= 0; left = Math.floor(left / LETTERS) - 1) {
    letters = String.fromCharCode(97 + (left % LETTERS)) + letters;
  }
  return `sd${letters}`;
}

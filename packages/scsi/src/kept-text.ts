// Knows the form of the texts that outlive a loss of power: a title, lines, and a last one without which the text is torn. Knows
// nothing of what the lines say.

import { StoreError } from "./store.js";

const END = "end";
/** Characters of a wrong line that are shown. */
const SHOWN = 80;

export function writeKeptText(title: string, lines: readonly string[]): string {
  return [title, ...lines, END, ""].join("\n");
}

/** A text that stands where one with that title was kept. Its lines are counted from the title's, which is 0. */
export class KeptText {
  readonly lines: readonly string[];

  /** Throws `StoreError` for another title. */
  constructor(text: string, title: string) {
    this.lines = text.split("\n");
    if (this.lines[0] !== title) this.fail(0, `"${title}"`);
  }

  /** Throws `StoreError` where line 1 names another unit than this. */
  checkUnit(unit: string): void {
    if (this.lines[1] !== `unit ${unit}`) this.fail(1, `"unit ${unit}"`);
  }

  /** The number of the last line, before which there are `head` lines at least. Throws `StoreError` where the text is torn. */
  end(head: number): number {
    const last = this.lines.length - 2;
    if (this.lines[last] === END && this.lines[last + 1] === "") return last;
    return this.fail(Math.max(head, last), `"${END}" as the last line`);
  }

  /** Throws `StoreError` with a line and what was expected there. */
  fail(index: number, expected: string): never {
    const found = (this.lines[index] ?? "").slice(0, SHOWN);
    throw new StoreError("hardware", `line ${index + 1} is ${JSON.stringify(found)}, expected ${expected}`);
  }
}

// Knows where the records and filemarks of a partition are, and how they are kept as bytes: SIMH's magtape format, one file for each
// partition. A record is its length, its data, a byte of padding where that is odd, and its length again; a filemark is a length of zero.
// Knows no store and no command.

/** Bytes of a length, little endian. */
export const WORD = 4;
/** The longest record: its length has 24 bits. */
export const LONGEST_RECORD = 0xff_ffff;

/** Lengths that are none. */
export const Marker = { filemark: 0, endOfMedium: 0xffff_ffff, eraseGap: 0xffff_fffe } as const;
/** The bit of a length that says that the record was read with an error. */
export const BAD = 0x8000_0000;

/** Bytes that a record of `size` bytes takes, or a filemark, whose size is zero. */
export function strideOf(size: number): number {
  return size === 0 ? WORD : 2 * WORD + size + (size & 1);
}

export function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

export function getWord(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** Records of one size that lie behind one another, or filemarks, whose size is zero. */
export interface Run {
  /** The number of its first object: records and filemarks of a partition are counted together, from 0. */
  readonly object: number;
  /** The byte where that begins. */
  readonly offset: number;
  readonly size: number;
  /** They were read with an error by whoever wrote the file. */
  readonly bad: boolean;
  count: number;
  /** Filemarks before it. */
  readonly marks: number;
}

/** What is on a partition, in runs: a backup is a few of them, however long it is. */
export class Records {
  readonly #runs: Run[] = [];
  #end = 0;

  /** Records and filemarks. */
  get objects(): number {
    const last = this.#runs.at(-1);
    return last === undefined ? 0 : last.object + last.count;
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  get marks(): number {
    const last = this.#runs.at(-1);
    return last === undefined ? 0 : last.marks + marksOf(last);
  }

  /** The byte behind the last object, and behind a gap if one follows. */
  get end(): number {
    return this.#end;
  }

  /** Adds objects at the end. */
  append(size: number, count = 1, bad = false): void {
    const last = this.#runs.at(-1);
    const { objects: object, marks } = this;
    const offset = this.#end;
    const follows = last !== undefined && last.offset + last.count * strideOf(last.size) === offset;
    if (follows && last.size === size && last.bad === bad) last.count += count;
    else this.#runs.push({ object, offset, size, bad, count, marks });
    this.#end = offset + count * strideOf(size);
  }

  /** Leaves bytes free behind the last object. */
  gap(length: number): void {
    this.#end += length;
  }

  /** Forgets `object` and what is behind it. */
  cut(object: number): void {
    this.#end = this.offsetOf(object);
    while (this.#runs.length > 0 && (this.#runs.at(-1) as Run).object >= object) this.#runs.pop();
    const last = this.#runs.at(-1);
    if (last !== undefined) last.count = Math.min(last.count, object - last.object);
  }

  /** The run that an object is in; undefined at the end of data. */
  runOf(object: number): Run | undefined {
    const run = this.#runs[this.#search((row) => row.object > object) - 1];
    return run !== undefined && object < run.object + run.count ? run : undefined;
  }

  /** The byte where an object begins, or would. */
  offsetOf(object: number): number {
    const run = this.runOf(object);
    return run === undefined ? this.#end : run.offset + (object - run.object) * strideOf(run.size);
  }

  /** Filemarks before an object. */
  marksBefore(object: number): number {
    const run = this.runOf(object);
    if (run === undefined) return this.marks;
    return run.marks + (run.size === 0 ? object - run.object : 0);
  }

  /** The object that filemark number `mark` is, from 0; undefined where there are fewer. */
  objectOfMark(mark: number): number | undefined {
    if (mark < 0 || mark >= this.marks) return undefined;
    const run = this.#runs[this.#search((row) => row.marks + marksOf(row) > mark)];
    return run.object + mark - run.marks;
  }

  /** The first run for which `beyond` holds; it holds for all that follow. */
  #search(beyond: (run: Run) => boolean): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (beyond(this.#runs[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function marksOf({ size, count }: Run): number {
  return size === 0 ? count : 0;
}

// Knows how to give this process disk caches that a power cut empties: what it writes to a file X.img reaches X.img.medium only
// when it was durable, by an fdatasync that began after the write had ended, or by a descriptor that is O_DSYNC.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

type AnyCall = (...args: unknown[]) => void;
type Callback = (error: Error | null, ...results: unknown[]) => void;

interface Written {
  readonly bytes: Uint8Array;
  readonly position: number;
}

export interface VolatileFileOptions {
  /** Its fdatasync does nothing, and says that it has: what a test of durability has to notice. */
  readonly lying?: boolean;
}

/** What a power cut would leave of a disk's file. */
export function mediumOf(path: string): string {
  return `${path}.medium`;
}

/** From now on, for all files that are called `.img`. */
export function makeFilesVolatile({ lying = false }: VolatileFileOptions = {}): void {
  const caches = new Map<number, FileCache | null>();
  const cacheOf = (descriptor: number): FileCache | null => {
    const found = caches.get(descriptor) ?? FileCache.of(descriptor);
    caches.set(descriptor, found);
    return found;
  };
  const after = (name: "write" | "writev" | "fdatasync", prepare: (...args: unknown[]) => () => void): void => {
    const call = fs[name] as unknown as AnyCall;
    const replaced: AnyCall = (...args) => {
      const callback = args.pop() as Callback;
      const ended = prepare(...args);
      call(...args, (error: Error | null, ...results: unknown[]) => {
        if (error === null) ended();
        callback(error, ...results);
      });
    };
    Object.assign(fs, { [name]: replaced });
  };
  after("write", (descriptor, bytes, offset, length, position) => {
    const copy = (bytes as Uint8Array).slice(offset as number, (offset as number) + (length as number));
    return () => cacheOf(descriptor as number)?.written({ bytes: copy, position: position as number });
  });
  after("writev", (descriptor, views, position) => {
    const bytes = Buffer.concat(views as Uint8Array[]);
    return () => cacheOf(descriptor as number)?.written({ bytes, position: position as number });
  });
  after("fdatasync", (descriptor) => {
    const cache = lying ? null : cacheOf(descriptor as number);
    const covered = cache?.take() ?? [];
    return () => cache?.keep(covered);
  });
  syncBuiltinESMExports();
}

class FileCache {
  readonly #medium: number;
  readonly #synchronous: boolean;
  #written: Written[] = [];

  /** A medium begins as a copy of what there is. */
  private constructor(path: string, synchronous: boolean) {
    const medium = mediumOf(path);
    if (!fs.existsSync(medium)) fs.copyFileSync(path, medium);
    this.#medium = fs.openSync(medium, "r+");
    this.#synchronous = synchronous;
  }

  /** Null for what is no disk. */
  static of(descriptor: number): FileCache | null {
    const path = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
    if (!path.endsWith(".img")) return null;
    const flags = /^flags:\s+([0-7]+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, "ascii"));
    return new FileCache(path, (Number.parseInt(flags?.[1] ?? "0", 8) & fs.constants.O_DSYNC) !== 0);
  }

  written(written: Written): void {
    if (this.#synchronous) this.keep([written]);
    else this.#written.push(written);
  }

  /** What an fdatasync covers that begins now. */
  take(): readonly Written[] {
    const covered = this.#written;
    this.#written = [];
    return covered;
  }

  keep(covered: readonly Written[]): void {
    for (const { bytes, position } of covered) fs.writeSync(this.#medium, bytes, 0, bytes.length, position);
  }
}

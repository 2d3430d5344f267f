// Knows how changes in xenstore are printed as they happen, as Xen's xenstore-watch does. Knows no words of a verb.

import type { XenstoreClient } from "@pvscsi/xen";

export interface WatchOptions {
  /** Events after which it ends. */
  readonly count: number;
  readonly print: (path: string) => void;
  /** Ends it earlier. */
  readonly signal: AbortSignal;
}

/**
 * Prints the path of each event, beginning with the one that registering a watch brings, until `count` were printed or
 * it is aborted. Nothing is printed before all paths are watched, and no watch is left.
 */
export async function watchPaths(
  store: XenstoreClient,
  paths: readonly string[],
  { count, print, signal }: WatchOptions,
): Promise<void> {
  const events = new CountedEvents(count, print);
  const watches: (() => Promise<void>)[] = [];
  const stop = (): void => events.stop();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    for (const path of paths) watches.push(await store.watch(path, (changed) => events.heard(changed)));
    events.begin();
    await events.ended;
  } finally {
    signal.removeEventListener("abort", stop);
    await Promise.all(watches.map((end) => end()));
  }
}

/** Events that are kept until they may be printed, and counted then. */
class CountedEvents {
  readonly ended: Promise<void>;
  readonly #print: (path: string) => void;
  #left: number;
  #early: string[] | null = [];
  #end: () => void = () => {};

  constructor(count: number, print: (path: string) => void) {
    this.#left = count;
    this.#print = print;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  heard(path: string): void {
    if (this.#early !== null) {
      this.#early.push(path);
      return;
    }
    if (this.#left === 0) return;
    this.#left -= 1;
    this.#print(path);
    if (this.#left === 0) this.#end();
  }

  begin(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const path of early) this.heard(path);
  }

  stop(): void {
    this.#left = 0;
    this.#end();
  }
}

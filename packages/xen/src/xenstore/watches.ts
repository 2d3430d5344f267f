// Knows who watches what, and in which order watches are told of a change. Knows no nodes and no rights.

import type { Cause } from "./outstanding.js";
import { parentOf } from "./paths.js";
import type { Asker } from "./permissions.js";

/** Who holds watches. */
export interface Watcher extends Asker {
  /** Counts up with each connection: earlier ones are told first. */
  readonly number: number;
  /** `cause` is the request that is outstanding until this event has left, if one is. */
  event(path: string, token: string, cause: Cause | null): void;
}

export interface Watch {
  readonly watcher: Watcher;
  /** The absolute path, or an @ name. */
  readonly path: string;
  readonly token: string;
  /** Characters to take off the front of an event's path: the home of a watcher that gave a relative path. */
  readonly strip: number;
  /** Counts up with each watch. */
  readonly number: number;
}

/** All watches of all connections. */
export class WatchTable {
  readonly #byPath = new Map<string, Watch[]>();
  readonly #byWatcher = new Map<Watcher, Watch[]>();
  #number = 0;

  find(watcher: Watcher, path: string, token: string): Watch | null {
    return this.#byPath.get(path)?.find((watch) => watch.watcher === watcher && watch.token === token) ?? null;
  }

  add(watcher: Watcher, path: string, token: string, strip: number): Watch {
    const watch = { watcher, path, token, strip, number: this.#number++ };
    addTo(this.#byPath, path, watch);
    addTo(this.#byWatcher, watcher, watch);
    return watch;
  }

  remove(watch: Watch): void {
    removeFrom(this.#byPath, watch.path, watch);
    removeFrom(this.#byWatcher, watch.watcher, watch);
  }

  removeAll(watcher: Watcher): void {
    for (const watch of [...(this.#byWatcher.get(watcher) ?? [])]) this.remove(watch);
  }

  /** How many watches `watcher` holds. */
  count(watcher: Watcher): number {
    return this.#byWatcher.get(watcher)?.length ?? 0;
  }

  /** Bytes that they take. */
  bytes(watcher: Watcher): number {
    let bytes = 0;
    for (const { path, token } of this.#byWatcher.get(watcher) ?? []) bytes += path.length + token.length;
    return bytes;
  }

  /**
   * Tells of a change of `path` all who watch it or, unless `exact`, a node above it, and whom `permits` lets know:
   * by connection, then by the watches' age; of equal events a connection gets one, as from 4.17. `permits` is asked once
   * a connection.
   */
  fire(path: string, exact: boolean, cause: Cause | null, permits: (watcher: Watcher) => boolean): void {
    const found = this.#concerned(path, exact);
    found.sort((a, b) => a.watcher.number - b.watcher.number || a.number - b.number);
    let asked: Watcher | null = null;
    let permitted = false;
    const told = new Set<string>();
    for (const watch of found) {
      if (watch.watcher !== asked) {
        asked = watch.watcher;
        permitted = permits(asked);
        told.clear();
      }
      const words = `${watch.strip}|${watch.token}`;
      if (!permitted || told.has(words)) continue;
      told.add(words);
      tell(watch, path, cause);
    }
  }

  #concerned(path: string, exact: boolean): Watch[] {
    const found = [...(this.#byPath.get(path) ?? [])];
    for (let at = path; !exact && at !== "/"; ) {
      at = parentOf(at);
      found.push(...(this.#byPath.get(at) ?? []));
    }
    return found;
  }
}

/** Sends one event; its path is relative if the watch was. */
export function tell({ watcher, token, strip }: Watch, path: string, cause: Cause | null): void {
  watcher.event(path.slice(strip), token, cause);
}

function addTo<Key>(lists: Map<Key, Watch[]>, key: Key, watch: Watch): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [watch]);
  else list.push(watch);
}

function removeFrom<Key>(lists: Map<Key, Watch[]>, key: Key, watch: Watch): void {
  const list = lists.get(key) ?? [];
  if (list.length > 1) list.splice(list.indexOf(watch), 1);
  else lists.delete(key);
}

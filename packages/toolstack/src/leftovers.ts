// Knows what is left of a controller whose guest is gone, and removes it: libxl, which ends guests on a Xen host, knows no
// vscsi. Knows no driver; one that still serves what is removed lets go of it by itself.

import {
  Coalesced,
  type DomainId,
  readState,
  XenbusState,
  type XenstoreAccess,
  type XenstoreClient,
  XenstoreError,
} from "@pvscsi/xen";
import { devicePaths, removeBackend, removeController } from "./device-nodes.js";
import { numbersIn } from "./inventory.js";

/** Fires when a domain is gone. Only dom0 hears it, unless it says otherwise; others see the back end's state change. */
const RELEASED = "@releaseDomain";
const DOM0 = 0;

export interface LeftoversOptions {
  readonly store: XenstoreClient;
  /** The domain whose back ends are looked after. */
  readonly backend: DomainId;
  /** Hears of each controller that was removed. */
  readonly removed: (guest: DomainId, devid: number) => void;
  /** Hears of what xenstored refused. */
  readonly failed: (error: unknown) => void;
}

export class Leftovers {
  readonly #options: LeftoversOptions;
  readonly #work: Coalesced;
  readonly #unwatch: (() => Promise<void>)[] = [];

  constructor(options: LeftoversOptions) {
    this.#options = options;
    this.#work = new Coalesced(() => this.#look(), options.failed);
  }

  get #root(): string {
    return `/local/domain/${this.#options.backend}/backend/vscsi`;
  }

  /** Removes what is left now, and from now on. */
  async start(): Promise<void> {
    for (const path of [this.#root, RELEASED]) {
      this.#unwatch.push(await this.#options.store.watch(path, () => this.#work.ask()));
    }
  }

  async close(): Promise<void> {
    for (const unwatch of this.#unwatch.splice(0)) await unwatch();
    await this.#work.idle();
  }

  async #look(): Promise<void> {
    const { store } = this.#options;
    for (const guest of numbersIn(await store.list(this.#root))) {
      for (const devid of numbersIn(await store.list(`${this.#root}/${guest}`))) await this.#remove(guest, devid);
    }
  }

  /** Decides and removes in one transaction: a controller of the next guest of that number is none of ours. */
  async #remove(guest: DomainId, devid: number): Promise<void> {
    const { store, backend, removed } = this.#options;
    const done = await store.transaction(async (transaction) => {
      if (!(await isLeft(transaction, guest, backend, devid))) return false;
      // A driver domain may change its own half only, and all else of the guest is gone with its home.
      if (backend === DOM0) await removeController(transaction, guest, backend, devid);
      else await removeBackend(transaction, guest, backend, devid);
      return true;
    });
    if (done) removed(guest, devid);
  }
}

/**
 * Its back end was at work, and its front end is not there, wherever that was said to be. What is still being written has no
 * state, or the first one.
 */
async function isLeft(store: XenstoreAccess, guest: DomainId, backend: DomainId, devid: number): Promise<boolean> {
  const paths = devicePaths(guest, backend, devid);
  const state = await readState(store, paths.backend);
  if (state === XenbusState.Unknown || state === XenbusState.Initialising) return false;
  return !(await isThere(store, (await store.read(`${paths.backend}/frontend`)) ?? paths.frontend));
}

/** A node that is gone is refused to who may not read the node above it. */
async function isThere(store: XenstoreAccess, path: string): Promise<boolean> {
  try {
    return (await store.read(path)) !== null;
  } catch (error) {
    if (error instanceof XenstoreError && error.errno === "EACCES") return false;
    throw error;
  }
}

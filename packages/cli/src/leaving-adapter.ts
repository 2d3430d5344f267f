// Knows how a front end that leaves of its own accord lets its back end go first. Linux' back end unmaps the ring of a front end
// that is Closing, and not of one that is Closed while its device stays (`online`).

import type { AdapterLimits, AdapterListener, AdapterManagement, Command, HostAdapter } from "@pvscsi/scsi";
import type { ScsifrontAdapter } from "@pvscsi/scsifront";
import { waitFor } from "@pvscsi/toolstack";
import type { Clock } from "@pvscsi/wire";
import { readState, writeState, XenbusState, type XenstoreClient } from "@pvscsi/xen";

/** Gone, or on its way: there is nothing to ask it for. */
const LEAVING: ReadonlySet<XenbusState> = new Set([XenbusState.Unknown, XenbusState.Closing, XenbusState.Closed]);

export interface LeavingPlace {
  readonly store: XenstoreClient;
  readonly clock: Clock;
}

/** An adapter whose device is Closing before it is closed, unless its back end was so first. */
export class LeavingAdapter implements HostAdapter {
  readonly name: string;
  readonly driver: string;
  readonly #adapter: ScsifrontAdapter;
  readonly #place: LeavingPlace;

  constructor(adapter: ScsifrontAdapter, place: LeavingPlace) {
    this.name = adapter.name;
    this.driver = adapter.driver;
    this.#adapter = adapter;
    this.#place = place;
  }

  get limits(): AdapterLimits {
    return this.#adapter.limits;
  }

  allocate(pages: number): Uint8Array[] {
    return this.#adapter.allocate(pages);
  }

  free(pages: readonly Uint8Array[]): void {
    this.#adapter.free(pages);
  }

  queue(command: Command): void {
    this.#adapter.queue(command);
  }

  manage(management: AdapterManagement): void {
    this.#adapter.manage(management);
  }

  listen(listener: AdapterListener): void {
    this.#adapter.listen(listener);
  }

  /** A back end that does not follow in time is left all the same. */
  async close(): Promise<void> {
    const { store, clock } = this.#place;
    const { path, backendPath, state } = this.#adapter;
    const isLeaving = async () => LEAVING.has(await readState(store, backendPath)) || null;
    // Where it has been removed, another device may have its nodes already.
    const leaves = state !== XenbusState.Closed && !(await isLeaving());
    if (leaves && (await writeState(store, path, XenbusState.Closing))) {
      await waitFor(store, clock, `${backendPath}/state`, isLeaving);
    }
    await this.#adapter.close();
  }
}

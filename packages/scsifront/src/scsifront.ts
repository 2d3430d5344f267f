// Knows which adapters there are: watches device/vscsi of its own domain and makes an adapter of each device.

import type { HostAdapter } from "@pvscsi/scsi";
import { Coalesced, parseXenbusState, XenbusState } from "@pvscsi/xen";
import { ScsifrontAdapter, type ScsifrontParts } from "./adapter.js";

const ROOT = "device/vscsi";
/** Parts of `device/vscsi/0/state`. */
const DEVICE_DEPTH = 4;

export interface ScsifrontOptions extends ScsifrontParts {
  /** Makes a SCSI host of a new adapter; sets its listener. */
  readonly attach: (adapter: HostAdapter) => void;
}

/** The running frontend driver of a domain, with an adapter for each controller it was given. */
export class Scsifront {
  readonly adapters = new Map<string, ScsifrontAdapter>();
  readonly #options: ScsifrontOptions;
  readonly #work: Coalesced;
  #unwatch: (() => Promise<void>) | null = null;
  #closed = false;

  constructor(options: ScsifrontOptions) {
    this.#options = options;
    this.#work = new Coalesced(
      () => this.#rescan(),
      (error) => {
        if (options.probes.listening) options.probes.emit("scsifront:message", { device: ROOT, text: `${error}` });
      },
    );
  }

  /** Begins to drive what is there and what will come. */
  async start(): Promise<void> {
    this.#unwatch = await this.#options.domain.store.watch(ROOT, (path) => {
      if (path.split("/").length <= DEVICE_DEPTH) this.#work.ask();
    });
  }

  /** Ends all adapters. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#unwatch?.();
    await this.#work.idle();
    for (const adapter of this.adapters.values()) await adapter.close();
    this.adapters.clear();
  }

  async #rescan(): Promise<void> {
    if (this.#closed) return;
    const { store } = this.#options.domain;
    const present = ((await store.list(ROOT)) ?? [])
      .filter((name) => /^\d+$/.test(name))
      .map((name) => `${ROOT}/${name}`);
    for (const [path, adapter] of this.adapters) {
      if (present.includes(path)) continue;
      this.adapters.delete(path);
      await adapter.close();
    }
    for (const path of present) {
      const fresh = parseXenbusState(await store.read(`${path}/state`)) === XenbusState.Initialising;
      const known = this.adapters.get(path);
      if (!fresh || (known !== undefined && known.state !== XenbusState.Closed)) continue;
      const adapter = new ScsifrontAdapter(path, this.#options);
      this.adapters.set(path, adapter);
      await adapter.probe(this.#options.attach);
    }
  }
}

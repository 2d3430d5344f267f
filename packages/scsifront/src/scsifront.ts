// Knows which adapters there are: watches device/vscsi of its own domain and makes an adapter of each device.

import { Coalesced, parseXenbusState, XenbusState } from "@pvscsi/xen";
import { type AdapterMessage, ScsifrontAdapter, type ScsifrontParts } from "./adapter.js";

const ROOT = "device/vscsi";
/** Parts of `device/vscsi/0/state`. */
const DEVICE_DEPTH = 4;
/** Milliseconds. */
const TURN = 5000;

export interface ScsifrontOptions extends ScsifrontParts {
  /** Makes a SCSI host of a new adapter; sets its listener. */
  readonly attach: (adapter: ScsifrontAdapter) => void;
  /** Whether it drives `device/vscsi/<id>`; all where absent. */
  readonly drives?: (id: number) => boolean;
}

/** The running frontend driver of a domain, with an adapter for each controller it was given. */
export class Scsifront {
  readonly adapters = new Map<string, ScsifrontAdapter>();
  readonly #options: ScsifrontOptions;
  readonly #work: Coalesced;
  readonly #leaving = new Set<Promise<void>>();
  #unwatch: (() => Promise<void>) | null = null;
  #closed = false;
  #endTurn: () => void = () => {};

  constructor(options: ScsifrontOptions) {
    this.#options = options;
    this.#work = new Coalesced(
      () => this.#rescan(),
      (error) => this.#say(ROOT, error),
    );
  }

  /** Begins to drive what is there and what will come. */
  async start(): Promise<void> {
    this.#unwatch = await this.#options.domain.store.watch(ROOT, (path) => {
      if (path.split("/").length <= DEVICE_DEPTH) this.#work.ask();
    });
  }

  /** Resolves when each device that is there has had its turn. */
  async idle(): Promise<void> {
    this.#work.ask();
    await this.#work.idle();
  }

  /** Ends all adapters. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#endTurn();
    await this.#unwatch?.();
    await this.#work.idle();
    const ended = [...this.adapters.values()].map((adapter) => adapter.close());
    this.adapters.clear();
    await Promise.all([...ended, ...this.#leaving]);
  }

  async #rescan(): Promise<void> {
    if (this.#closed) return;
    const { domain, drives = () => true } = this.#options;
    const { store } = domain;
    const names = ((await store.list(ROOT)) ?? []).filter((name) => /^\d+$/.test(name) && drives(Number(name)));
    const present = new Set(names.sort((a, b) => Number(a) - Number(b)).map((name) => `${ROOT}/${name}`));
    for (const path of this.adapters.keys()) if (!present.has(path)) this.#remove(path);
    for (const path of present) {
      if (parseXenbusState(await store.read(`${path}/state`)) !== XenbusState.Initialising) continue;
      // A device that is new, at the path of one that we know: that one was removed.
      this.#remove(path);
      await this.#probe(path);
    }
  }

  /** What goes wrong with one device must not keep the others from theirs. */
  async #probe(path: string): Promise<void> {
    const adapter = new ScsifrontAdapter(path, this.#options);
    this.adapters.set(path, adapter);
    try {
      await adapter.probe(this.#options.attach);
      await this.#turnOf(adapter);
    } catch (error) {
      this.#say(path, error);
    }
  }

  /**
   * The next adapter has its turn when this one's devices are there, as with Linux' one xenwatch thread: disks get their
   * names in the order of their controllers. A backend that takes its time holds up the others only so long.
   */
  async #turnOf(adapter: ScsifrontAdapter): Promise<void> {
    const { clock } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = clock.after(TURN, { run: resolve });
      this.#endTurn = () => {
        clock.cancel(timer);
        resolve();
      };
      void adapter.settled.then(this.#endTurn);
    });
  }

  /** Nobody waits for it but `close`: a backend may take its time. */
  #remove(path: string): void {
    const adapter = this.adapters.get(path);
    if (adapter === undefined) return;
    this.adapters.delete(path);
    const gone: Promise<void> = adapter
      .remove()
      .catch((error) => this.#say(path, error))
      .finally(() => this.#leaving.delete(gone));
    this.#leaving.add(gone);
  }

  #say(device: string, error: unknown): void {
    const { probes } = this.#options;
    if (probes.listening) probes.emit("scsifront:message", { device, text: `${error}` } satisfies AdapterMessage);
  }
}

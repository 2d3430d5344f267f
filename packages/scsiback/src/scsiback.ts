// Knows which controllers there are: watches backend/vscsi of its own domain and keeps a Controller for each.

import type { DeviceDirectory } from "@pvscsi/scsi";
import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import { type BackEndDomain, Coalesced, type DomainId, parseXenbusState, XenbusState } from "@pvscsi/xen";
import { Controller, type ControllerMessage, type ControllerParts } from "./controller.js";

const ROOT = "backend/vscsi";
/** Parts of `backend/vscsi/1/0/state`: changes further down are the controller's, not ours. */
const DEVICE_DEPTH = 5;
/** SG_ALL: what Linux' backend offers in feature-sg-grant. */
const DEFAULT_INDIRECT_LIMIT = 128;

interface Device {
  readonly frontend: DomainId;
  /** As its back end wrote it last. */
  readonly state: XenbusState;
}

export interface ScsibackOptions {
  readonly domain: BackEndDomain;
  readonly directory: DeviceDirectory;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Segments of an indirect request, as feature-sg-grant says; null offers no indirect requests. Linux' is 128. */
  readonly indirectLimit?: number | null;
  /**
   * Whether devices are taken over at the start that are connected already: their back end, this domain's only one, has died.
   * Absent where devices never outlive it.
   */
  readonly takesOver?: boolean;
}

/** States of a device whose ring is in use. */
const IN_USE: readonly XenbusState[] = [XenbusState.Connected, XenbusState.Reconfiguring, XenbusState.Reconfigured];

/** The running backend driver of a domain: any number of front ends, any number of controllers each. */
export class Scsiback {
  readonly controllers = new Map<string, Controller>();
  readonly #parts: ControllerParts;
  readonly #work: Coalesced;
  /** Controllers of devices that are gone, by path, while their commands end. */
  readonly #leaving = new Map<string, Promise<void>>();
  #unwatch: (() => Promise<void>) | null = null;
  #closed = false;
  #takesOver: boolean;

  constructor(options: ScsibackOptions) {
    this.#takesOver = options.takesOver ?? false;
    this.#parts = {
      ...options,
      indirectLimit: options.indirectLimit === undefined ? DEFAULT_INDIRECT_LIMIT : options.indirectLimit,
    };
    this.#work = new Coalesced(
      () => this.#rescan(),
      (error) => this.#say(ROOT, error),
    );
  }

  /** Begins to serve what is there and what will come. */
  async start(): Promise<void> {
    this.#unwatch = await this.#parts.domain.store.watch(ROOT, (path) => {
      if (path.split("/").length <= DEVICE_DEPTH) this.#work.ask();
    });
  }

  /** Ends when nothing is under way, mapped or bound any more; devices that are there are Closed then. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#unwatch?.();
    await this.#work.idle();
    for (const path of [...this.controllers.keys()]) this.#end(path, (controller) => controller.leave());
    await Promise.all(this.#leaving.values());
  }

  async #rescan(): Promise<void> {
    if (this.#closed) return;
    const present = await this.#devices();
    for (const path of [...this.controllers.keys()]) if (!present.has(path)) this.#remove(path);
    const takesOver = this.#takesOver;
    this.#takesOver = false;
    for (const [path, { frontend, state }] of present) {
      if (takesOver && IN_USE.includes(state)) await this.#begin(path, frontend, (controller) => controller.takeOver());
      // As in Linux, a driver takes devices in Initialising only: others are on their way out.
      if (state !== XenbusState.Initialising) continue;
      // A device that is new, at the path of one that we know: that one was removed.
      this.#remove(path);
      if (!this.#leaving.has(path)) await this.#begin(path, frontend, (controller) => controller.probe());
    }
  }

  /** What goes wrong with one device must not keep the others from theirs. */
  async #begin(path: string, frontend: DomainId, how: (controller: Controller) => Promise<void>): Promise<void> {
    const controller = new Controller(path, frontend, this.#parts);
    this.controllers.set(path, controller);
    try {
      await how(controller);
    } catch (error) {
      this.#say(path, error);
    }
  }

  #remove(path: string): void {
    this.#end(path, (controller) => controller.remove());
  }

  /** Nobody waits for it but `close`, and a new device at the same path: commands under way may take their time. */
  #end(path: string, how: (controller: Controller) => Promise<void>): void {
    const controller = this.controllers.get(path);
    if (controller === undefined) return;
    this.controllers.delete(path);
    const gone = how(controller)
      .catch((error) => this.#say(path, error))
      .finally(() => {
        this.#leaving.delete(path);
        this.#work.ask();
      });
    this.#leaving.set(path, gone);
  }

  #say(path: string, error: unknown): void {
    const { probes } = this.#parts;
    if (probes.listening) probes.emit("scsiback:message", { path, text: `${error}` } satisfies ControllerMessage);
  }

  /** The devices that have a state node, and whose names are numbers, by path. */
  async #devices(): Promise<Map<string, Device>> {
    const { store } = this.#parts.domain;
    const devices = new Map<string, Device>();
    for (const domain of (await store.list(ROOT)) ?? []) {
      if (!/^\d{1,5}$/.test(domain)) continue;
      for (const device of (await store.list(`${ROOT}/${domain}`)) ?? []) {
        const path = `${ROOT}/${domain}/${device}`;
        const state = await store.read(`${path}/state`);
        if (state === null) continue;
        devices.set(path, { frontend: Number(domain), state: parseXenbusState(state) });
      }
    }
    return devices;
  }
}

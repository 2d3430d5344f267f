// Knows which controllers there are: watches backend/vscsi of its own domain and keeps a Controller for each.

import type { DeviceDirectory } from "@pvscsi/scsi";
import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import { Coalesced, type Domain, type DomainId, parseXenbusState, XenbusState } from "@pvscsi/xen";
import { Controller, type ControllerParts, DEFAULT_INDIRECT_LIMIT } from "./controller.js";

const ROOT = "backend/vscsi";
/** Parts of `backend/vscsi/1/0/state`: changes further down are the controller's, not ours. */
const DEVICE_DEPTH = 5;

interface Device {
  readonly frontend: DomainId;
  /** In Initialising: nobody has probed it yet. */
  readonly fresh: boolean;
}

export interface ScsibackOptions {
  readonly domain: Domain;
  readonly directory: DeviceDirectory;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Segments of an indirect request, as feature-sg-grant says; null offers no indirect requests. Linux' is 128. */
  readonly indirectLimit?: number | null;
}

/** The running backend driver of a domain: any number of front ends, any number of controllers each. */
export class Scsiback {
  readonly controllers = new Map<string, Controller>();
  readonly #parts: ControllerParts;
  readonly #work: Coalesced;
  #unwatch: (() => Promise<void>) | null = null;
  #closed = false;

  constructor(options: ScsibackOptions) {
    this.#parts = {
      ...options,
      indirectLimit: options.indirectLimit === undefined ? DEFAULT_INDIRECT_LIMIT : options.indirectLimit,
    };
    this.#work = new Coalesced(
      () => this.#rescan(),
      (error) => {
        if (options.probes.listening) options.probes.emit("scsiback:message", { path: ROOT, text: `${error}` });
      },
    );
  }

  /** Begins to serve what is there and what will come. */
  async start(): Promise<void> {
    this.#unwatch = await this.#parts.domain.store.watch(ROOT, (path) => {
      if (path.split("/").length <= DEVICE_DEPTH) this.#work.ask();
    });
  }

  /** Ends when nothing is under way, mapped or bound any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#unwatch?.();
    await this.#work.idle();
    await Promise.all([...this.controllers.values()].map((controller) => controller.remove()));
    this.controllers.clear();
  }

  async #rescan(): Promise<void> {
    if (this.#closed) return;
    const present = await this.#devices();
    for (const [path, controller] of this.controllers) {
      const device = present.get(path);
      if (device !== undefined && !(controller.finished && device.fresh)) continue;
      this.controllers.delete(path);
      await controller.remove();
    }
    for (const [path, { frontend }] of present) {
      if (this.controllers.has(path)) continue;
      const controller = new Controller(path, frontend, this.#parts);
      this.controllers.set(path, controller);
      await controller.probe();
    }
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
        devices.set(path, { frontend: Number(domain), fresh: parseXenbusState(state) === XenbusState.Initialising });
      }
    }
    return devices;
  }
}

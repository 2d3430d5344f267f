// Knows how a guest of xl's has its vscsi controllers from its first moment on, and how they go with it: xl makes and ends
// guests, libxl knows no vscsi. Knows no driver, and not how xl is run.

import type { MachineConfig } from "@pvscsi/config";
import type { Clock } from "@pvscsi/wire";
import { type DomainId, readState, XenbusState, type XenstoreClient } from "@pvscsi/xen";
import { devicePaths, readReason } from "./device-nodes.js";
import { domainNamed } from "./domains.js";
import { ToolstackError } from "./errors.js";
import { readController } from "./inventory.js";
import type { PlannedController } from "./plan.js";
import type { VscsiDevices } from "./vscsi-devices.js";
import { DEVICE_TIMEOUT, type Interruption, interrupted, waitFor } from "./wait.js";
import type { Xl, XlGuest } from "./xl.js";

export interface XlDomainsOptions {
  /** dom0's connection: privileged. */
  readonly store: XenstoreClient;
  readonly clock: Clock;
  readonly vscsi: VscsiDevices;
  readonly xl: Xl;
}

export interface XlCreateOptions {
  /** Whether it is left paused. */
  readonly paused: boolean;
  readonly signal?: Interruption;
}

export class XlDomains {
  readonly #options: XlDomainsOptions;

  constructor(options: XlDomainsOptions) {
    this.#options = options;
  }

  /**
   * Makes the domain of a configuration's file and lets it run when all its back ends wait for it, as libxl does with disks; whether
   * the guest makes something of them is not waited for. When anything fails, or `signal` is aborted meanwhile, nothing of it is left.
   */
  async create(config: MachineConfig, { paused, signal }: XlCreateOptions): Promise<XlGuest> {
    const { vscsi, xl } = this.#options;
    const planned = await vscsi.plan(config);
    const { name } = config;
    const { givenUp } = await xl.create(config.file);
    const guest = { name, domain: await this.#made(name), planned, givenUp };
    try {
      await this.#equip(guest, signal);
      if (signal?.aborted) throw interrupted();
      if (!paused) await xl.unpause(guest.domain);
    } catch (error) {
      await this.#takeBack(guest.domain, error);
      throw error;
    }
    return guest;
  }

  /** Ends a domain at once; its controllers are gone with it. */
  async destroy(domain: DomainId): Promise<void> {
    await this.#options.xl.destroy(domain);
    await this.clear(domain);
  }

  /** Removes what is left of a domain that is gone; false where nothing is. */
  async clear(domain: DomainId): Promise<boolean> {
    return (await this.#options.vscsi.removeLeft(domain)) > 0;
  }

  async #equip({ domain, planned }: XlGuest, signal?: Interruption): Promise<void> {
    await this.#options.vscsi.write(domain, planned);
    for (const controller of planned) await this.#waitOffered(domain, controller, signal);
  }

  /** libxl lets no two domains have a name. */
  async #made(name: string): Promise<DomainId> {
    const made = await domainNamed(this.#options.store, name);
    if (made !== null) return made;
    throw new ToolstackError("DOMAIN_NOTFOUND", `xl has made a domain, but there is none named '${name}'`);
  }

  /**
   * Waits until a back end offers what it can do: a Linux guest that comes first stands still. Throws with the reason of a back end
   * that cannot serve the controller, or one of its LUNs.
   */
  async #waitOffered(
    domain: DomainId,
    { backend, controller: { devid } }: PlannedController,
    signal?: Interruption,
  ): Promise<void> {
    const { store, clock } = this.#options;
    const path = devicePaths(domain, backend, devid).backend;
    const look = async (): Promise<XenbusState | null> => {
      const now = await readState(store, path);
      return now === XenbusState.Unknown || now === XenbusState.Initialising ? null : now;
    };
    const state = await waitFor(store, clock, path, look, signal);
    if (state === null) {
      const late = `no back end has answered in domain ${backend} after ${DEVICE_TIMEOUT / 1000} s`;
      throw new ToolstackError("TIMEDOUT", `controller ${devid}: ${late}: start one there, such as pvscsi xen serve`);
    }
    if (state === XenbusState.Closing || state === XenbusState.Closed) {
      const reason = (await readReason(store, path)) ?? "its back end has closed";
      throw new ToolstackError("FAIL", `controller ${devid}: ${reason}`);
    }
    await this.#checkLuns(domain, devid);
  }

  /** A back end may say of a LUN that it is not there before a guest asks for it. */
  async #checkLuns(domain: DomainId, devid: number): Promise<void> {
    const { store } = this.#options;
    const controller = await readController(store, domain, devid);
    for (const { name, virtualDevice } of controller?.luns ?? []) {
      const reason = await readReason(store, `${controller?.backendPath}/vscsi-devs/${name}`);
      if (reason !== null) throw new ToolstackError("FAIL", `vdev '${virtualDevice}': ${reason}`);
    }
  }

  /** Ends what could not be completed. That it could not is what the person has to hear, whatever happens here. */
  async #takeBack(domain: DomainId, cause: unknown): Promise<void> {
    try {
      await this.destroy(domain);
    } catch (error) {
      if (!(cause instanceof ToolstackError && error instanceof ToolstackError)) throw error;
      throw new ToolstackError(cause.code, `${cause.message}; domain ${domain} is still there: ${error.message}`);
    }
  }
}

// Knows how a domain gets and loses vscsi controllers and LUNs while it lives: the toolstack's half of the Reconfiguring
// handshake, as the libxl patches have it. Knows no domain life cycle.

import { formatAddress, type VscsiController, type VscsiDevice } from "@pvscsi/config";
import type { Clock } from "@pvscsi/wire";
import { type DomainId, readState, XenbusState, type XenstoreClient } from "@pvscsi/xen";
import { counterPath, devicePaths, type NewLun, removeController, writeController, writeLun } from "./device-nodes.js";
import { ToolstackError } from "./errors.js";
import { type ControllerInfo, isAttached, type LunInfo, readControllers } from "./inventory.js";
import { DEVICE_TIMEOUT, waitFor } from "./wait.js";

/** Knows the physical devices by every name a person may use. */
export interface PhysicalDevices {
  /** What the p-dev node is to say, H:C:T:L or naa.WWN:LUN; or the reason why there is no such device. */
  resolve(device: VscsiDevice["physical"]): { readonly physicalDevice: string } | { readonly reason: string };
}

export interface VscsiDevicesOptions {
  /** dom0's connection: privileged. */
  readonly store: XenstoreClient;
  readonly clock: Clock;
  readonly devices: PhysicalDevices;
  /** The domain that scsiback runs in. */
  readonly backend: DomainId;
}

/** A controller whose devices were found. */
export interface PlannedController {
  readonly controller: VscsiController;
  readonly luns: readonly NewLun[];
}

export class VscsiDevices {
  readonly #options: VscsiDevicesOptions;

  constructor(options: VscsiDevicesOptions) {
    this.#options = options;
  }

  /** Finds the physical devices of a controller; throws when one is not there. Changes nothing. */
  plan(controller: VscsiController): PlannedController {
    return { controller, luns: controller.devices.map((device) => this.#resolve(device)) };
  }

  /** Writes a new controller in one transaction. */
  async write(domain: DomainId, { controller, luns }: PlannedController): Promise<void> {
    const { store, backend } = this.#options;
    await store.transaction((transaction) => writeController(transaction, domain, backend, controller, luns));
  }

  /** All controllers of a domain. */
  async list(domain: DomainId): Promise<ControllerInfo[]> {
    return readControllers(this.#options.store, domain);
  }

  /** Hot-plugs one LUN, with a new controller if its vHOST has none. Ends when the guest has it. */
  async attach(domain: DomainId, device: VscsiDevice): Promise<void> {
    const controllers = await this.list(domain);
    const name = formatAddress(device.virtual);
    if (controllers.some(({ luns }) => luns.some((lun) => lun.virtualDevice === name))) {
      throw new ToolstackError("DEVICE_EXISTS", `vdev '${name}' is already used`);
    }
    const lun = this.#resolve(device);
    const controller = controllers.find(({ host }) => host === device.virtual.host);
    if (controller === undefined) return this.#attachController(domain, controllers, lun);
    if (controller.featureHost !== device.featureHost) {
      throw new ToolstackError("INVAL", `different feature-host setting: ${describeFeature(controller.featureHost)}`);
    }
    await this.#attachLun(domain, controller, lun);
  }

  /** Unplugs one LUN, and its controller when it was the last one. */
  async detach(domain: DomainId, virtualDevice: string): Promise<void> {
    for (const controller of await this.list(domain)) {
      const lun = controller.luns.find((other) => other.virtualDevice === virtualDevice);
      if (lun === undefined) continue;
      if (controller.luns.length === 1) return this.#removeController(domain, controller);
      return this.#detachLun(controller, lun);
    }
    throw new ToolstackError("NOTFOUND", `vdev '${virtualDevice}' is not attached to domain ${domain}`);
  }

  #resolve(device: VscsiDevice): NewLun {
    const found = this.#options.devices.resolve(device.physical);
    if ("reason" in found) throw new ToolstackError("INVAL", `pdev '${device.physical.text}': ${found.reason}`);
    return { device, physicalDevice: found.physicalDevice };
  }

  async #attachController(domain: DomainId, existing: readonly ControllerInfo[], lun: NewLun): Promise<void> {
    const { device } = lun;
    const devid = existing.reduce((next, { devid }) => Math.max(next, devid + 1), 0);
    const controller = {
      devid,
      host: device.virtual.host,
      featureHost: device.featureHost,
      backend: undefined,
      devices: [device],
    };
    await this.write(domain, { controller, luns: [lun] });
    try {
      await this.waitConnected(domain, devid);
    } catch (error) {
      const made = (await this.list(domain)).find((other) => other.devid === devid);
      if (made !== undefined) await this.#removeController(domain, made);
      throw error;
    }
  }

  /** Waits until both halves are connected and every LUN of a controller has found its end state. */
  async waitConnected(domain: DomainId, devid: number): Promise<void> {
    const { store, clock, backend } = this.#options;
    const paths = devicePaths(domain, backend, devid);
    const settled = await waitFor(store, clock, paths.backend, async () => {
      const state = await readState(store, paths.backend);
      if (state === XenbusState.Closing || state === XenbusState.Closed) return this.#controller(domain, devid);
      if (state !== XenbusState.Connected) return null;
      const controller = await this.#controller(domain, devid);
      return controller.luns.every((lun) => isFinal(lun.backendState)) ? controller : null;
    });
    if (settled === null)
      throw new ToolstackError("TIMEDOUT", `controller ${devid}: not connected after ${DEVICE_TIMEOUT / 1000} s`);
    if (settled.backendState !== XenbusState.Connected)
      throw await this.#failure(settled.backendPath, `controller ${devid}`);
    for (const lun of settled.luns) if (!isAttached(lun)) throw await this.#lunFailure(settled, lun);
  }

  async #controller(domain: DomainId, devid: number): Promise<ControllerInfo> {
    const found = (await this.list(domain)).find((controller) => controller.devid === devid);
    if (found === undefined) throw new ToolstackError("NOTFOUND", `controller ${devid} of domain ${domain} is gone`);
    return found;
  }

  async #attachLun(domain: DomainId, controller: ControllerInfo, lun: NewLun): Promise<void> {
    const { store, clock } = this.#options;
    const handshake = checkReady(controller);
    const name = await store.transaction(async (transaction) => {
      const counter = counterPath(domain, controller.devid);
      const next = Number((await transaction.read(counter)) ?? controller.luns.length);
      await transaction.write(counter, String(next + 1));
      await writeLun(transaction, controller.backendPath, `dev-${next}`, lun);
      if (handshake) await transaction.write(`${controller.backendPath}/state`, String(XenbusState.Reconfiguring));
      return `dev-${next}`;
    });
    if (!handshake) return;
    const attached = await waitFor(store, clock, controller.backendPath, async () => {
      if ((await readState(store, controller.backendPath)) !== XenbusState.Connected) return null;
      const info = await this.#controller(domain, controller.devid);
      const found = info.luns.find((other) => other.name === name);
      return found !== undefined && isFinal(found.backendState) ? found : null;
    });
    if (attached !== null && isAttached(attached)) return;
    const failure =
      attached === null
        ? new ToolstackError(
            "TIMEDOUT",
            `vdev '${formatAddress(lun.device.virtual)}': not attached after ${DEVICE_TIMEOUT / 1000} s`,
          )
        : await this.#lunFailure(controller, attached);
    await this.#undoAttach(controller, name, attached);
    throw failure;
  }

  /** A LUN that the backend serves but the guest refused is taken from the backend again, then its nodes go. */
  async #undoAttach(controller: ControllerInfo, name: string, attached: LunInfo | null): Promise<void> {
    if (attached?.backendState === XenbusState.Connected) return this.#detachLun(controller, attached);
    await this.#removeLunNodes(controller, name);
  }

  async #detachLun(controller: ControllerInfo, lun: LunInfo): Promise<void> {
    const { store, clock } = this.#options;
    const handshake = checkReady(controller);
    const path = `${controller.backendPath}/vscsi-devs/${lun.name}`;
    await store.transaction(async (transaction) => {
      await transaction.write(`${path}/state`, String(XenbusState.Closing));
      if (handshake) await transaction.write(`${controller.backendPath}/state`, String(XenbusState.Reconfiguring));
    });
    if (handshake) {
      const gone = await waitFor(store, clock, controller.backendPath, async () =>
        (await readState(store, controller.backendPath)) === XenbusState.Connected &&
        (await readState(store, path)) === XenbusState.Closed
          ? true
          : null,
      );
      if (gone === null)
        throw new ToolstackError(
          "TIMEDOUT",
          `vdev '${lun.virtualDevice}': not detached after ${DEVICE_TIMEOUT / 1000} s`,
        );
    }
    await this.#removeLunNodes(controller, lun.name);
  }

  async #removeLunNodes(controller: ControllerInfo, name: string): Promise<void> {
    const { store } = this.#options;
    await store.transaction(async (transaction) => {
      await transaction.remove(`${controller.backendPath}/vscsi-devs/${name}`);
      await transaction.remove(`${controller.frontendPath}/vscsi-devs/${name}`);
      await transaction.remove(errorPath(`${controller.backendPath}/vscsi-devs/${name}`));
    });
  }

  /** libxl's device removal: ask both halves to close, wait for the backend, then remove the nodes in any case. */
  async #removeController(domain: DomainId, controller: ControllerInfo): Promise<void> {
    const { store, clock } = this.#options;
    await store.transaction(async (transaction) => {
      await transaction.write(`${controller.backendPath}/online`, "0");
      if ((await readState(transaction, controller.backendPath)) !== XenbusState.Closed) {
        await transaction.write(`${controller.backendPath}/state`, String(XenbusState.Closing));
      }
    });
    const closed = await waitFor(store, clock, `${controller.backendPath}/state`, async () =>
      (await readState(store, controller.backendPath)) === XenbusState.Closed ? true : null,
    );
    await store.transaction((transaction) =>
      removeController(transaction, domain, controller.backendDomain, controller.devid),
    );
    if (closed === null) {
      throw new ToolstackError(
        "TIMEDOUT",
        `controller ${controller.devid}: not closed after ${DEVICE_TIMEOUT / 1000} s; removed by force`,
      );
    }
  }

  async #lunFailure(controller: ControllerInfo, lun: LunInfo): Promise<ToolstackError> {
    if (lun.backendState === XenbusState.Connected) {
      return new ToolstackError("FAIL", `vdev '${lun.virtualDevice}': the guest could not attach it`);
    }
    return this.#failure(`${controller.backendPath}/vscsi-devs/${lun.name}`, `vdev '${lun.virtualDevice}'`);
  }

  /** The reason that a driver has left in its error node, without the errno in front. */
  async #failure(path: string, what: string): Promise<ToolstackError> {
    const reason = (await this.#options.store.read(`${errorPath(path)}/error`))?.replace(/^\d+ /, "");
    return new ToolstackError("FAIL", `${what}: ${reason ?? "the backend could not attach it"}`);
  }
}

/** Where a driver says why: `error` in its own domain, then the device's path below that domain. */
function errorPath(path: string): string {
  return path.replace(/^(\/local\/domain\/\d+)\//, "$1/error/");
}

function isFinal(state: XenbusState): boolean {
  return state === XenbusState.Connected || state === XenbusState.Closed;
}

/** Whether a controller needs the Reconfiguring handshake; throws when it can take no change now. */
function checkReady({ devid, backendState }: ControllerInfo): boolean {
  switch (backendState) {
    case XenbusState.Connected:
      return true;
    case XenbusState.InitWait:
      return false;
    case XenbusState.Initialised:
    case XenbusState.Reconfiguring:
    case XenbusState.Reconfigured:
      throw new ToolstackError(
        "NOT_READY",
        `controller ${devid} is being changed already (state ${backendState}), try again`,
      );
    default:
      throw new ToolstackError("FAIL", `controller ${devid} is in state ${backendState}, not connected`);
  }
}

function describeFeature(set: boolean): string {
  return set ? "the controller has it, the new device has not" : "the new device has it, the controller has not";
}

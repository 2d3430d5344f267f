// Knows how a domain gets and loses vscsi controllers and LUNs while it lives: the toolstack's half of the Reconfiguring
// handshake, as the libxl patches have it. Knows no domain life cycle.

import { ConfigError, formatAddress, type MachineConfig, type VscsiDevice } from "@pvscsi/config";
import type { Clock } from "@pvscsi/wire";
import { type DomainId, scanNumber, XenbusState, type XenstoreAccess, type XenstoreClient } from "@pvscsi/xen";
import { askToClose, beginEnd, removeNodes, waitClosed } from "./closing.js";
import {
  counterPath,
  devicePaths,
  lunPath,
  readBackend,
  readReason,
  removeController,
  removeEmptyFolders,
  removeLun,
  writeController,
  writeLun,
} from "./device-nodes.js";
import { ToolstackError } from "./errors.js";
import {
  type ControllerHalves,
  type ControllerInfo,
  findBackendHalves,
  isAttached,
  type LunInfo,
  readController,
  readControllers,
} from "./inventory.js";
import {
  type BackEnd,
  type FindBackEnd,
  type NotFound,
  type PhysicalDevices,
  type PlannedController,
  type PlannedLun,
  planControllers,
  planLun,
} from "./plan.js";
import { type Change, changeToAttach, changeToDetach, changeToTakeBack } from "./readiness.js";
import { DEVICE_TIMEOUT, waitFor } from "./wait.js";

export interface VscsiDevicesOptions {
  /** dom0's connection: privileged. */
  readonly store: XenstoreClient;
  readonly clock: Clock;
  readonly devices: PhysicalDevices;
  /** The domain whose scsiback serves what names no other one. */
  readonly backend: DomainId;
  /** What a driver domain has; undefined for a domain that is none. Absent where there are none. */
  readonly driverDomain?: (domain: DomainId) => PhysicalDevices | undefined;
  /** Whether a domain's process has still to come, from elsewhere. Absent where all are started here. */
  readonly awaited?: (domain: DomainId) => boolean;
}

/** A LUN that was entered, and whether its drivers are going to shake hands over it. */
interface Entered {
  readonly devid: number;
  readonly name: string;
  readonly handshake: boolean;
}

/** What is left to do for a removal: nothing, to wait for the handshake, or for the end of the whole controller. */
type Removal = "done" | "handshake" | ControllerInfo;

const NOT_GROWN: NotFound = { reason: "devices do not grow here" };
const NOT_EXCHANGED: NotFound = { reason: "no discs are exchanged here" };

/** What it takes to take a LUN away. */
type TakingAway = (controller: ControllerInfo, lun: LunInfo) => Change;

export class VscsiDevices {
  readonly #options: VscsiDevicesOptions;

  constructor(options: VscsiDevicesOptions) {
    this.#options = options;
  }

  /** Finds everything that a configuration asks for; throws `ConfigError` where it is not there. Changes nothing. */
  async plan(config: MachineConfig): Promise<PlannedController[]> {
    return planControllers(config, await this.#backEnds());
  }

  /** The back ends there are at the moment, by name and number. */
  async #backEnds(): Promise<FindBackEnd> {
    const { store, backend, devices, driverDomain } = this.#options;
    const all = new Map<string | undefined, BackEnd>();
    for (const text of (await store.list("/local/domain")) ?? []) {
      const domain = Number(text);
      const owned = domain === backend ? devices : driverDomain?.(domain);
      const name = await store.read(`/local/domain/${text}/name`);
      if (owned === undefined || name === null) continue;
      all.set(text, { domain, devices: owned });
      if (!all.has(name)) all.set(name, { domain, devices: owned });
    }
    return ({ file, at, backend: named }) => {
      const found = named === undefined ? { domain: backend, devices } : all.get(named);
      if (found !== undefined) return found;
      const names = [...all.keys()].filter((key) => !/^\d+$/.test(key ?? "")).join(", ");
      throw new ConfigError(
        file,
        at,
        `backend domain '${named}': scsiback runs in ${names || `domain ${backend}`} only`,
      );
    };
  }

  /** Throws where a back end's domain is not there yet: a guest that runs would wait for it in vain. */
  mustRun(backend: DomainId): void {
    if (!this.#awaited(backend)) return;
    throw new ToolstackError("NOT_READY", `domain ${backend}, which has the device, waits to be joined`);
  }

  /** Writes new controllers, each whole with its LUNs in one transaction, as libxl does. Throws where there is no such domain. */
  async write(domain: DomainId, planned: readonly PlannedController[]): Promise<void> {
    for (const controller of planned) {
      await this.#options.store.transaction(async (transaction) => {
        await mustBeThere(transaction, domain);
        await writeController(transaction, domain, controller);
      });
    }
  }

  /** All controllers of a domain. */
  list(domain: DomainId): Promise<ControllerInfo[]> {
    return readControllers(this.#options.store, domain);
  }

  /** Removes a controller whose back end's domain is gone: the guest loses its LUNs at once. */
  async abandon(domain: DomainId, devid: number): Promise<void> {
    const { store } = this.#options;
    const backend = await this.#backendOf(domain, devid);
    await store.transaction((transaction) => removeController(transaction, domain, backend, devid));
  }

  /** Waits until both halves of a new controller are connected; throws where one of its LUNs was not attached. */
  async waitConnected(domain: DomainId, devid: number): Promise<void> {
    const controller = await this.#settled(domain, devid, `controller ${devid}: not connected`, (now) =>
      now.luns.every(isSettled) ? now : null,
    );
    for (const lun of controller.luns) if (!isAttached(lun)) throw await this.#refusal(controller, lun);
  }

  /**
   * Hot-plugs one LUN, with a new controller if its vHOST has none. Ends when the guest has it; if it fails, nothing of
   * it is left. While the back end still waits for its guest, the LUN is entered and nobody is waited for; and so it is
   * for a guest whose process has still to come.
   */
  async attach(domain: DomainId, device: VscsiDevice): Promise<void> {
    const { domain: backend, devices } = (await this.#backEnds())(device);
    const lun = planLun(device, devices);
    const guestRuns = !this.#awaited(domain);
    if (guestRuns) this.mustRun(backend);
    const { devid, name, handshake } = await this.#options.store.transaction((transaction) =>
      this.#enter(transaction, domain, backend, lun),
    );
    if (!handshake || !guestRuns) return;
    try {
      await this.#attached(domain, devid, name);
    } catch (error) {
      await this.#takeBack(domain, devid, name, error);
      throw error;
    }
  }

  /** Unplugs one LUN, and its controller when it was the last one. */
  async detach(domain: DomainId, virtualDevice: string): Promise<void> {
    const { controller, lun } = await this.#find(domain, virtualDevice);
    await this.#remove(domain, controller.devid, lun.name, changeToDetach);
  }

  /** Makes a LUN `bytes` long. Every guest that has it is told by a unit attention, with its next command. */
  async resize(domain: DomainId, virtualDevice: string, bytes: number): Promise<void> {
    await this.#change(domain, virtualDevice, (devices, pdev) => devices.grow?.(pdev, bytes) ?? NOT_GROWN);
  }

  /** Puts the disc whose image is at a path into a CD/DVD drive, in the place of the one that is there. Its guests hear of it by SCSI. */
  async insert(domain: DomainId, virtualDevice: string, path: string): Promise<void> {
    await this.#change(domain, virtualDevice, (devices, pdev) => devices.insert?.(pdev, path) ?? NOT_EXCHANGED);
  }

  /** Takes the disc out of a CD/DVD drive; a guest that keeps it in is told that it is wanted, and the verb fails. */
  async eject(domain: DomainId, virtualDevice: string): Promise<void> {
    await this.#change(domain, virtualDevice, (devices, pdev) => devices.eject?.(pdev) ?? NOT_EXCHANGED);
  }

  /** Has the devices of a LUN's back end change what is behind it; `act` is given them and its p-dev. */
  async #change(
    domain: DomainId,
    virtualDevice: string,
    act: (devices: PhysicalDevices, physicalDevice: string) => Promise<NotFound | null> | NotFound,
  ): Promise<void> {
    const { controller, lun } = await this.#find(domain, virtualDevice);
    const what = `vdev '${virtualDevice}'`;
    if (!isAttached(lun)) throw new ToolstackError("NOT_READY", `${what} is being attached or detached: try again`);
    const { backend, driverDomain } = this.#options;
    const devices =
      controller.backendDomain === backend ? this.#options.devices : driverDomain?.(controller.backendDomain);
    const refused = devices === undefined ? NOT_GROWN : await act(devices, lun.physicalDevice);
    if (refused !== null) throw new ToolstackError("FAIL", `${what}: ${refused.reason}`);
  }

  async #find(
    domain: DomainId,
    virtualDevice: string,
  ): Promise<{ readonly controller: ControllerInfo; readonly lun: LunInfo }> {
    for (const controller of await this.list(domain)) {
      const lun = controller.luns.find((other) => other.virtualDevice === virtualDevice);
      if (lun !== undefined) return { controller, lun };
    }
    throw new ToolstackError("NOTFOUND", `vdev '${virtualDevice}' is not attached to domain ${domain}`);
  }

  /** Removes all controllers of a domain that has been ended: its half goes first, the back end follows by itself. */
  async removeAll(domain: DomainId): Promise<void> {
    await this.#removeEnded(await this.list(domain));
  }

  /** The same for controllers by their halves: who ended the domain may have removed what they are found by otherwise. */
  async #removeEnded(controllers: readonly ControllerHalves[]): Promise<void> {
    const asked: ControllerHalves[] = [];
    for (const controller of controllers) if (await beginEnd(this.#options, controller)) asked.push(controller);
    await Promise.all(asked.map((controller) => this.#waitClosed(controller)));
    // One by one: transactions that remove the same parents would only make each other begin again.
    for (const controller of asked) await removeNodes(this.#options, controller);
  }

  /**
   * Removes what is left of a domain that is gone, and gives how many controllers that were. A driver domain's back end may have removed
   * its halves before, but not the folders around them.
   */
  async removeLeft(domain: DomainId): Promise<number> {
    const { store } = this.#options;
    const left = await findBackendHalves(store, domain);
    await this.#removeEnded(left);
    await store.transaction((transaction) => removeEmptyFolders(transaction, domain));
    return left.length;
  }

  /** Decides and writes in one transaction, so that two who attach at the same time cannot meet. */
  async #enter(store: XenstoreAccess, domain: DomainId, backend: DomainId, lun: PlannedLun): Promise<Entered> {
    const { device } = lun;
    await mustBeThere(store, domain);
    const controllers = await readControllers(store, domain);
    const virtual = formatAddress(device.virtual);
    if (controllers.some(({ luns }) => luns.some(({ virtualDevice }) => virtualDevice === virtual))) {
      throw new ToolstackError("DEVICE_EXISTS", `vdev '${virtual}' is already used`);
    }
    const controller = controllers.find(({ host }) => host === device.virtual.host);
    if (controller === undefined) return this.#enterController(store, domain, backend, controllers, lun);
    if (controller.backendDomain !== backend) {
      const reason = `controller ${controller.devid} has its back end in domain ${controller.backendDomain}`;
      throw new ToolstackError("INVAL", `vdev '${virtual}': ${reason}`);
    }
    if (controller.featureHost !== device.featureHost) {
      const which = device.featureHost ? "the new device" : `controller ${controller.devid}`;
      throw new ToolstackError("INVAL", `vdev '${virtual}': different feature-host setting, only ${which} has it`);
    }
    // What is not there yet finds the LUN when it comes.
    const handshake = !this.#awaited(backend) && changeToAttach(controller) === "handshake";
    const name = await takeName(store, controller);
    await writeLun(store, controller.backendPath, name, lun);
    if (handshake) await writeState(store, controller.backendPath, XenbusState.Reconfiguring);
    return { devid: controller.devid, name, handshake };
  }

  async #enterController(
    store: XenstoreAccess,
    domain: DomainId,
    backend: DomainId,
    existing: readonly ControllerInfo[],
    lun: PlannedLun,
  ): Promise<Entered> {
    const { virtual, featureHost, backend: named } = lun.device;
    const devid = Math.max(-1, ...existing.map((controller) => controller.devid)) + 1;
    const controller = { devid, host: virtual.host, featureHost, backend: named, devices: [lun.device] };
    await writeController(store, domain, { controller, backend, luns: [lun] });
    return { devid, name: "dev-0", handshake: true };
  }

  async #attached(domain: DomainId, devid: number, name: string): Promise<void> {
    const { controller, lun } = await this.#settled(domain, devid, `controller ${devid}: not attached`, (now) => {
      const lun = now.luns.find((other) => other.name === name);
      if (lun === undefined) throw new ToolstackError("NOTFOUND", `${name} of controller ${devid} is gone`);
      return isSettled(lun) ? { controller: now, lun } : null;
    });
    if (!isAttached(lun)) throw await this.#refusal(controller, lun);
  }

  /** Waits until a controller is connected and `look` gives something; throws when it is gone, failed or too slow. */
  async #settled<Result>(
    domain: DomainId,
    devid: number,
    otherwise: string,
    look: (controller: ControllerInfo) => Result | null | Promise<Result | null>,
  ): Promise<Result> {
    const { store, clock } = this.#options;
    const path = devicePaths(domain, await this.#backendOf(domain, devid), devid).backend;
    const result = await waitFor(store, clock, path, async () => {
      const controller = await readController(store, domain, devid);
      switch (controller?.backendState) {
        case undefined:
        case null:
          throw new ToolstackError("NOTFOUND", `controller ${devid} of domain ${domain} is gone`);
        case XenbusState.Closing:
        case XenbusState.Closed:
          throw await this.#failure(path, `controller ${devid}`, "its back end has closed");
        case XenbusState.Connected:
          return look(controller as ControllerInfo);
        default:
          return null;
      }
    });
    if (result === null) throw new ToolstackError("TIMEDOUT", `${otherwise} after ${DEVICE_TIMEOUT / 1000} s`);
    return result;
  }

  /** Removes what could not be attached. That it could not is what the person has to hear, whatever happens here. */
  async #takeBack(domain: DomainId, devid: number, name: string, cause: unknown): Promise<void> {
    try {
      await this.#remove(domain, devid, name, changeToTakeBack);
    } catch (error) {
      if (!(cause instanceof ToolstackError && error instanceof ToolstackError)) throw error;
      throw new ToolstackError(cause.code, `${cause.message}; ${error.message}`);
    }
  }

  /** Takes a LUN away; one that is gone already is no error. */
  async #remove(domain: DomainId, devid: number, name: string, changeTo: TakingAway): Promise<void> {
    const { store } = this.#options;
    const backend = await this.#backendOf(domain, devid);
    const removal = await store.transaction((transaction) => this.#begin(transaction, domain, devid, name, changeTo));
    if (removal === "handshake") {
      await this.#detached(domain, devid, name);
      await store.transaction((transaction) => removeLun(transaction, domain, backend, devid, name));
    } else if (typeof removal === "object" && !(await this.#closed(removal))) {
      const late = `not closed after ${DEVICE_TIMEOUT / 1000} s, removed by force`;
      throw new ToolstackError("TIMEDOUT", `controller ${devid}: ${late}`);
    }
  }

  /** Does what can be done at once, else asks the drivers: for the handshake, or to close the controller of the last LUN. */
  async #begin(
    store: XenstoreAccess,
    domain: DomainId,
    devid: number,
    name: string,
    changeTo: TakingAway,
  ): Promise<Removal> {
    const controller = await readController(store, domain, devid);
    const lun = controller?.luns.find((other) => other.name === name);
    if (controller === null || lun === undefined) return "done";
    if (controller.luns.length === 1) {
      await askToClose(store, controller);
      return controller;
    }
    if (this.#awaited(controller.backendDomain) || changeTo(controller, lun) === "none") {
      await removeLun(store, domain, controller.backendDomain, devid, name);
      return "done";
    }
    await writeState(store, lunPath(controller.backendPath, name), XenbusState.Closing);
    await writeState(store, controller.backendPath, XenbusState.Reconfiguring);
    return "handshake";
  }

  async #detached(domain: DomainId, devid: number, name: string): Promise<void> {
    const { store } = this.#options;
    await this.#settled(domain, devid, `controller ${devid}: ${name} not detached`, async ({ backendPath, luns }) => {
      if (!luns.some((lun) => lun.name === name && lun.backendState !== XenbusState.Closed)) return true;
      // A handshake that was under way has ended over our request: it is asked for again.
      await writeState(store, backendPath, XenbusState.Reconfiguring);
      return null;
    });
  }

  /** Waits for a back end that was asked to close, then removes all nodes; false when it took too long. */
  async #closed(controller: ControllerHalves): Promise<boolean> {
    const closed = await this.#waitClosed(controller);
    await removeNodes(this.#options, controller);
    return closed;
  }

  async #waitClosed({ domain, backendDomain, backendPath }: ControllerHalves): Promise<boolean> {
    const nobody = this.#awaited(domain) || this.#awaited(backendDomain);
    return nobody || waitClosed(this.#options, backendPath);
  }

  #awaited(domain: DomainId): boolean {
    return this.#options.awaited?.(domain) ?? false;
  }

  async #backendOf(domain: DomainId, devid: number): Promise<DomainId> {
    return (await readBackend(this.#options.store, domain, devid)) ?? this.#options.backend;
  }

  async #refusal({ backendPath }: ControllerInfo, lun: LunInfo): Promise<ToolstackError> {
    const what = `vdev '${lun.virtualDevice}'`;
    if (lun.backendState !== XenbusState.Connected)
      return this.#failure(lunPath(backendPath, lun.name), what, "the back end could not attach it");
    return new ToolstackError("FAIL", `${what}: the guest could not attach it`);
  }

  /** The reason that a back end has left, or what there is to see. */
  async #failure(path: string, what: string, otherwise: string): Promise<ToolstackError> {
    return new ToolstackError("FAIL", `${what}: ${(await readReason(this.#options.store, path)) ?? otherwise}`);
  }
}

/** What is written for a domain that is gone would be there for good. */
async function mustBeThere(store: XenstoreAccess, domain: DomainId): Promise<void> {
  if ((await store.read(`/local/domain/${domain}`)) !== null) return;
  throw new ToolstackError("DOMAIN_NOTFOUND", `there is no domain ${domain}`);
}

/** The next dev-N of a controller. */
async function takeName(store: XenstoreAccess, { domain, devid, luns }: ControllerInfo): Promise<string> {
  const counter = counterPath(domain, devid);
  const used = luns.map(({ name }) => Number(name.slice("dev-".length)));
  const next = Math.max(scanNumber(await store.read(counter)) ?? 0, ...used.map((number) => number + 1));
  await store.write(counter, String(next + 1));
  return `dev-${next}`;
}

async function writeState(store: XenstoreAccess, path: string, state: XenbusState): Promise<void> {
  await store.write(`${path}/state`, String(state));
}

/** The back end has come to an end with it, for good or ill. */
function isSettled(lun: LunInfo): boolean {
  return lun.backendState === XenbusState.Connected || lun.backendState === XenbusState.Closed;
}

// Knows one virtual host bus adapter: its xenbus states, its ring's beginning and end, and LUN hotplug.
// The order of node writes is that of Linux' xen-scsiback. Knows nothing of what a request means.

import { type DeviceDirectory, MAX_LUNS } from "@pvscsi/scsi";
import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import {
  Coalesced,
  type Domain,
  type DomainId,
  DriverErrno,
  readState,
  scanNumber,
  writeReason,
  writeState,
  XenbusState,
} from "@pvscsi/xen";
import { RingServer } from "./ring-server.js";
import { INDIRECT_LIMIT } from "./segments.js";
import { TranslationTable } from "./translation.js";
import { parseVirtualDevice, type VirtualDevice } from "./virtual-device.js";

export interface ControllerParts {
  readonly domain: Domain;
  readonly directory: DeviceDirectory;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Segments offered in feature-sg-grant; null offers none. */
  readonly indirectLimit: number | null;
}

/** What a controller tells those who watch it, with its path. */
export interface ControllerMessage {
  readonly path: string;
  readonly text: string;
}

/** The backend half of one device: `backend/vscsi/<frontend>/<device>`, relative to the own domain. */
export class Controller {
  readonly path: string;
  readonly frontend: DomainId;
  readonly table: TranslationTable;
  readonly #parts: ControllerParts;
  readonly #work: Coalesced;
  #frontendPath = "";
  #unwatch: (() => Promise<void>) | null = null;
  #ring: RingServer | null = null;
  /** What this driver wrote last; the toolstack writes 5 and 7 into the same node, which says nothing to us. */
  #state: XenbusState = XenbusState.Unknown;
  #online = true;

  constructor(path: string, frontend: DomainId, parts: ControllerParts) {
    this.path = path;
    this.frontend = frontend;
    this.#parts = parts;
    this.table = new TranslationTable(`${frontend}:${path.split("/").at(-1)}`, parts.probes);
    this.#work = new Coalesced(
      () => this.#frontendChanged(),
      (error) => this.#say(`${error}`),
    );
  }

  get state(): XenbusState {
    return this.#state;
  }

  /** True when the front end closed it for good; what appears at the same path then is a new device. */
  get finished(): boolean {
    return !this.#online;
  }

  /** Commands under way on its ring. */
  get underWay(): number {
    return this.#ring?.underWay ?? 0;
  }

  /** Offers what it can do and waits for the front end. */
  async probe(): Promise<void> {
    const { domain, indirectLimit } = this.#parts;
    this.#frontendPath = (await domain.store.read(`${this.path}/frontend`)) ?? "";
    if (indirectLimit !== null) await domain.store.write(`${this.path}/feature-sg-grant`, String(indirectLimit));
    await this.#switchTo(XenbusState.InitWait);
    if (!this.#frontendPath.startsWith(`/local/domain/${this.frontend}/`)) {
      return this.#fail(DriverErrno.EINVAL, `frontend "${this.#frontendPath}" is not below domain ${this.frontend}`);
    }
    this.#unwatch = await domain.store.watch(`${this.#frontendPath}/state`, () => this.#work.ask());
  }

  /** Lets go of everything; the toolstack has removed the device, or this backend ends. */
  async remove(): Promise<void> {
    this.#online = false;
    await this.#unwatch?.();
    this.#unwatch = null;
    await this.#work.idle();
    await this.#disconnect();
    await this.table.close();
  }

  async #frontendChanged(): Promise<void> {
    if (!this.#online) return;
    const state = await readState(this.#parts.domain.store, this.#frontendPath);
    switch (state) {
      case XenbusState.Initialised:
        return this.#connect();
      case XenbusState.Connected:
        await this.#updateDevices();
        return this.#switchTo(XenbusState.Connected);
      case XenbusState.Reconfiguring:
        await this.#addAndDeleteDevices();
        return this.#switchTo(XenbusState.Reconfigured);
      case XenbusState.Closing:
        await this.#disconnect();
        return this.#switchTo(XenbusState.Closing);
      case XenbusState.Closed:
      case XenbusState.Unknown:
        return this.#close();
      case XenbusState.Initialising:
      case XenbusState.InitWait:
      case XenbusState.Reconfigured:
        return undefined;
    }
  }

  /** A front end that comes to Initialised again without having closed is not mapped twice. */
  async #connect(): Promise<void> {
    if (this.#ring !== null || this.#state === XenbusState.Closing) return;
    const wrong = await this.#mapRing();
    if (wrong !== null) return this.#fail(DriverErrno.EINVAL, wrong);
    await this.#addAndDeleteDevices();
    await this.#switchTo(XenbusState.Connected);
  }

  /** Null when the ring is mapped and its port bound, else why not. */
  async #mapRing(): Promise<string | null> {
    const { domain } = this.#parts;
    const reference = await this.#readFrontend("ring-ref");
    const remotePort = await this.#readFrontend("event-channel");
    if (reference === null || remotePort === null) return "no ring-ref or event-channel that is a number";
    const page = domain.grants.map(this.frontend, reference, "read-write");
    if (typeof page === "number") return `mapping in shared page ${reference} from domain ${this.frontend}: ${page}`;
    const port = domain.events.bindInterdomain(this.frontend, remotePort);
    if (typeof port === "string") {
      domain.grants.unmap(page);
      return `binding event channel ${remotePort} of domain ${this.frontend}: ${port}`;
    }
    this.#ring = new RingServer({
      ...this.#parts,
      page,
      port,
      table: this.table,
      broken: (error) => void this.#fail(DriverErrno.EPROTO, error.message),
    });
    return null;
  }

  async #readFrontend(name: string): Promise<number | null> {
    return scanNumber(await this.#parts.domain.store.read(`${this.#frontendPath}/${name}`));
  }

  async #disconnect(): Promise<void> {
    const ring = this.#ring;
    this.#ring = null;
    await ring?.close();
  }

  /** The front end is gone, in order or not; an online device may come back, an offline one is done with. */
  async #close(): Promise<void> {
    await this.#disconnect();
    await this.#switchTo(XenbusState.Closed);
    if ((await this.#parts.domain.store.read(`${this.path}/online`)) === "1") return;
    this.#online = false;
    await this.#unwatch?.();
    this.#unwatch = null;
    await this.table.close();
  }

  async #addAndDeleteDevices(): Promise<void> {
    await this.#eachDevice(async (path, state) => {
      if (state === XenbusState.Initialising) await this.#addDevice(path);
      else if (state === XenbusState.Closing) await this.#deleteDevice(path);
    });
  }

  async #updateDevices(): Promise<void> {
    await this.#eachDevice(async (path, state) => {
      if (state === XenbusState.Initialised) await this.#writeDeviceState(path, XenbusState.Connected);
    });
  }

  async #eachDevice(visit: (path: string, state: XenbusState) => Promise<void>): Promise<void> {
    const { store } = this.#parts.domain;
    for (const name of (await store.list(`${this.path}/vscsi-devs`)) ?? []) {
      const path = `${this.path}/vscsi-devs/${name}`;
      await visit(path, await readState(store, path));
    }
  }

  async #addDevice(path: string): Promise<void> {
    const { store } = this.#parts.domain;
    const physical = await store.read(`${path}/p-dev`);
    const virtualText = await store.read(`${path}/v-dev`);
    const device = parseVirtualDevice(virtualText);
    const wrong =
      physical === null || physical === ""
        ? "no p-dev"
        : device === null
          ? `v-dev "${virtualText ?? ""}" is not hst:chn:tgt:lun`
          : await this.#openDevice(physical, device, virtualText ?? "");
    if (wrong !== null) {
      this.#say(`${path}: ${wrong}`);
      await writeReason(store, path, DriverErrno.ENODEV, wrong);
    }
    await this.#writeDeviceState(path, wrong === null ? XenbusState.Initialised : XenbusState.Closed);
  }

  /** Null when the device is in the table, else why not. */
  async #openDevice(physical: string, device: VirtualDevice, text: string): Promise<string | null> {
    if (device.lun >= MAX_LUNS) return `LUN ${device.lun} is above ${MAX_LUNS - 1}`;
    if (this.table.has(device)) return `${text} is in use already`;
    const opened = await this.#parts.directory.open(physical, { domain: this.frontend, virtualDevice: text });
    if (typeof opened === "string") return opened;
    this.table.add(device, opened);
    return null;
  }

  /** As in Linux this does not wait for commands under way; the device is released when they have ended. */
  async #deleteDevice(path: string): Promise<void> {
    const device = parseVirtualDevice(await this.#parts.domain.store.read(`${path}/v-dev`));
    if (device !== null) this.table.remove(device).catch((error) => this.#say(`${path}: ${error}`));
    await this.#writeDeviceState(path, XenbusState.Closed);
  }

  async #writeDeviceState(path: string, state: XenbusState): Promise<void> {
    await this.#parts.domain.store.write(`${path}/state`, String(state));
  }

  async #switchTo(state: XenbusState): Promise<void> {
    if (state === this.#state) return;
    this.#state = state;
    await writeState(this.#parts.domain.store, this.path, state);
  }

  /** What cannot go on: the reason goes to the error node, the device to Closing (xenbus_dev_fatal). */
  async #fail(errno: number, reason: string): Promise<void> {
    this.#say(reason);
    await writeReason(this.#parts.domain.store, this.path, errno, reason);
    await this.#switchTo(XenbusState.Closing);
  }

  #say(text: string): void {
    const { probes } = this.#parts;
    if (probes.listening) probes.emit("scsiback:message", { path: this.path, text } satisfies ControllerMessage);
  }
}

/** What Linux' backend offers. */
export const DEFAULT_INDIRECT_LIMIT = INDIRECT_LIMIT;

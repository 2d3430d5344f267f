// Knows one virtual host bus adapter: its xenbus states, its ring's beginning and end, and LUN hotplug.
// The order of node writes is that of Linux' xen-scsiback. Knows nothing of what a request means.

import { type DeviceDirectory, MAX_LUNS } from "@pvscsi/scsi";
import type { Clock, Probes, ProtocolError, Scheduler } from "@pvscsi/wire";
import {
  type BackEndDomain,
  Coalesced,
  type DomainId,
  DriverErrno,
  readState,
  scanNumber,
  writeReason,
  writeState,
  XenbusState,
} from "@pvscsi/xen";
import { RingServer } from "./ring-server.js";
import { TranslationTable } from "./translation.js";
import { parseVirtualDevice, type VirtualDevice } from "./virtual-device.js";

export interface ControllerParts {
  readonly domain: BackEndDomain;
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
  /** What each node below vscsi-devs has in the table: not what it says now, which may be another's place. */
  readonly #mapped = new Map<string, VirtualDevice>();
  /** Nodes whose device could not be had before the front end came. */
  readonly #refused = new Set<string>();
  #frontendPath = "";
  #unwatch: (() => Promise<void>) | null = null;
  #ring: RingServer | null = null;
  /** What this driver wrote last; the toolstack writes 5 and 7 into the same node, which says nothing to us. */
  #state: XenbusState = XenbusState.Unknown;
  /** What the front end has broken its ring with; said, and `#failed`, at the next run. */
  #broken: ProtocolError | null = null;
  #failed = false;
  #finished = false;
  /** The nodes are gone, or another device's: nothing is written any more. */
  #removed = false;

  constructor(path: string, frontend: DomainId, parts: ControllerParts) {
    this.path = path;
    this.frontend = frontend;
    this.#parts = parts;
    this.table = new TranslationTable(`${frontend}:${this.#devid}`, parts.probes);
    this.#work = new Coalesced(
      () => this.#frontendChanged(),
      (error) => this.#say(`${error}`),
    );
  }

  get state(): XenbusState {
    return this.#state;
  }

  /** Commands under way on its ring. */
  get underWay(): number {
    return this.#ring?.underWay ?? 0;
  }

  /** Offers what it can do, says what it cannot, and waits for the front end. */
  async probe(): Promise<void> {
    const { domain, indirectLimit } = this.#parts;
    this.#frontendPath = (await domain.store.read(`${this.path}/frontend`)) ?? "";
    await this.#eachDevice((path, state) => this.#foresee(path, state));
    if (indirectLimit !== null) await domain.store.write(`${this.path}/feature-sg-grant`, String(indirectLimit));
    await this.#switchTo(XenbusState.InitWait);
    if (!this.#frontendPath.startsWith(`/local/domain/${this.frontend}/`)) {
      return this.#fail(DriverErrno.EINVAL, `frontend "${this.#frontendPath}" is not below domain ${this.frontend}`);
    }
    this.#unwatch = await domain.store.watch(`${this.#frontendPath}/state`, () => this.#work.ask());
  }

  /**
   * Takes over from a back end that ended without a word. What it had of the LUNs may be lost, so they are Closed, and their
   * commands end as those of a device that is gone. A ring that another back end still has is left alone.
   */
  async takeOver(): Promise<void> {
    const { store } = this.#parts.domain;
    this.#frontendPath = (await store.read(`${this.path}/frontend`)) ?? "";
    const ours = this.#frontendPath.startsWith(`/local/domain/${this.frontend}/`);
    const wrong = ours ? await this.#mapRing(true) : `no frontend of domain ${this.frontend}`;
    if (wrong !== null) {
      this.#finished = true;
      return this.#say(`not taken over: ${wrong}`);
    }
    await this.#eachDevice((path) => this.#writeDeviceState(path, XenbusState.Closed));
    await this.#switchTo(XenbusState.Connected);
    this.#say("taken over from a back end that has died; its LUNs are Closed");
    this.#unwatch = await store.watch(`${this.#frontendPath}/state`, () => this.#work.ask());
  }

  /** Lets go of everything; the toolstack has removed the device, or this backend ends. Writes no state. */
  async remove(): Promise<void> {
    this.#finished = this.#removed = true;
    await this.#stopWatching();
    await this.#work.idle();
    await this.#disconnect();
    await this.table.close();
  }

  /** Lets go of everything because the driver ends; its front end sees Closed, as of a module that is removed. */
  async leave(): Promise<void> {
    await this.#work.idle();
    if (!this.#finished) await this.#finish();
  }

  async #frontendChanged(): Promise<void> {
    if (this.#finished) return;
    if (this.#broken !== null && !this.#failed) await this.#fail(DriverErrno.EPROTO, this.#broken.message);
    const state = await readState(this.#parts.domain.store, this.#frontendPath);
    switch (state) {
      case XenbusState.Closing:
        await this.#disconnect();
        return this.#switchTo(XenbusState.Closing);
      case XenbusState.Closed:
        return this.#frontendClosed();
      case XenbusState.Unknown:
        return this.#finish();
      case XenbusState.Initialised:
      case XenbusState.Connected:
      case XenbusState.Reconfiguring:
        // What has failed stays so until the front end has closed.
        return this.#failed ? undefined : this.#serve(state);
      case XenbusState.Initialising:
      case XenbusState.InitWait:
      case XenbusState.Reconfigured:
        return undefined;
    }
  }

  async #serve(state: XenbusState): Promise<void> {
    if (state === XenbusState.Initialised) return this.#connect();
    if (state === XenbusState.Connected) {
      await this.#updateDevices();
      return this.#switchTo(XenbusState.Connected);
    }
    await this.#addAndDeleteDevices();
    return this.#switchTo(XenbusState.Reconfigured);
  }

  /** A front end that comes to Initialised again without having closed is not mapped twice. */
  async #connect(): Promise<void> {
    if (this.#ring !== null) return;
    const wrong = await this.#mapRing(false);
    if (wrong !== null) return this.#fail(DriverErrno.EINVAL, wrong);
    await this.#addAndDeleteDevices();
    await this.#switchTo(XenbusState.Connected);
  }

  /** Null when the ring is mapped and its port bound, else why not. */
  async #mapRing(taken: boolean): Promise<string | null> {
    const { domain, indirectLimit } = this.#parts;
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
      indirectLimit: indirectLimit ?? 0,
      taken,
      page,
      port,
      table: this.table,
      broken: (error) => this.#broke(error),
    });
    return null;
  }

  async #readFrontend(name: string): Promise<number | null> {
    return scanNumber(await this.#parts.domain.store.read(`${this.#frontendPath}/${name}`));
  }

  #broke(error: ProtocolError): void {
    this.#broken = error;
    this.#work.ask();
  }

  async #disconnect(): Promise<void> {
    const ring = this.#ring;
    this.#ring = null;
    await ring?.close();
    this.#broken = null;
    this.#failed = false;
  }

  /** An online device waits for its front end to come again, with its table as it is; an offline one is done with. */
  async #frontendClosed(): Promise<void> {
    await this.#disconnect();
    if ((await this.#parts.domain.store.read(`${this.path}/online`)) !== "1") return this.#finish();
    await this.#switchTo(XenbusState.Closed);
  }

  /** The end of this device, whatever its front end does from now on. */
  async #finish(): Promise<void> {
    this.#finished = true;
    await this.#disconnect();
    // Who sees Closed may give the devices to another guest at once.
    await this.table.close();
    await this.#switchTo(XenbusState.Closed);
    await this.#stopWatching();
  }

  async #stopWatching(): Promise<void> {
    await this.#unwatch?.();
    this.#unwatch = null;
  }

  async #addAndDeleteDevices(): Promise<void> {
    await this.#eachDevice(async (path, state) => {
      if (state === XenbusState.Initialising) await this.#addDevice(path);
      // Connected as its nodes say, but not here: they came with the domain from another host.
      else if (state === XenbusState.Connected && !this.#mapped.has(path)) await this.#addDevice(path);
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
    const virtual = (await store.read(`${path}/v-dev`)) ?? "";
    const opened = physical === null || physical === "" ? "no p-dev" : await this.#openDevice(physical, virtual);
    if (typeof opened === "string") await this.#complain(path, DriverErrno.ENODEV, opened);
    else {
      this.#mapped.set(path, opened);
      if (this.#refused.delete(path)) await store.remove(`error/${path}`);
    }
    await this.#writeDeviceState(path, typeof opened === "string" ? XenbusState.Closed : XenbusState.Initialised);
  }

  /** A device that could not be had now is told before its guest runs. It is asked for when the guest asks, whatever was said. */
  async #foresee(path: string, state: XenbusState): Promise<void> {
    const { domain, directory } = this.#parts;
    if (state !== XenbusState.Initialising) return;
    const refusal = directory.refusal?.((await domain.store.read(`${path}/p-dev`)) ?? "") ?? null;
    if (refusal === null) return;
    this.#refused.add(path);
    await this.#complain(path, DriverErrno.ENODEV, refusal);
  }

  /** Where the device is in the table now, or in words why it is not. */
  async #openDevice(physical: string, virtual: string): Promise<VirtualDevice | string> {
    const device = parseVirtualDevice(virtual);
    if (device === null) return `v-dev "${virtual}" is not hst:chn:tgt:lun`;
    if (device.lun >= MAX_LUNS) return `LUN ${device.lun} is above ${MAX_LUNS - 1}`;
    if (this.table.has(device)) return `${virtual} is in use already`;
    try {
      const adapter = `xen ${await this.#guest()} device ${this.#devid}`;
      const opened = await this.#parts.directory.open(physical, { domain: this.frontend, virtualDevice: virtual });
      if (typeof opened === "string") return opened;
      this.table.add(device, opened, adapter);
      return device;
    } catch (error) {
      return `${error}`;
    }
  }

  /** What is the same when the guest has booted again, under another number: its UUID, where this domain may read it. */
  async #guest(): Promise<string> {
    const path = await this.#parts.domain.store.read(`/local/domain/${this.frontend}/vm`).catch(() => null);
    return path?.startsWith("/vm/") ? path.slice("/vm/".length) : `domain ${this.frontend}`;
  }

  get #devid(): string {
    return this.path.slice(this.path.lastIndexOf("/") + 1);
  }

  /** As in Linux this does not wait for commands under way; the device is released when they have ended. */
  async #deleteDevice(path: string): Promise<void> {
    const device = this.#mapped.get(path);
    this.#mapped.delete(path);
    if (device !== undefined) this.table.remove(device).catch((error) => this.#say(`${path}: ${error}`));
    await this.#writeDeviceState(path, XenbusState.Closed);
  }

  async #writeDeviceState(path: string, state: XenbusState): Promise<void> {
    if (this.#removed) return;
    await this.#parts.domain.store.write(`${path}/state`, String(state));
  }

  async #switchTo(state: XenbusState): Promise<void> {
    if (state === this.#state || this.#removed) return;
    this.#state = state;
    await writeState(this.#parts.domain.store, this.path, state);
  }

  /** What cannot go on: the reason goes to the error node, the device to Closing (xenbus_dev_fatal). */
  async #fail(errno: number, reason: string): Promise<void> {
    this.#failed = true;
    await this.#complain(this.path, errno, reason);
    await this.#switchTo(XenbusState.Closing);
  }

  /** A reason that cannot be written must not keep the state from being written. */
  async #complain(path: string, errno: number, reason: string): Promise<void> {
    this.#say(path === this.path ? reason : `${path}: ${reason}`);
    try {
      await writeReason(this.#parts.domain.store, path, errno, reason);
    } catch (error) {
      this.#say(`${error}`);
    }
  }

  #say(text: string): void {
    const { probes } = this.#parts;
    if (probes.listening) probes.emit("scsiback:message", { path: this.path, text } satisfies ControllerMessage);
  }
}

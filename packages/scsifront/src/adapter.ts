// Knows one virtual host bus adapter from the guest's side: its xenbus states, its ring's beginning and end, and LUN
// hotplug. The order of node writes is that of Linux' xen-scsifront. Knows nothing of what a command means.

import {
  type AdapterEvent,
  type AdapterLimits,
  type AdapterListener,
  type AdapterManagement,
  type Address,
  type Command,
  type HostAdapter,
  HostByte,
} from "@pvscsi/scsi";
import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import {
  Coalesced,
  type Domain,
  DriverErrno,
  PAGE_SIZE,
  readState,
  scanNumber,
  VSCSIIF_MAX_COMMAND_SIZE,
  VSCSIIF_SG_TABLESIZE,
  writeReason,
  writeState,
  XenbusState,
} from "@pvscsi/xen";
import { COMMAND_SLOTS, RingClient } from "./ring-client.js";

/** SG_ALL: the most segments that Linux' scsifront uses, whatever the backend offers. */
const MOST_SEGMENTS = 128;

export interface ScsifrontParts {
  readonly domain: Domain;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
}

/** What an adapter tells those who watch it, e.g. a guest's dmesg. */
export interface AdapterMessage {
  /** Linux' name of the xenbus device. */
  readonly device: string;
  readonly text: string;
}

/** The frontend half of one device: `device/vscsi/<id>`, relative to the own domain. */
export class ScsifrontAdapter implements HostAdapter {
  readonly name = "Xen SCSI frontend driver";
  readonly driver = "scsifront";
  readonly path: string;
  readonly #parts: ScsifrontParts;
  readonly #work: Coalesced;
  #backendPath = "";
  #unwatch: (() => Promise<void>) | null = null;
  #ring: RingClient | null = null;
  #listener: AdapterListener = async () => false;
  /** What this driver wrote last. */
  #state: XenbusState = XenbusState.Initialising;
  #segments = VSCSIIF_SG_TABLESIZE;

  constructor(path: string, parts: ScsifrontParts) {
    this.path = path;
    this.#parts = parts;
    this.#work = new Coalesced(
      () => this.#backendChanged(),
      (error) => this.#say(`${error}`),
    );
  }

  /** As Linux sets them: a byte range that begins inside a page needs one segment more than it has pages. */
  get limits(): AdapterLimits {
    return {
      queueDepth: COMMAND_SLOTS,
      maxTransfer: (this.#segments - 1) * PAGE_SIZE,
      maxSegments: this.#segments,
      maxCdb: VSCSIIF_MAX_COMMAND_SIZE,
      channels: 1,
      targets: 64,
      luns: 255,
    };
  }

  get state(): XenbusState {
    return this.#state;
  }

  /** Requests on its ring. */
  get underWay(): number {
    return this.#ring?.underWay ?? 0;
  }

  /** Makes the ring, gives it to the backend, and lets `attach` make a SCSI host of this adapter. */
  async probe(attach: (adapter: HostAdapter) => void): Promise<void> {
    const { domain } = this.#parts;
    this.#backendPath = (await domain.store.read(`${this.path}/backend`)) ?? "";
    const backend = scanNumber(await domain.store.read(`${this.path}/backend-id`), 0x7fef);
    if (backend === null || !this.#backendPath.startsWith(`/local/domain/${backend}/`)) {
      return this.#fail(DriverErrno.EINVAL, `backend "${this.#backendPath}" is not below domain ${backend ?? "?"}`);
    }
    const ring = new RingClient({
      ...this.#parts,
      backend,
      broken: (error) => void this.#fail(DriverErrno.EPROTO, error.message),
    });
    this.#ring = ring;
    await domain.store.transaction(async (transaction) => {
      await transaction.write(`${this.path}/ring-ref`, String(ring.reference));
      await transaction.write(`${this.path}/event-channel`, String(ring.port));
    });
    attach(this);
    await this.#switchTo(XenbusState.Initialised);
    this.#unwatch = await domain.store.watch(`${this.#backendPath}/state`, () => this.#work.ask());
  }

  allocate(pages: number): Uint8Array[] {
    if (this.#ring === null) throw new Error(`${this.path} has no ring`);
    return this.#ring.granter.allocate(pages);
  }

  free(pages: readonly Uint8Array[]): void {
    this.#ring?.granter.free(pages);
  }

  queue(command: Command): void {
    (this.#ring as RingClient).queue(command);
  }

  manage(management: AdapterManagement): void {
    (this.#ring as RingClient).manage(management);
  }

  listen(listener: AdapterListener): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    await this.#unwatch?.();
    this.#unwatch = null;
    await this.#work.idle();
    this.#ring?.close(HostByte.noConnect);
    await this.#switchTo(XenbusState.Closed);
  }

  async #backendChanged(): Promise<void> {
    if (this.#state === XenbusState.Closed) return;
    const state = await readState(this.#parts.domain.store, this.#backendPath);
    switch (state) {
      case XenbusState.Connected:
        return this.#connected();
      case XenbusState.Reconfiguring:
        await this.#removeDevices();
        return this.#switchTo(XenbusState.Reconfiguring);
      case XenbusState.Reconfigured:
        await this.#addDevices();
        return this.#switchTo(XenbusState.Connected);
      case XenbusState.Closing:
      case XenbusState.Closed:
        return this.#disconnect();
      // Unknown is a backend that is gone: Linux waits for it, and so do the commands, until their time is out.
      case XenbusState.Unknown:
      case XenbusState.Initialising:
      case XenbusState.InitWait:
      case XenbusState.Initialised:
        return undefined;
    }
  }

  async #connected(): Promise<void> {
    await this.#readBackendParameters();
    if (this.#state === XenbusState.Initialised) await this.#addDevices();
    await this.#switchTo(XenbusState.Connected);
  }

  async #readBackendParameters(): Promise<void> {
    const offered = scanNumber(await this.#parts.domain.store.read(`${this.#backendPath}/feature-sg-grant`)) ?? 0;
    this.#segments = Math.max(VSCSIIF_SG_TABLESIZE, Math.min(offered, MOST_SEGMENTS));
    if (offered > 0) this.#say(`using up to ${this.#segments} SG entries`);
  }

  async #addDevices(): Promise<void> {
    await this.#eachDevice(XenbusState.Initialised, async (name, address) => {
      const added = inLimits(address, this.limits) && (await this.#tell({ kind: "device-added", address }));
      await this.#writeDeviceState(name, added ? XenbusState.Connected : XenbusState.Closed);
    });
  }

  async #removeDevices(): Promise<void> {
    await this.#eachDevice(XenbusState.Closing, async (name, address) => {
      await this.#tell({ kind: "device-removed", address });
      await this.#writeDeviceState(name, XenbusState.Closed);
    });
  }

  /** Visits the backend's devices that are in `wanted`; what has no readable v-dev is passed over. */
  async #eachDevice(wanted: XenbusState, visit: (name: string, address: Address) => Promise<void>): Promise<void> {
    const { store } = this.#parts.domain;
    for (const name of (await store.list(`${this.#backendPath}/vscsi-devs`)) ?? []) {
      const path = `${this.#backendPath}/vscsi-devs/${name}`;
      if ((await readState(store, path)) !== wanted) continue;
      const address = parseAddress(await store.read(`${path}/v-dev`));
      if (address !== null) await visit(name, address);
    }
  }

  async #writeDeviceState(name: string, state: XenbusState): Promise<void> {
    await this.#parts.domain.store.write(`${this.path}/vscsi-devs/${name}/state`, String(state));
  }

  async #disconnect(): Promise<void> {
    await this.#tell({ kind: "closed", reason: "the backend has closed" });
    this.#ring?.close(HostByte.noConnect);
    await this.#switchTo(XenbusState.Closed);
    await this.#unwatch?.();
    this.#unwatch = null;
  }

  async #tell(event: AdapterEvent): Promise<boolean> {
    return this.#listener(event);
  }

  async #switchTo(state: XenbusState): Promise<void> {
    if (state === this.#state) return;
    this.#state = state;
    await writeState(this.#parts.domain.store, this.path, state);
  }

  async #fail(errno: number, reason: string): Promise<void> {
    this.#say(reason);
    await writeReason(this.#parts.domain.store, this.path, errno, reason);
    await this.#switchTo(XenbusState.Closing);
  }

  #say(text: string): void {
    const { probes } = this.#parts;
    const device = `vscsi-${this.path.split("/").at(-1)}`;
    if (probes.listening) probes.emit("scsifront:message", { device, text } satisfies AdapterMessage);
  }
}

/** The ring's part of a v-dev; the virtual host number says nothing to a front end. */
function parseAddress(text: string | null): Address | null {
  const parts = /^\d{1,5}:(\d{1,5}):(\d{1,5}):(\d{1,5})$/.exec(text ?? "");
  if (parts === null) return null;
  const [channel, target, lun] = parts.slice(1).map(Number);
  return { channel, target, lun };
}

function inLimits({ channel, target, lun }: Address, limits: AdapterLimits): boolean {
  return channel < limits.channels && target < limits.targets && lun < limits.luns;
}

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
import { type Clock, fail, type Probes, type ProtocolError, type Scheduler } from "@pvscsi/wire";
import {
  Coalesced,
  type Domain,
  DomainIds,
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
/** Milliseconds: what the backend has not let go of after twice that is given up. */
const LONGEST_RELEASE = 2048;

const SETTLED: ReadonlySet<XenbusState> = new Set([XenbusState.Connected, XenbusState.Closing, XenbusState.Closed]);

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
  /** Changes when the backend says what it can. */
  limits = limitsOf(VSCSIIF_SG_TABLESIZE);
  readonly #parts: ScsifrontParts;
  readonly #work: Coalesced;
  #backendPath = "";
  #unwatch: (() => Promise<void>) | null = null;
  #ring: RingClient | null = null;
  #listener: AdapterListener = async () => false;
  #told: Promise<boolean> = Promise.resolve(true);
  #toldClosed = false;
  /** What this driver wrote last. */
  #state: XenbusState = XenbusState.Initialising;
  #settle: () => void = () => {};
  #ending: Promise<void> | null = null;
  #broken: ProtocolError | null = null;

  /** Resolves when it is connected with all its devices, or has failed or ended. */
  readonly settled = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  constructor(path: string, parts: ScsifrontParts) {
    this.path = path;
    this.#parts = parts;
    this.#work = new Coalesced(
      () => this.#backendChanged(),
      (error) => this.#say(`${error}`),
    );
  }

  get state(): XenbusState {
    return this.#state;
  }

  /** The backend half's path; empty before `probe`. */
  get backendPath(): string {
    return this.#backendPath;
  }

  /** Requests on its ring. */
  get underWay(): number {
    return this.#ring?.underWay ?? 0;
  }

  /** Makes the ring, gives it to the backend, and lets `attach` make a SCSI host of this adapter. */
  async probe(attach: (adapter: ScsifrontAdapter) => void): Promise<void> {
    const { domain } = this.#parts;
    this.#backendPath = (await domain.store.read(`${this.path}/backend`)) ?? "";
    const backend = scanNumber(await domain.store.read(`${this.path}/backend-id`), DomainIds.firstReserved - 1);
    if (backend === null || !this.#backendPath.startsWith(`/local/domain/${backend}/`)) {
      return this.#fail(DriverErrno.EINVAL, `backend "${this.#backendPath}" is not below domain ${backend ?? "?"}`);
    }
    const ring = RingClient.make({ ...this.#parts, backend, broken: (error) => this.#broke(error) });
    if (typeof ring === "string") await this.#fail(DriverErrno.ENOMEM, ring);
    else await this.#offer(ring, attach);
    this.#unwatch = await domain.store.watch(`${this.#backendPath}/state`, () => this.#work.ask());
    if (this.#state === XenbusState.Closed) await this.#unwatch();
  }

  async #offer(ring: RingClient, attach: (adapter: ScsifrontAdapter) => void): Promise<void> {
    this.#ring = ring;
    await this.#parts.domain.store.transaction(async (transaction) => {
      await transaction.write(`${this.path}/ring-ref`, String(ring.reference));
      await transaction.write(`${this.path}/event-channel`, String(ring.port));
    });
    attach(this);
    await this.#switchTo(XenbusState.Initialised);
  }

  allocate(pages: number): Uint8Array[] {
    if (this.#ring === null) throw new Error(`${this.path} has no ring`);
    return this.#ring.granter.allocate(pages);
  }

  free(pages: readonly Uint8Array[]): void {
    this.#ring?.granter.free(pages);
  }

  queue(command: Command): void {
    const { maxSegments } = this.limits;
    if (command.data.count > maxSegments) fail(`${command.data.count} segments of ${maxSegments}`);
    (this.#ring as RingClient).queue(command);
  }

  manage(management: AdapterManagement): void {
    (this.#ring as RingClient).manage(management);
  }

  listen(listener: AdapterListener): void {
    this.#listener = listener;
  }

  /** Ends what is under way with "no connection". Resolves when all is given back that the backend lets go of. */
  close(): Promise<void> {
    this.#ending ??= this.#end(() => this.#switchTo(XenbusState.Closed));
    return this.#ending;
  }

  /** The same for a device that the toolstack has removed: its nodes are gone, or another device's already. */
  remove(): Promise<void> {
    this.#ending ??= this.#end(async () => {
      this.#state = XenbusState.Closed;
      this.#settle();
    });
    return this.#ending;
  }

  /** This waits for no run of `#work`: the listener that closes the adapter may be what that run is waiting for. */
  async #end(enterClosed: () => Promise<void>): Promise<void> {
    this.#ring?.close(HostByte.noConnect);
    void this.#tellClosed("the adapter was closed");
    await enterClosed();
    await this.#unwatch?.();
    await this.#letGo();
  }

  /** The backend unmaps when it has seen us closed, and nobody tells when it has. */
  async #letGo(): Promise<void> {
    for (let delay = 1; this.#ring !== null && !this.#ring.release(); delay *= 2) {
      if (delay > LONGEST_RELEASE) return this.#say("the backend has kept pages mapped; they are not used again");
      await new Promise<void>((resolve) => this.#parts.clock.after(delay, { run: resolve }));
    }
  }

  #broke(error: ProtocolError): void {
    this.#broken = error;
    this.#work.ask();
  }

  async #backendChanged(): Promise<void> {
    if (this.#state === XenbusState.Closed) return;
    if (this.#broken !== null && this.#state !== XenbusState.Closing) {
      await this.#fail(DriverErrno.EPROTO, this.#broken.message);
    }
    const state = await readState(this.#parts.domain.store, this.#backendPath);
    if (state === XenbusState.Closing || state === XenbusState.Closed) return this.#disconnect();
    // After a failure there is no other way on.
    if (this.#state === XenbusState.Closing) return;
    switch (state) {
      case XenbusState.Connected:
        return this.#connected();
      case XenbusState.Reconfiguring:
        await this.#removeDevices();
        return this.#switchTo(XenbusState.Reconfiguring);
      case XenbusState.Reconfigured:
        await this.#addDevices();
        return this.#switchTo(XenbusState.Connected);
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
    const most = Math.max(VSCSIIF_SG_TABLESIZE, Math.min(offered, MOST_SEGMENTS));
    const lists = most === VSCSIIF_SG_TABLESIZE || (this.#ring?.granter.reserveList() ?? false);
    this.limits = limitsOf(lists ? most : VSCSIIF_SG_TABLESIZE);
    if (offered > 0) this.#say(`using up to ${this.limits.maxSegments} SG entries`);
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
    if (this.#state === XenbusState.Closed) return;
    await this.#parts.domain.store.write(`${this.path}/vscsi-devs/${name}/state`, String(state));
  }

  async #disconnect(): Promise<void> {
    await this.#tellClosed("the backend has closed");
    await this.close();
  }

  /** The last event, told once. */
  async #tellClosed(reason: string): Promise<void> {
    if (this.#toldClosed) return;
    this.#toldClosed = true;
    await this.#tell({ kind: "closed", reason });
  }

  /** Events go out one at a time, in order, also where a device is removed while a listener is busy with another. */
  #tell(event: AdapterEvent): Promise<boolean> {
    this.#told = this.#told
      .then(() => this.#listener(event))
      .catch((error) => {
        this.#say(`${event.kind}: ${error}`);
        return false;
      });
    return this.#told;
  }

  /** Closed is the end of an adapter; a run that was under way then may still come here. */
  async #switchTo(state: XenbusState): Promise<void> {
    if (state === this.#state || this.#state === XenbusState.Closed) return;
    this.#state = state;
    if (SETTLED.has(state)) this.#settle();
    await writeState(this.#parts.domain.store, this.path, state);
  }

  async #fail(errno: number, reason: string): Promise<void> {
    this.#say(reason);
    try {
      await writeReason(this.#parts.domain.store, this.path, errno, reason);
    } catch (error) {
      this.#say(`${error}`);
    }
    await this.#switchTo(XenbusState.Closing);
  }

  /** For people, and rare: told whether anybody follows the commands or not. */
  #say(text: string): void {
    const device = `vscsi-${this.path.split("/").at(-1)}`;
    this.#parts.probes.emit("scsifront:message", { device, text } satisfies AdapterMessage);
  }
}

/** As Linux sets them: a byte range that begins inside a page needs one segment more than it has pages. */
function limitsOf(segments: number): AdapterLimits {
  return {
    queueDepth: COMMAND_SLOTS,
    maxTransfer: (segments - 1) * PAGE_SIZE,
    maxSegments: segments,
    maxCdb: VSCSIIF_MAX_COMMAND_SIZE,
    channels: 1,
    targets: 64,
    luns: 255,
  };
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

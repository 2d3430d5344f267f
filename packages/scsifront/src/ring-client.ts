// Knows the front end's side of one ring: commands become requests, responses complete them.
// Knows no xenstore. scsiback's ring-server.ts is its mirror image.

import { type AdapterManagement, type Address, type Command, HostByte, Status } from "@pvscsi/scsi";
import {
  type Clock,
  copyBytes,
  Places,
  type Probes,
  ProtocolError,
  type RecordOf,
  type Runnable,
  type Scheduler,
} from "@pvscsi/wire";
import {
  type Domain,
  type DomainId,
  EventThrottle,
  FrontRing,
  type Page,
  type Port,
  SharedRing,
  VSCSIIF_ENTRY_SIZE,
  VSCSIIF_MAX_COMMAND_SIZE,
  VSCSIIF_SENSE_BUFFERSIZE,
  VscsiifAct,
  VscsiifDirection,
  VscsiifRequest,
  VscsiifReset,
  VscsiifResponse,
  vscsiifResultHost,
  vscsiifResultStatus,
} from "@pvscsi/xen";
import { Queue } from "./queue.js";
import { SegmentGranter } from "./segments.js";
import { Shadow } from "./shadow.js";

/** Entries of a ring of one page. */
export const RING_ENTRIES = 16;
/** One slot is kept for aborts and resets: with all of them stuck behind a dead device, nothing could free one. */
export const COMMAND_SLOTS = RING_ENTRIES - 1;

export interface RingClientParts {
  readonly domain: Domain;
  readonly backend: DomainId;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Called once when the backend has broken the ring; it carries nothing any more. */
  readonly broken: (error: ProtocolError) => void;
}

type Request = RecordOf<typeof VscsiifRequest>;

/** Drives one ring from its making to `close`. */
export class RingClient implements Runnable {
  readonly page: Page;
  readonly reference: number;
  readonly port: Port;
  readonly granter: SegmentGranter;
  readonly #parts: RingClientParts;
  readonly #ring: FrontRing;
  /** The request being filled in; it goes to its slot when it is complete. */
  readonly #draft = new Uint8Array(VSCSIIF_ENTRY_SIZE);
  readonly #request: Request = new VscsiifRequest(this.#draft);
  /** The response being looked at, in its slot: each of its fields is read once. */
  readonly #response: RecordOf<typeof VscsiifResponse>;
  readonly #throttle: EventThrottle;
  readonly #ranges = new Places();
  readonly #shadows = Array.from({ length: RING_ENTRIES }, (_, rqid) => new Shadow(rqid));
  readonly #free: number[] = this.#shadows.map((shadow) => RING_ENTRIES - 1 - shadow.rqid);
  readonly #waiting = new Queue<Command>();
  readonly #management = new Queue<AdapterManagement>();
  readonly #pushSoon: Runnable = { run: () => this.#pushQueued() };
  /** Whether the ring holds requests that the backend was not shown. */
  #unpushed = false;
  #state: "open" | "broken" | "closed" = "open";
  #draining = false;
  #pushQueuedAlready = false;

  /** Makes ring page, grant and an unbound event channel for `backend`. */
  constructor(parts: RingClientParts) {
    const { domain, backend } = parts;
    this.#parts = parts;
    [this.page] = domain.allocatePages(1);
    this.#ring = new FrontRing(this.page.bytes, VSCSIIF_ENTRY_SIZE);
    this.#ring.initialise();
    this.#response = new VscsiifResponse(this.page.bytes);
    this.reference = domain.grants.grant(backend, this.page, "read-write");
    const port = domain.events.allocateUnbound(backend);
    if (this.reference < 0 || typeof port === "string") {
      throw new Error(`no grant or event channel left for a ring: ${this.reference}, ${port}`);
    }
    this.port = port;
    this.granter = new SegmentGranter(domain, backend);
    this.#throttle = new EventThrottle(domain.events, port, parts.clock);
    domain.events.listen(port, this);
    this.#ranges.add(this.page.bytes, 0, SharedRing.size);
    domain.publish(0, this.#ranges, false);
    this.#ranges.clear();
  }

  queue(command: Command): void {
    if (this.#state !== "open") return refuseCommand(command, HostByte.noConnect);
    this.#waiting.push(command);
    this.#submitWaiting();
  }

  manage(management: AdapterManagement): void {
    if (this.#state !== "open") return refuseManagement(management);
    const { victim } = management;
    if (victim !== null && this.#waiting.remove(victim)) {
      refuseCommand(victim, HostByte.abort);
      management.succeeded = true;
      return management.completed(management);
    }
    this.#management.push(management);
    this.#submitWaiting();
  }

  /** The event channel's handler. */
  run(): void {
    if (this.#state !== "open") return;
    this.#draining = true;
    const taken = this.#drain();
    this.#draining = false;
    this.#submitWaiting();
    this.#push();
    this.#throttle.handled(taken > 0);
  }

  /**
   * Ends everything under way with `hostByte` and lets go of ring and port. Pages that the backend has kept mapped, and
   * the commands that point to them, stay what they are: their memory is not ours to reuse (XSA-396).
   */
  close(hostByte: number): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    const { domain } = this.#parts;
    this.#throttle.close();
    domain.events.listen(this.port, null);
    domain.events.close(this.port);
    this.#endAll(hostByte);
    if (domain.grants.revoke(this.reference)) domain.freePages([this.page]);
    if (this.#shadows.every((shadow) => !shadow.busy)) this.granter.close();
  }

  /** Requests on the ring and not yet answered. */
  get underWay(): number {
    return RING_ENTRIES - this.#free.length;
  }

  #submitWaiting(): void {
    while (this.#management.length > 0 && this.#ring.free > 0) {
      this.#submitManagement(this.#shadows[this.#free.pop() as number], this.#management.shift());
    }
    while (this.#waiting.length > 0 && this.#free.length > RING_ENTRIES - COMMAND_SLOTS) {
      const shadow = this.#shadows[this.#free.pop() as number];
      if (!this.#submitCommand(shadow, this.#waiting.first())) {
        this.#free.push(shadow.rqid);
        break;
      }
      this.#waiting.shift();
    }
    this.#pushLater();
  }

  /** False when grants have run out for now: some command under way gives its own back. */
  #submitCommand(shadow: Shadow, command: Command): boolean {
    const request = this.#beginRequest(shadow, command);
    if (!this.#fillCommand(request, shadow, command)) return false;
    this.#finishRequest(shadow, request);
    return true;
  }

  #submitManagement(shadow: Shadow, management: AdapterManagement): void {
    const request = this.#beginRequest(shadow, management);
    this.#fillManagement(request, shadow, management);
    this.#finishRequest(shadow, request);
  }

  /** A request that is all zero but for who asks and whom. */
  #beginRequest(shadow: Shadow, address: Address): Request {
    const request = this.#request;
    this.#draft.fill(0);
    request.rqid = shadow.rqid;
    request.channel = address.channel;
    request.id = address.target;
    request.lun = address.lun;
    return request;
  }

  #finishRequest(shadow: Shadow, request: Request): void {
    shadow.busy = true;
    this.page.bytes.set(this.#draft, this.#ring.slot());
    this.#unpushed = true;
    if (this.#parts.probes.listening) this.#parts.probes.emit("scsifront:request", request);
  }

  #fillCommand(request: Request, shadow: Shadow, command: Command): boolean {
    request.act = VscsiifAct.scsiCdb;
    request.cmdLen = command.cdbLength;
    copyBytes(command.cdb, 0, this.#draft, CMND, Math.min(command.cdbLength, VSCSIIF_MAX_COMMAND_SIZE));
    request.timeout = Math.min(0xffff, Math.ceil(command.timeout / 1000));
    request.dataDirection = DIRECTIONS[command.direction];
    const access = command.direction === "to-device" ? "read-only" : "read-write";
    if (!this.granter.grant(command.data, access, request, shadow, this.#ranges)) return false;
    shadow.command = command;
    return true;
  }

  /** Linux repeats the victim's CDB and direction in an abort; nobody reads them. */
  #fillManagement(request: Request, shadow: Shadow, management: AdapterManagement): void {
    const abort = management.function === "abort";
    request.act = abort ? VscsiifAct.scsiAbort : VscsiifAct.scsiReset;
    request.dataDirection = VscsiifDirection.none;
    if (abort) request.refRqid = this.#rqidOf(management.victim);
    shadow.management = management;
    shadow.grantCount = 0;
  }

  /** The rqid of a command under way; one that no request has when it is not, so that the abort fails in order. */
  #rqidOf(victim: Command | null): number {
    return this.#shadows.find((shadow) => victim !== null && shadow.command === victim)?.rqid ?? NO_RQID;
  }

  #drain(): number {
    let taken = 0;
    try {
      do {
        for (let slot = this.#ring.take(); slot >= 0; slot = this.#ring.take()) {
          taken += 1;
          this.#answered(slot);
        }
      } while (this.#ring.finalCheck(this.#ranges));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#break(error);
    }
    return taken;
  }

  #answered(slot: number): void {
    const rqid = this.#response.at(slot).rqid;
    const shadow = this.#shadows[rqid];
    if (shadow === undefined || !shadow.busy) throw new ProtocolError(`illegal rqid ${rqid} returned by backend`);
    if (this.#parts.probes.listening) this.#parts.probes.emit("scsifront:response", this.#response);
    if (!this.granter.revoke(shadow)) {
      throw new ProtocolError(`grant of request ${rqid} still in use by backend`);
    }
    if (shadow.management !== null) return this.#endManagement(shadow, this.#response.rslt === VscsiifReset.success);
    const { command } = shadow;
    if (command === null) return this.#release(shadow);
    this.#readResult(command);
    this.#endCommand(shadow, command);
  }

  #readResult(command: Command): void {
    const { rslt, residualLen, senseLen } = this.#response;
    command.hostByte = hostByteOf(rslt);
    command.status = vscsiifResultStatus(rslt);
    command.residual = Math.min(residualLen, command.data.length);
    command.senseLength = Math.min(senseLen, VSCSIIF_SENSE_BUFFERSIZE);
    copyBytes(this.page.bytes, this.#response.base + SENSE_BUFFER, command.sense, 0, command.senseLength);
  }

  #endCommand(shadow: Shadow, command: Command): void {
    shadow.command = null;
    this.#release(shadow);
    command.completed(command);
  }

  #endManagement(shadow: Shadow, succeeded: boolean): void {
    const management = shadow.management as AdapterManagement;
    shadow.management = null;
    this.#release(shadow);
    if (succeeded && management.function === "abort") this.#endVictim(management.victim);
    management.succeeded = succeeded;
    management.completed(management);
  }

  /**
   * Linux' backend never answers a command that it has aborted. The command ends here then, if the backend has let go
   * of its memory; its slot stays taken until an answer comes after all.
   */
  #endVictim(victim: Command | null): void {
    const shadow = this.#shadows.find((other) => victim !== null && other.command === victim);
    if (shadow === undefined || victim === null || !this.granter.revoke(shadow)) return;
    shadow.command = null;
    refuseCommand(victim, HostByte.abort);
  }

  #release(shadow: Shadow): void {
    shadow.busy = false;
    this.#free.push(shadow.rqid);
  }

  /** Nothing is believed any more that this backend says; what it holds no grant of ends, the rest stays held. */
  #break(error: ProtocolError): void {
    this.#state = "broken";
    this.#endAll(HostByte.error);
    this.#parts.broken(error);
  }

  #endAll(hostByte: number): void {
    for (const shadow of this.#shadows) {
      if (!shadow.busy || !this.granter.revoke(shadow)) continue;
      if (shadow.management !== null) {
        this.#endManagement(shadow, false);
      } else if (shadow.command === null) {
        this.#release(shadow);
      } else {
        failCommand(shadow.command, hostByte);
        this.#endCommand(shadow, shadow.command);
      }
    }
    while (this.#management.length > 0) refuseManagement(this.#management.shift());
    while (this.#waiting.length > 0) refuseCommand(this.#waiting.shift(), hostByte);
  }

  #pushLater(): void {
    if (this.#draining || this.#pushQueuedAlready || !this.#unpushed) return;
    this.#pushQueuedAlready = true;
    this.#parts.scheduler.soon(this.#pushSoon);
  }

  #pushQueued(): void {
    this.#pushQueuedAlready = false;
    if (this.#state === "open") this.#push();
  }

  #push(): void {
    const { domain, probes } = this.#parts;
    if (!this.#unpushed && this.#ranges.count === 0) return;
    const wanted = this.#unpushed && this.#ring.push(this.#ranges);
    this.#unpushed = false;
    if (probes.listening) probes.emit("scsifront:push", wanted);
    domain.publish(this.port, this.#ranges, wanted);
    this.#ranges.clear();
  }
}

const CMND = VscsiifRequest.offsets.cmnd;
const SENSE_BUFFER = VscsiifResponse.offsets.senseBuffer;
/** Above every shadow's index. */
const NO_RQID = 0xffff;

const DIRECTIONS = {
  "to-device": VscsiifDirection.toDevice,
  "from-device": VscsiifDirection.fromDevice,
  none: VscsiifDirection.none,
  bidirectional: VscsiifDirection.bidirectional,
} as const;

/** Old backends (Linux 4.9) shifted "no such device" by 24 bits; it means the same. Unknown values are an error. */
function hostByteOf(rslt: number): number {
  const host = vscsiifResultHost(rslt);
  if (host === HostByte.ok && rslt >>> 24 === HostByte.noConnect) return HostByte.noConnect;
  return host <= HostByte.transportMarginal ? host : HostByte.error;
}

function refuseCommand(command: Command, hostByte: number): void {
  failCommand(command, hostByte);
  command.completed(command);
}

function refuseManagement(management: AdapterManagement): void {
  management.succeeded = false;
  management.completed(management);
}

function failCommand(command: Command, hostByte: number): void {
  command.hostByte = hostByte;
  command.status = Status.good;
  command.senseLength = 0;
  command.residual = command.data.length;
}

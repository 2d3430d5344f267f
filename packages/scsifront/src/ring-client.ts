// Knows the front end's side of one ring: commands become requests, responses complete them.
// Knows no xenstore. scsiback's ring-server.ts is its mirror image.

import { type AdapterManagement, type Command, HostByte } from "@pvscsi/scsi";
import {
  type Clock,
  Places,
  type Probes,
  ProtocolError,
  Queue,
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
  VscsiifReset,
  VscsiifResponse,
} from "@pvscsi/xen";
import { failCommand, readResult, refuseCommand, refuseManagement } from "./completion.js";
import { RequestDraft } from "./draft.js";
import { allocatePage, SegmentGranter } from "./segments.js";
import { Shadow } from "./shadow.js";

/** Entries of a ring of one page. */
export const RING_ENTRIES = 16;
/** One slot is kept for aborts and resets: with all of them stuck behind a dead device, nothing could free one. */
export const COMMAND_SLOTS = RING_ENTRIES - 1;
/** Milliseconds until a command is tried again that found no grant left while nothing of this ring was under way. */
const GRANT_RETRY = 10;

export interface RingClientParts {
  readonly domain: Domain;
  readonly backend: DomainId;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Called once when the backend has broken the ring; it carries nothing any more. */
  readonly broken: (error: ProtocolError) => void;
}

/** Drives one ring from its making to `close`. */
export class RingClient implements Runnable {
  readonly page: Page;
  readonly reference: number;
  readonly port: Port;
  readonly granter: SegmentGranter;
  readonly #parts: RingClientParts;
  readonly #ring: FrontRing;
  readonly #draft = new RequestDraft();
  /** The response being looked at, in its slot: each of its fields is read once. */
  readonly #response: RecordOf<typeof VscsiifResponse>;
  readonly #throttle: EventThrottle;
  readonly #ranges = new Places();
  readonly #shadows = Array.from({ length: RING_ENTRIES }, (_, rqid) => new Shadow(rqid));
  /** Rqids that no request has, a bit each. */
  #free = (1 << RING_ENTRIES) - 1;
  #underWay = 0;
  readonly #waiting = new Queue<Command>();
  readonly #management = new Queue<AdapterManagement>();
  readonly #pushSoon: Runnable = { run: () => this.#pushQueued() };
  /** Requests put into the ring, and how many of them the backend was shown: a response to any other is none. */
  #put = 0;
  #shown = 0;
  #state: "open" | "broken" | "closed" = "open";
  #draining = false;
  #pushQueuedAlready = false;
  #retrying = false;
  readonly #retry: Runnable = { run: () => this.#submitAgain() };
  /** Whether the backend may still have the ring's page mapped. */
  #pageHeld = true;
  #closedWith: number = HostByte.ok;

  private constructor(parts: RingClientParts, page: Page, reference: number, port: Port) {
    const { domain, backend } = parts;
    this.#parts = parts;
    this.page = page;
    this.reference = reference;
    this.port = port;
    this.#ring = new FrontRing(page.bytes, VSCSIIF_ENTRY_SIZE);
    this.#ring.initialise();
    this.#response = new VscsiifResponse(page.bytes);
    this.granter = new SegmentGranter(domain, backend);
    this.#throttle = new EventThrottle(domain.events, port, parts.clock);
    domain.events.listen(port, this);
    this.#ranges.add(page.bytes, 0, SharedRing.size);
    domain.publish(0, this.#ranges, false);
    this.#ranges.clear();
  }

  /** Makes ring page, grant and an unbound event channel for `backend`; in words what has run out, if something has. */
  static make(parts: RingClientParts): RingClient | string {
    const { domain, backend } = parts;
    const port = domain.events.allocateUnbound(backend);
    if (typeof port === "string") return `no event channel for a ring: ${port}`;
    const page = allocatePage(domain, backend);
    const reference = page === null ? -1 : domain.grants.grant(backend, page, "read-write");
    if (page !== null && reference >= 0) return new RingClient(parts, page, reference, port);
    domain.events.close(port);
    if (page === null) return "no page for a ring";
    domain.freePages([page]);
    return "no grant for a ring";
  }

  queue(command: Command): void {
    if (!this.#open) return refuseCommand(command, HostByte.noConnect);
    this.#waiting.push(command);
    this.#submitWaiting();
  }

  manage(management: AdapterManagement): void {
    if (!this.#open) return refuseManagement(management);
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
    if (!this.#open) return;
    this.#draining = true;
    const taken = this.#drain();
    this.#draining = false;
    if (!this.#open) return;
    this.#submitWaiting();
    this.#push();
    this.#throttle.handled(taken > 0);
  }

  /**
   * Ends what is under way with `hostByte` and closes the port. What the backend still has mapped (pages, and the
   * commands that point to them) is not ours to reuse (XSA-396): `release` gives it back when that has ended.
   */
  close(hostByte: number): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#closedWith = hostByte;
    const { domain } = this.#parts;
    this.#throttle.close();
    domain.events.listen(this.port, null);
    domain.events.close(this.port);
    this.#endAll(hostByte);
  }

  /** After `close`: gives back what the backend has let go of since. True when nothing is held any more. */
  release(): boolean {
    const { domain } = this.#parts;
    this.#endAll(this.#closedWith);
    if (this.#pageHeld && domain.grants.revoke(this.reference)) {
      this.#pageHeld = false;
      domain.freePages([this.page]);
    }
    this.granter.freeLists();
    return this.underWay === 0 && !this.#pageHeld;
  }

  get #open(): boolean {
    return this.#state === "open";
  }

  /** Requests on the ring and not yet answered. */
  get underWay(): number {
    return this.#underWay;
  }

  #submitWaiting(): void {
    while (this.#management.length > 0 && this.#underWay < RING_ENTRIES) {
      this.#submitManagement(this.#takeShadow(), this.#management.shift());
    }
    while (this.#waiting.length > 0 && this.#underWay < COMMAND_SLOTS) {
      const shadow = this.#takeShadow();
      if (!this.#submitCommand(shadow, this.#waiting.first())) {
        this.#release(shadow);
        this.#submitLater();
        break;
      }
      this.#waiting.shift();
    }
    this.#pushLater();
  }

  /** Grants or lists have run out: an answer gives some back; without one to come, others of this domain have all grants. */
  #submitLater(): void {
    if (this.underWay > 0 || this.#retrying) return;
    this.#retrying = true;
    this.#parts.clock.after(GRANT_RETRY, this.#retry);
  }

  #submitAgain(): void {
    this.#retrying = false;
    if (this.#open) this.#submitWaiting();
  }

  /** False when grants or lists have run out for now. */
  #submitCommand(shadow: Shadow, command: Command): boolean {
    const request = this.#draft.command(shadow.rqid, command);
    if (!this.granter.grant(command, request, shadow, this.#ranges)) return false;
    shadow.command = command;
    this.#enter(shadow);
    return true;
  }

  #submitManagement(shadow: Shadow, management: AdapterManagement): void {
    this.#draft.management(shadow.rqid, management, this.#rqidOf(management.victim));
    shadow.management = management;
    shadow.grantCount = 0;
    this.#enter(shadow);
  }

  /** Puts the finished draft into the ring. */
  #enter(shadow: Shadow): void {
    shadow.busy = true;
    shadow.number = this.#put++;
    this.page.bytes.set(this.#draft.bytes, this.#ring.slot());
    if (this.#parts.probes.listening) this.#parts.probes.emit("scsifront:request", this.#draft.request);
  }

  /** The rqid of a command under way; one that no request has when it is not, so that the abort fails in order. */
  #rqidOf(victim: Command | null): number {
    return this.#shadows.find((shadow) => victim !== null && shadow.command === victim)?.rqid ?? NO_RQID;
  }

  #drain(): number {
    let taken = 0;
    try {
      do {
        for (let slot = this.#take(); slot >= 0; slot = this.#take()) {
          taken += 1;
          this.#answered(slot);
        }
      } while (this.#open && this.#ring.finalCheck(this.#ranges));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#break(error);
    }
    return taken;
  }

  /** The page is not ours any more when a completion has closed the ring. */
  #take(): number {
    return this.#open ? this.#ring.take() : -1;
  }

  #answered(slot: number): void {
    const rqid = this.#response.at(slot).rqid;
    const shadow = this.#shadows[rqid];
    if (shadow === undefined || !shadow.busy || shadow.number >= this.#shown)
      throw new ProtocolError(`illegal rqid ${rqid} returned by backend`);
    if (this.#parts.probes.listening) this.#parts.probes.emit("scsifront:response", this.#response);
    if (!this.granter.revoke(shadow)) {
      throw new ProtocolError(`grant of request ${rqid} still in use by backend`);
    }
    if (shadow.management !== null) return this.#endManagement(shadow, this.#response.rslt === VscsiifReset.success);
    const { command } = shadow;
    if (command === null) return this.#release(shadow);
    readResult(this.#response, command);
    this.#endCommand(shadow, command);
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

  /** The lowest rqid that is free, as in Linux: rings of both read alike. */
  #takeShadow(): Shadow {
    const rqid = 31 - Math.clz32(this.#free & -this.#free);
    this.#free &= ~(1 << rqid);
    this.#underWay += 1;
    return this.#shadows[rqid];
  }

  #release(shadow: Shadow): void {
    shadow.busy = false;
    this.#free |= 1 << shadow.rqid;
    this.#underWay -= 1;
  }

  /** Nothing is believed any more that this backend says; what it holds no grant of ends, the rest stays held. */
  #break(error: ProtocolError): void {
    this.#state = "broken";
    this.#throttle.close();
    this.#parts.domain.events.mask(this.port);
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
    if (this.#draining || this.#pushQueuedAlready || this.#put === this.#shown) return;
    this.#pushQueuedAlready = true;
    this.#parts.scheduler.soon(this.#pushSoon);
  }

  #pushQueued(): void {
    this.#pushQueuedAlready = false;
    if (this.#open) this.#push();
  }

  #push(): void {
    const { domain, probes } = this.#parts;
    const unseen = this.#put > this.#shown;
    if (!unseen && this.#ranges.count === 0) return;
    const wanted = unseen && this.#ring.push(this.#ranges);
    this.#shown = this.#put;
    if (unseen && probes.listening) probes.emit("scsifront:push", wanted);
    domain.publish(unseen ? this.port : 0, this.#ranges, wanted);
    this.#ranges.clear();
  }
}

/** Above every shadow's index. */
const NO_RQID = 0xffff;

// Knows one mapped ring: takes requests, makes tasks of them, answers. Knows no xenstore and no device type.
// scsifront's ring-client.ts is its mirror image.

import { HostByte, type ManagementResponse, Status, type Task } from "@pvscsi/scsi";
import {
  type Clock,
  copyBytes,
  Places,
  Pool,
  type Probes,
  ProtocolError,
  type RecordOf,
  type Runnable,
  type Scheduler,
} from "@pvscsi/wire";
import {
  type BackEndDomain,
  BackRing,
  EventThrottle,
  GrantStatus,
  type MappedPage,
  type Port,
  VSCSIIF_ENTRY_SIZE,
  VSCSIIF_MAX_COMMAND_SIZE,
  VSCSIIF_SENSE_BUFFERSIZE,
  VscsiifAct,
  VscsiifDirection,
  VscsiifRequest,
  VscsiifReset,
  VscsiifResponse,
  vscsiifResult,
} from "@pvscsi/xen";
import { Exchange } from "./exchange.js";
import { SegmentGatherer } from "./segments.js";
import type { TranslationTable, VirtualTarget } from "./translation.js";

export interface RingServerParts {
  readonly domain: BackEndDomain;
  readonly page: MappedPage;
  readonly port: Port;
  readonly table: TranslationTable;
  /** Segments an indirect request may have; 0 where none was offered. */
  readonly indirectLimit: number;
  /** Whether another back end had the ring, and has ended without a word. */
  readonly taken: boolean;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Called once when the front end has broken the ring; nothing is taken from it any more. */
  readonly broken: (error: ProtocolError) => void;
}

/** The subject of the probe `scsiback:refuse`. */
export interface Refusal {
  readonly request: RecordOf<typeof VscsiifRequest>;
  readonly reason: string;
}

type Response = RecordOf<typeof VscsiifResponse>;

/** Serves one ring from its first event to `close`. */
export class RingServer implements Runnable {
  readonly #parts: RingServerParts;
  readonly #ring: BackRing;
  readonly #response: Response;
  readonly #gatherer: SegmentGatherer;
  readonly #throttle: EventThrottle;
  readonly #ranges = new Places();
  readonly #exchanges: Pool<Exchange>;
  readonly #underWay: Exchange[] = [];
  readonly #pushSoon: Runnable = { run: () => this.#pushQueued() };
  readonly #taskEnded = (task: Task): void => this.#ended(task.context as Exchange);
  #tag = 0;
  #state: "serving" | "broken" | "closing" = "serving";
  #draining = false;
  /** Whether the ring holds responses that the front end was not shown. */
  #unpushed = false;
  #pushQueuedAlready = false;
  #idle: (() => void) | null = null;

  constructor(parts: RingServerParts) {
    this.#parts = parts;
    this.#ring = new BackRing(parts.page.bytes, VSCSIIF_ENTRY_SIZE);
    if (parts.taken) this.#ring.resume();
    this.#response = new VscsiifResponse(parts.page.bytes);
    this.#gatherer = new SegmentGatherer(parts.domain, parts.page.from, parts.indirectLimit);
    this.#throttle = new EventThrottle(parts.domain.events, parts.port, parts.clock);
    this.#exchanges = new Pool(() => this.#newExchange());
    parts.domain.events.listen(parts.port, this);
    parts.domain.notifyAtUnmap?.(parts.page, parts.port);
  }

  /** Requests taken and not yet answered. */
  get underWay(): number {
    return this.#underWay.length;
  }

  /** The event channel's handler. */
  run(): void {
    if (this.#state !== "serving") return;
    this.#draining = true;
    const taken = this.#drain();
    this.#draining = false;
    this.#push();
    this.#throttle.handled(taken > 0);
  }

  /** Takes no more requests, aborts those under way, and lets go of port and page when the last has been answered. */
  async close(): Promise<void> {
    const { domain, port, page } = this.#parts;
    this.#state = "closing";
    this.#throttle.close();
    domain.events.listen(port, null);
    // A copy: what ends leaves the list, and the last one takes its place.
    for (const exchange of [...this.#underWay]) if (exchange.request.act === VscsiifAct.scsiCdb) this.#abort(exchange);
    if (this.#underWay.length > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    // The last answers, as long as the page is ours.
    this.#push();
    domain.events.close(port);
    domain.grants.unmap(page);
  }

  /** Takes what is there, no more than the ring has slots; returns how many requests that was. */
  #drain(): number {
    let taken = 0;
    try {
      do {
        while (this.#takeOne()) taken += 1;
      } while (this.#ring.finalCheck(this.#ranges));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#break(error);
    }
    return taken;
  }

  /** As in Linux the port stays masked. What was taken before is still answered: its slots are ours. */
  #break(error: ProtocolError): void {
    this.#state = "broken";
    this.#throttle.close();
    this.#parts.domain.events.mask(this.#parts.port);
    this.#parts.broken(error);
  }

  #takeOne(): boolean {
    const exchange = this.#exchanges.take();
    let taken = false;
    try {
      taken = this.#ring.take(exchange.bytes);
    } finally {
      if (!taken) this.#exchanges.giveBack(exchange);
    }
    if (!taken) return false;
    exchange.index = this.#underWay.length;
    this.#underWay.push(exchange);
    this.#start(exchange);
    return true;
  }

  /** Checks in the order of Linux' scsiback, so that a request with two faults is refused for the same one. */
  #start(exchange: Exchange): void {
    const { request } = exchange;
    if (this.#parts.probes.listening) this.#parts.probes.emit("scsiback:request", exchange);
    if (request.dataDirection > VscsiifDirection.none) {
      return this.#refuse(exchange, HostByte.error, `data direction ${request.dataDirection}`);
    }
    if (request.cmdLen > VSCSIIF_MAX_COMMAND_SIZE) {
      return this.#refuse(exchange, HostByte.error, `a CDB of ${request.cmdLen} bytes`);
    }
    const place = this.#parts.table.find(request.channel, request.id, request.lun);
    if (place === undefined) return this.#refuse(exchange, HostByte.noConnect, "no such device");
    exchange.place = place;
    switch (request.act) {
      case VscsiifAct.scsiCdb:
        return this.#startCommand(exchange, place);
      case VscsiifAct.scsiAbort:
        return this.#startAbort(exchange);
      case VscsiifAct.scsiReset:
        return this.#startReset(exchange, place);
      default:
        return this.#refuse(exchange, HostByte.error, `act ${request.act}`);
    }
  }

  #startCommand(exchange: Exchange, place: VirtualTarget): void {
    const { request, task, loan } = exchange;
    const wrong = this.#gatherer.gather(request, loan);
    if (wrong !== null) {
      loan.count = 0;
      return this.#refuse(exchange, HostByte.error, wrong);
    }
    this.#tag = (this.#tag + 1) >>> 0;
    task.tag = this.#tag;
    task.lun = request.lun;
    task.cdb.fill(0, 0, VSCSIIF_MAX_COMMAND_SIZE);
    copyBytes(exchange.bytes, request.base + CMND, task.cdb, 0, request.cmdLen);
    task.cdbLength = request.cmdLen;
    task.direction = DIRECTIONS[request.dataDirection];
    task.data = loan.places;
    place.nexus.submit(task);
  }

  /** ABORT TASK of a command of this ring, at the logical unit that the request names. */
  #startAbort(exchange: Exchange): void {
    const { request } = exchange;
    const victim = this.#underWay.find(
      (other) =>
        other.request.act === VscsiifAct.scsiCdb &&
        other.request.rqid === request.refRqid &&
        other.request.lun === request.lun &&
        other.place === exchange.place,
    );
    if (victim === undefined) return this.#answerManagement(exchange, false);
    victim.abortAsked = true;
    this.#abort(victim, (response) => this.#answerManagement(exchange, response === "function-complete"));
  }

  #abort({ place, request, task }: Exchange, completed: (response: ManagementResponse) => void = () => {}): void {
    place?.nexus.manage({ function: "abort-task", lun: request.lun, tag: task.tag, completed });
  }

  #startReset(exchange: Exchange, { nexus }: VirtualTarget): void {
    nexus.manage({
      function: "logical-unit-reset",
      lun: exchange.request.lun,
      completed: (response) => this.#answerManagement(exchange, response === "function-complete"),
    });
  }

  #ended(exchange: Exchange): void {
    const { task } = exchange;
    // Before the loan ends, and the data with it.
    const residual = Math.max(0, task.residual);
    const delivered = this.#giveBack(exchange);
    if (task.aborted) return this.#answerHost(exchange, exchange.abortAsked ? HostByte.abort : HostByte.reset);
    if (!delivered) return this.#refuse(exchange, HostByte.error, `grant status ${exchange.loan.status}`);
    const response = this.#beginResponse(exchange);
    response.rslt = vscsiifResult(HostByte.ok, task.status);
    response.residualLen = residual;
    if (task.status === Status.checkCondition) {
      const length = Math.min(task.senseLength, VSCSIIF_SENSE_BUFFERSIZE);
      response.senseLen = length;
      copyBytes(task.sense, 0, response.bytes, response.base + SENSE_BUFFER, length);
    }
    this.#finish(exchange);
  }

  /**
   * Before the answer, always: the front end takes its pages back as soon as it sees it. False when the data has not
   * reached them.
   */
  #giveBack(exchange: Exchange): boolean {
    const { task, loan } = exchange;
    if (loan.count === 0) return true;
    const written = task.direction === "to-device" ? 0 : Math.min(task.transferLength, loan.places.length);
    this.#parts.domain.giveBack(loan, written);
    loan.count = 0;
    return loan.status === GrantStatus.okay;
  }

  /** Answers what is wrong with the request itself, and tells those who listen why. */
  #refuse(exchange: Exchange, hostByte: number, reason: string): void {
    const { probes } = this.#parts;
    if (probes.listening) probes.emit("scsiback:refuse", { request: exchange.request, reason } satisfies Refusal);
    this.#answerHost(exchange, hostByte);
  }

  #answerHost(exchange: Exchange, hostByte: number): void {
    this.#beginResponse(exchange).rslt = vscsiifResult(hostByte, Status.good);
    this.#finish(exchange);
  }

  /** The whole word is the answer here; it is no host byte and status (vscsiif.h). */
  #answerManagement(exchange: Exchange, done: boolean): void {
    this.#beginResponse(exchange).rslt = done ? VscsiifReset.success : VscsiifReset.failed;
    this.#finish(exchange);
  }

  /** The next response slot, which the ring has zeroed, with the request's id. */
  #beginResponse(exchange: Exchange): Response {
    const response = this.#response.at(this.#ring.slot());
    response.rqid = exchange.request.rqid;
    return response;
  }

  #finish(exchange: Exchange): void {
    if (this.#parts.probes.listening) this.#parts.probes.emit("scsiback:response", this.#response);
    this.#unpushed = true;
    this.#forget(exchange);
    if (this.#draining || this.#pushQueuedAlready) return;
    this.#pushQueuedAlready = true;
    this.#parts.scheduler.soon(this.#pushSoon);
  }

  #forget(exchange: Exchange): void {
    const last = this.#underWay.pop() as Exchange;
    if (last !== exchange) {
      this.#underWay[exchange.index] = last;
      last.index = exchange.index;
    }
    exchange.place = null;
    exchange.abortAsked = false;
    this.#exchanges.giveBack(exchange);
    if (this.#underWay.length === 0) this.#idle?.();
  }

  #pushQueued(): void {
    this.#pushQueuedAlready = false;
    this.#push();
  }

  #push(): void {
    const { domain, port, probes } = this.#parts;
    const unseen = this.#unpushed;
    if (!unseen && this.#ranges.count === 0) return;
    const wanted = unseen && this.#ring.push(this.#ranges);
    this.#unpushed = false;
    if (unseen && probes.listening) probes.emit("scsiback:push", wanted);
    domain.publish(unseen ? port : 0, this.#ranges, wanted);
    this.#ranges.clear();
  }

  #newExchange(): Exchange {
    const exchange = new Exchange();
    exchange.task.context = exchange;
    exchange.task.completed = this.#taskEnded;
    return exchange;
  }
}

const CMND = VscsiifRequest.offsets.cmnd;
const SENSE_BUFFER = VscsiifResponse.offsets.senseBuffer;
/** By vscsiif's number. Bidirectional has one buffer only, which may be used either way. */
const DIRECTIONS = ["bidirectional", "to-device", "from-device", "none"] as const;

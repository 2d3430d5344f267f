// Knows a host's commands under way: tags, pages, retries, pauses, deadlines. What a command is for, its owner knows; what to
// do when one does not come back, recovery.ts does.

import { type Command, type HostAdapter, HostByte, Status } from "@pvscsi/scsi";
import { assert, type Clock, never, type Runnable, type Scheduler, type Timer } from "@pvscsi/wire";
import { BLOCK_STATUS, type BlockStatus } from "./block-status.js";
import { decide, decidePassThrough } from "./disposition.js";
import { printAnswer, printTooOld } from "./report.js";
import { Request } from "./request.js";
import { type PageShortage, type PageWaiter, RequestPages } from "./request-pages.js";

/** Somebody who waits for a request, or for pages, to become free; a record of a queue, so waiting allocates nothing. */
export interface Waiter {
  /** True while it waits. */
  waiting: boolean;
  nextWaiter: Waiter | null;
  /** A request may be free now: take one. */
  resume(): void;
}

/** What a command is handed to when it does not come back, or comes back past understanding. */
export interface ErrorHandler {
  timedOut(request: Request): void;
  failed(request: Request): void;
  /** A request left the state "queued"; the handler may have waited for that. */
  settled(): void;
}

/** Linux's SCSI_QUEUE_DELAY: after a busy device, in milliseconds. */
const PAUSE = 3;
/** Tries that are made at once before pauses begin; Linux has no pause, and spins. */
const AT_ONCE = 5;

export class RequestQueue implements PageWaiter {
  readonly adapter: HostAdapter;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #requests: Request[] = [];
  readonly #free: Request[] = [];
  readonly #shortage: PageShortage;
  readonly #pages: RequestPages;
  #firstWaiter: Waiter | null = null;
  #lastWaiter: Waiter | null = null;
  /** The waiter whose turn it is, until it has taken something. */
  #called: Waiter | null = null;
  #paused: Request[] = [];
  #pauseTimer: Timer | null = null;
  #deadlineTimer: Timer | null = null;
  /** The error handler is at work: nothing is queued meanwhile. */
  #held = false;
  #closed = false;
  handler: ErrorHandler | null = null;
  readonly #sweep: Runnable = { run: () => this.#sweepDeadlines() };
  readonly #resume: Runnable = { run: () => this.#endPause() };

  constructor(adapter: HostAdapter, clock: Clock, scheduler: Scheduler, shortage: PageShortage) {
    this.adapter = adapter;
    this.#shortage = shortage;
    this.#pages = new RequestPages(adapter, shortage, { all: this.#requests, free: this.#free });
    this.#clock = clock;
    this.#scheduler = scheduler;
    for (let tag = adapter.limits.queueDepth - 1; tag >= 0; tag--) this.#free.push(this.#newRequest(tag));
    this.#requests.push(...[...this.#free].reverse());
  }

  #newRequest(tag: number): Request {
    return new Request(
      tag,
      this.adapter,
      (request) => this.#send(request),
      (command) => this.#completed(command),
    );
  }

  /** Requests in state "queued" or "aborting": what the error handler waits for. */
  get underWay(): number {
    return this.#requests.filter(({ state }) => state === "queued" || state === "aborting").length;
  }

  /**
   * A free request with `most` pages, or with fewer, `least` of them, when there are too few; or null, and then the waiter is
   * resumed when there may be one. When there are no pages, and none will come back, it is a `starved` one.
   */
  take(waiter: Waiter, most = 0, least = Math.min(most, 1)): Request | null {
    const called = this.#called === waiter;
    if (called) this.#called = null;
    const first = called || this.#firstWaiter === null;
    if (this.#held || this.#free.length === 0 || !first) return this.#enqueue(waiter, false);
    const request = this.#free[this.#free.length - 1];
    // After the end it is refused, whatever it has.
    request.starved = this.#closed;
    if (most > 0 && !this.#closed && !this.#pages.take(request, least, most)) {
      if (this.#shortage.willEnd) {
        this.#shortage.wait(this);
        return this.#enqueue(waiter, called);
      }
      request.starved = true;
    }
    this.#free.pop();
    return request;
  }

  #enqueue(waiter: Waiter, inFront: boolean): null {
    if (waiter.waiting) return null;
    waiter.waiting = true;
    waiter.nextWaiter = inFront ? this.#firstWaiter : null;
    if (inFront) this.#firstWaiter = waiter;
    else if (this.#lastWaiter !== null) this.#lastWaiter.nextWaiter = waiter;
    this.#firstWaiter ??= waiter;
    if (waiter.nextWaiter === null) this.#lastWaiter = waiter;
    return null;
  }

  /** Lets whoever waits take what is free, in turn; one that wants more goes to the end, one that found nothing stays first. */
  #wake(): void {
    while (!this.#held && this.#free.length > 0 && this.#firstWaiter !== null) {
      const waiter = this.#firstWaiter;
      this.#firstWaiter = waiter.nextWaiter;
      if (this.#firstWaiter === null) this.#lastWaiter = null;
      waiter.waiting = false;
      this.#called = waiter;
      waiter.resume();
      this.#called = null;
      if (this.#firstWaiter === waiter) return;
    }
  }

  pagesFreed(): void {
    this.#wake();
  }

  /** Begins a request that its taker has filled in: owner, device, timeout, allowed, passThrough. */
  start(request: Request): void {
    request.retries = 0;
    request.uncounted = 0;
    request.begun = this.#clock.now();
    if (request.starved || this.#closed || refuses(request)) return this.#refuse(request);
    request.owner?.prepare(request);
    this.#queue(request, request.begun);
  }

  giveBack(request: Request): void {
    assert(!request.held, `tag ${request.tag} given back while the adapter holds it`);
    request.state = "free";
    request.owner = null;
    request.device = null;
    request.work = null;
    this.#free.push(request);
    this.#pages.giveBack(request);
    this.#shortage.tell(this);
    this.#wake();
  }

  /** Sends a request again. */
  #send(request: Request): void {
    if (this.#closed || refuses(request)) this.#refuse(request);
    else this.#queue(request, this.#clock.now());
  }

  #queue(request: Request, now: number): void {
    if (this.#held) return this.#pause(request);
    request.deadline = now + request.timeout;
    this.#arm(request.deadline);
    request.send();
  }

  #refuse(request: Request): void {
    const starved = request.starved && !this.#closed;
    request.command.hostByte = starved ? HostByte.error : HostByte.noConnect;
    request.command.senseLength = 0;
    request.owner?.finished(request, starved ? BLOCK_STATUS.resource : BLOCK_STATUS.offline);
  }

  #completed(command: Command): void {
    const request = command.context as Request;
    assert(request.held, `tag ${request.tag} completed twice`);
    request.held = false;
    switch (request.state) {
      case "queued":
        this.settle(request);
        break;
      case "returning":
        this.conclude(request, request.verdict);
        break;
      case "aborting":
      case "failed":
        break;
      case "free":
      case "pausing":
        assert(false, `tag ${request.tag} completed while ${request.state}`);
        break;
      default:
        never(request.state);
    }
    if (this.#held) this.handler?.settled();
  }

  /** Decides about a command that came back. */
  settle(request: Request): void {
    const { command } = request;
    if (request.device !== null) printAnswer(request.device, command);
    const { action, status } = request.passThrough ? decidePassThrough(command) : decide(command);
    switch (action) {
      case "good":
        request.owner?.finished(request, null);
        break;
      case "retry":
        this.retryOrFail(request, status);
        break;
      case "again":
      case "later":
        if (this.#tooOld(request)) request.owner?.finished(request, status);
        else if (action === "again" && request.uncounted++ < AT_ONCE) this.#soon(request);
        else this.#pause(request);
        break;
      case "recover":
        request.state = "failed";
        this.handler?.failed(request);
        break;
      case "fail":
        request.owner?.finished(request, status);
        break;
      default:
        never(action);
    }
  }

  /** Tries again, counted, or fails with what the command now says. */
  retryOrFail(request: Request, status: BlockStatus): void {
    if (++request.retries > request.allowed || this.#tooOld(request)) request.owner?.finished(request, status);
    else this.#soon(request);
  }

  /** Ends the error handler's work at a request, once the adapter let go of its memory. */
  conclude(request: Request, verdict: "retry" | "fail"): void {
    if (request.held && request.borrowed) {
      request.state = "returning";
      request.verdict = verdict;
      return;
    }
    const prepared = !request.held || this.#prepareAgain(request);
    const { command } = request;
    if (command.hostByte === HostByte.abort || (command.hostByte === HostByte.ok && command.status === Status.good)) {
      command.hostByte = HostByte.timeOut;
    }
    // Whoever passed a command through decides about another try (scsi_noretry_cmd).
    if (verdict === "retry" && prepared && !request.passThrough) this.retryOrFail(request, BLOCK_STATUS.io);
    else request.owner?.finished(request, BLOCK_STATUS.io);
  }

  /** With another command, and other pages; false when there are none. */
  #prepareAgain(request: Request): boolean {
    const { pages } = request;
    request.abandon(() => this.#pages.returned(pages));
    if (!this.#pages.take(request, pages.length, pages.length)) return false;
    request.owner?.prepare(request);
    return true;
  }

  /** Linux gives a command (retries + 1) times its time, whatever the reason for which it was queued again. */
  #tooOld(request: Request): boolean {
    const limit = (request.allowed + 1) * request.timeout;
    if (this.#clock.now() - request.begun < limit) return false;
    if (!request.passThrough) printTooOld(request, limit);
    return true;
  }

  #soon(request: Request): void {
    request.state = "pausing";
    this.#scheduler.soon(request);
  }

  #pause(request: Request): void {
    request.state = "pausing";
    this.#paused.push(request);
    this.#pauseTimer ??= this.#clock.after(PAUSE, this.#resume);
  }

  #endPause(): void {
    this.#pauseTimer = null;
    if (this.#held) return;
    const paused = this.#paused;
    this.#paused = [];
    for (const request of paused) this.#send(request);
  }

  #arm(deadline: number): void {
    if (this.#deadlineTimer !== null) {
      if (this.#deadlineTimer.due <= deadline) return;
      this.#clock.cancel(this.#deadlineTimer);
    }
    this.#deadlineTimer = this.#clock.after(deadline - this.#clock.now(), this.#sweep);
  }

  #sweepDeadlines(): void {
    this.#deadlineTimer = null;
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const request of this.#requests) {
      if (request.state !== "queued") continue;
      if (request.deadline <= now) this.handler?.timedOut(request);
      else next = Math.min(next, request.deadline);
    }
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
  }

  /** Queues nothing until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    if (this.#pauseTimer !== null) this.#clock.cancel(this.#pauseTimer);
    this.#endPause();
    this.#wake();
  }

  /** Ends: the adapter gives all commands back, whoever waits is refused, no timer is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.adapter.close();
    if (this.#deadlineTimer !== null) this.#clock.cancel(this.#deadlineTimer);
    this.release();
    this.#pages.close();
  }
}

function refuses({ device }: Request): boolean {
  if (device?.state === "offline") device.printRefusal();
  return device?.state === "offline" || device?.state === "removed";
}

// Knows how one command is passed through to a device and its answer awaited: for probing, and for sg_raw.

import { type Command, type DataDirection, type DecodedSense, HostByte, Status } from "@pvscsi/scsi";
import type { BlockStatus } from "./block-status.js";
import type { ScsiDevice } from "./device.js";
import { senseOf } from "./disposition.js";
import { PAGE, type Request, type RequestOwner } from "./request.js";
import type { RequestQueue, Waiter } from "./request-queue.js";

export interface PassThroughOptions {
  /** Bytes to receive at most. */
  readonly receive?: number;
  /** Bytes to send. */
  readonly send?: Uint8Array;
  /** Milliseconds; 30 seconds where absent. */
  readonly timeout?: number;
  /** Retries after failures of the transport; none where absent. */
  readonly retries?: number;
}

/** How a command that was passed through ended. */
export interface Outcome {
  readonly hostByte: number;
  readonly status: number;
  readonly sense: DecodedSense | null;
  /** The sense data as it came. */
  readonly senseData: Uint8Array;
  /** What was received: at most what was asked for. */
  readonly data: Uint8Array;
  /** Came back, and with status GOOD. */
  readonly good: boolean;
}

const DEFAULT_TIMEOUT = 30_000;
const NOTHING = new Uint8Array(0);

/** Sends one command and waits for its end. It never throws: whatever happens is in the outcome. */
export function passThrough(
  queue: RequestQueue,
  device: ScsiDevice,
  cdb: Uint8Array,
  options: PassThroughOptions = {},
): Promise<Outcome> {
  return new Promise((resolve) => new PassedCommand(queue, device, cdb, options, resolve).resume());
}

class PassedCommand implements RequestOwner, Waiter {
  readonly name = "pass-through";
  waiting = false;
  nextWaiter: Waiter | null = null;
  readonly #queue: RequestQueue;
  readonly #device: ScsiDevice;
  readonly #cdb: Uint8Array;
  readonly #options: PassThroughOptions;
  readonly #resolve: (outcome: Outcome) => void;

  constructor(
    queue: RequestQueue,
    device: ScsiDevice,
    cdb: Uint8Array,
    options: PassThroughOptions,
    resolve: (outcome: Outcome) => void,
  ) {
    this.#queue = queue;
    this.#device = device;
    this.#cdb = cdb;
    this.#options = options;
    this.#resolve = resolve;
  }

  resume(): void {
    const { receive = 0, send = NOTHING } = this.#options;
    const pages = Math.ceil(Math.max(receive, send.length) / PAGE);
    const request = this.#queue.take(this, pages, pages);
    if (request === null) return;
    request.owner = this;
    request.device = this.#device;
    request.passThrough = true;
    request.timeout = this.#options.timeout ?? DEFAULT_TIMEOUT;
    request.allowed = this.#options.retries ?? 0;
    this.#queue.start(request);
  }

  prepare(request: Request): void {
    const { receive = 0, send = NOTHING } = this.#options;
    const { command } = request;
    request.address(this.#device);
    command.cdb.set(this.#cdb);
    command.cdbLength = this.#cdb.length;
    command.direction = directionOf(receive, send.length);
    request.usePages(Math.max(receive, send.length));
    command.data.fill(0);
    command.data.write(send);
  }

  finished(request: Request, _failure: BlockStatus | null): void {
    const outcome = outcomeOf(request.command, this.#options.receive ?? 0);
    this.#queue.giveBack(request);
    this.#resolve(outcome);
  }
}

/** What became of a command that had room for `receive` bytes. */
export function outcomeOf(command: Command, receive: number): Outcome {
  const received = Math.max(0, receive - command.residual);
  const data = new Uint8Array(command.hostByte === HostByte.ok ? received : 0);
  command.data.read(data);
  return {
    hostByte: command.hostByte,
    status: command.status,
    sense: senseOf(command),
    senseData: command.sense.slice(0, command.senseLength),
    data,
    good: command.hostByte === HostByte.ok && command.status === Status.good,
  };
}

export function directionOf(receive: number, send: number): DataDirection {
  if (receive > 0) return "from-device";
  return send > 0 ? "to-device" : "none";
}

// Knows the control queue of virtio-scsi (virtio 1.3, 5.6.6.2): task management, and asynchronous notifications, of
// which there are none here.

import type { ManagementResponse, Nexus } from "@pvscsi/scsi";
import { type Probes, ProtocolError, type Scheduler } from "@pvscsi/wire";
import {
  ControlType,
  ManagementRequestBytes,
  ManagementSubtype,
  NotificationRequest,
  NotificationResponse,
  Response,
} from "../abi/scsi.js";
import { Chain } from "../chain.js";
import type { DeviceRing } from "../device.js";
import { ExchangePool } from "../exchange-pool.js";
import { type QueueHandler, QueueServer } from "../queue-server.js";
import type { SplitDeviceQueue } from "../split-device-queue.js";
import type { Exchange } from "./exchange.js";
import { ScsiAddress } from "./lun.js";

export interface ControlQueueParts {
  readonly ring: DeviceRing;
  readonly features: bigint;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly nexusFor: (address: ScsiAddress) => Nexus | undefined;
  /** The commands under way in all request queues. */
  readonly underWay: () => readonly Exchange[];
  /** Shows the driver all commands that have ended. */
  readonly publishCommands: () => void;
}

/** A request of the control queue under way: its copy, and what it is taken for. */
export class ControlExchange {
  pooled = true;
  readonly chain = new Chain();
  readonly bytes = new Uint8Array(ManagementRequestBytes.size);
  readonly management = new ManagementRequestBytes(this.bytes);
  readonly notification = new NotificationRequest(this.bytes);
  readonly answer = new Uint8Array(NotificationResponse.size);
  readonly notified = new NotificationResponse(this.answer);
  readonly address = new ScsiAddress();
}

/** What a nexus says, in virtio's numbers; a task that is not there any more is as good as aborted (SAM-5, ABORT TASK). */
const RESPONSES: { readonly [Said in ManagementResponse]: number } = {
  "function-complete": Response.ok,
  "function-succeeded": Response.functionSucceeded,
  "task-does-not-exist": Response.ok,
  "incorrect-logical-unit-number": Response.incorrectLun,
};

export class ControlQueue implements QueueHandler {
  readonly #parts: ControlQueueParts;
  readonly #server: QueueServer;
  readonly #exchanges = new ExchangePool(() => new ControlExchange());

  /** Throws ProtocolError where the ring's areas cannot be those of a ring. */
  constructor(parts: ControlQueueParts) {
    this.#parts = parts;
    const { ring, features, scheduler } = parts;
    this.#server = new QueueServer({ ring, features, scheduler, handler: this });
  }

  kick(): void {
    this.#server.kick();
  }

  stop(): Promise<number> {
    return this.#server.stop();
  }

  takeOne(queue: SplitDeviceQueue): boolean {
    const exchange = this.#exchanges.takeFrom(queue, parse);
    if (exchange !== null) this.#start(exchange);
    return exchange !== null;
  }

  #start(exchange: ControlExchange): void {
    const { management, bytes, address } = exchange;
    const form = FORMS[management.type];
    // As QEMU: what nobody knows is given back without an answer.
    if (form === undefined) return this.#finish(exchange, 0);
    address.read(bytes, form.lun);
    if (this.#parts.probes.listening) this.#parts.probes.emit("virtio-scsi:control", exchange);
    const nexus = this.#parts.nexusFor(address);
    if (management.type !== ControlType.taskManagement) return this.#notify(exchange, nexus);
    if (nexus === undefined) return this.#answer(exchange, Response.badTarget);
    this.#manage(exchange, nexus);
  }

  /** No logical unit here sends asynchronous events: nothing of what was asked for can be had. */
  #notify(exchange: ControlExchange, nexus: Nexus | undefined): void {
    const { notified, answer, chain } = exchange;
    notified.eventActual = 0;
    notified.response = nexus === undefined ? Response.badTarget : Response.ok;
    chain.writable.write(answer);
    this.#finish(exchange, answer.length);
  }

  #manage(exchange: ControlExchange, nexus: Nexus): void {
    const { lun } = exchange.address;
    const completed = (response: ManagementResponse): void => this.#answer(exchange, RESPONSES[response]);
    switch (exchange.management.subtype) {
      case ManagementSubtype.abortTask:
        return this.#abort(exchange, nexus);
      case ManagementSubtype.abortTaskSet:
        this.#mark(exchange, Response.aborted);
        return nexus.manage({ function: "abort-task-set", lun, completed });
      case ManagementSubtype.clearTaskSet:
        this.#mark(exchange, Response.failure);
        return nexus.manage({ function: "clear-task-set", lun, completed });
      case ManagementSubtype.nexusReset:
        return nexus.manage({ function: "i-t-nexus-reset", lun, completed });
      case ManagementSubtype.logicalUnitReset:
        return nexus.manage({ function: "logical-unit-reset", lun, completed });
      case ManagementSubtype.queryTask:
        return nexus.manage({ function: "query-task", lun, tag: this.#find(exchange)?.task.tag ?? NO_TAG, completed });
      case ManagementSubtype.queryTaskSet:
        return nexus.manage({ function: "query-task-set", lun, completed });
      default:
        return this.#answer(exchange, Response.functionRejected);
    }
  }

  #abort(exchange: ControlExchange, nexus: Nexus): void {
    const victim = this.#find(exchange);
    if (victim !== undefined) victim.ending = Response.aborted;
    nexus.manage({
      function: "abort-task",
      lun: exchange.address.lun,
      tag: victim?.task.tag ?? NO_TAG,
      completed: (response) => this.#answer(exchange, RESPONSES[response]),
    });
  }

  #find({ address, management: { tagLow, tagHigh } }: ControlExchange): Exchange | undefined {
    return this.#parts.underWay().find((command) => command.is(address, tagLow, tagHigh));
  }

  #mark({ address: { target, lun } }: ControlExchange, ending: number): void {
    for (const command of this.#parts.underWay()) if (command.isAt(target, lun)) command.ending = ending;
  }

  /** The driver has seen all commands that the function ended before it sees that (5.6.6.2). */
  #answer(exchange: ControlExchange, response: number): void {
    exchange.answer[0] = response;
    exchange.chain.writable.write(exchange.answer.subarray(0, 1));
    this.#parts.publishCommands();
    this.#finish(exchange, 1);
  }

  #finish(exchange: ControlExchange, written: number): void {
    this.#server.finish(exchange.chain, written);
    this.#exchanges.giveBack(exchange);
  }
}

const TYPE_SIZE = 4;
/** No task under way has it. */
const NO_TAG = -1;

/** By type: where the LUN lies, and the sizes of request and response. */
interface ControlForm {
  readonly lun: number;
  readonly fits: (readable: number, writable: number) => boolean;
}

function form(
  request: { readonly size: number; readonly offsets: { readonly lun: number } },
  answer: number,
): ControlForm {
  return {
    lun: request.offsets.lun,
    fits: (readable, writable) => readable >= request.size && writable >= answer,
  };
}

const FORMS: { readonly [type: number]: ControlForm | undefined } = {
  [ControlType.taskManagement]: form(ManagementRequestBytes, 1),
  [ControlType.notificationQuery]: form(NotificationRequest, NotificationResponse.size),
  [ControlType.notificationSubscribe]: form(NotificationRequest, NotificationResponse.size),
};

/** All types begin with their number. */
function parse({ chain: { readable, writable }, bytes, management }: ControlExchange): void {
  bytes.fill(0);
  readable.read(bytes);
  const form = FORMS[management.type];
  if (readable.length < TYPE_SIZE || (form !== undefined && !form.fits(readable.length, writable.length))) {
    throw new ProtocolError(`a control request of type ${management.type} with ${readable.length} bytes`);
  }
}

// Knows a request queue of virtio-scsi: takes commands, makes tasks of them, answers (virtio 1.3, 5.6.6.1).

import { type Nexus, Status, type Task } from "@pvscsi/scsi";
import { copyBytes, type Probes, ProtocolError, type Scheduler } from "@pvscsi/wire";
import { CommandRequest, CommandResponse, Response, TASK_ATTRIBUTES } from "../abi/scsi.js";
import type { DeviceRing } from "../device.js";
import { ExchangePool } from "../exchange-pool.js";
import { type QueueHandler, QueueServer } from "../queue-server.js";
import type { SplitDeviceQueue } from "../split-device-queue.js";
import { type CommandSizes, Exchange } from "./exchange.js";
import type { ScsiAddress } from "./lun.js";

/** What a request queue asks its device. */
export interface RequestQueueParts {
  readonly ring: DeviceRing;
  readonly features: bigint;
  readonly sizes: CommandSizes;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  /** Gives a number that no task of this device has, whichever queue it came by. */
  readonly newTag: () => number;
  /** The nexus to the target that is named, if there is one. */
  readonly nexusFor: (address: ScsiAddress) => Nexus | undefined;
}

export class RequestQueue implements QueueHandler {
  readonly #parts: RequestQueueParts;
  readonly #server: QueueServer;
  readonly #exchanges: ExchangePool<Exchange>;
  readonly #underWay: Exchange[] = [];
  readonly #taskEnded = (task: Task): void => this.#ended(task.context as Exchange);

  /** Throws ProtocolError where the ring's areas cannot be those of a ring. */
  constructor(parts: RequestQueueParts) {
    this.#parts = parts;
    this.#exchanges = new ExchangePool(() => this.#newExchange());
    const { ring, features, scheduler } = parts;
    this.#server = new QueueServer({ ring, features, scheduler, handler: this });
  }

  /** Commands taken and not yet answered. */
  get underWay(): readonly Exchange[] {
    return this.#underWay;
  }

  kick(): void {
    this.#server.kick();
  }

  publish(): void {
    this.#server.publish();
  }

  stop(): Promise<number> {
    return this.#server.stop();
  }

  takeOne(queue: SplitDeviceQueue): boolean {
    const exchange = this.#exchanges.takeFrom(queue, parse);
    if (exchange === null) return false;
    exchange.index = this.#underWay.length;
    this.#underWay.push(exchange);
    this.#start(exchange);
    return true;
  }

  #start(exchange: Exchange): void {
    const { chain, bytes, answer, address, task, data } = exchange;
    if (this.#parts.probes.listening) this.#parts.probes.emit("virtio-scsi:request", exchange);
    const out = chain.readable.length > bytes.length;
    const both = out && chain.writable.length > answer.length;
    if (both) return this.#answer(exchange, Response.failure);
    const nexus = this.#parts.nexusFor(address);
    if (nexus === undefined) return this.#answer(exchange, Response.badTarget);
    task.lun = address.lun;
    const { cdb } = this.#parts.sizes;
    copyBytes(bytes, CommandRequest.size, task.cdb, 0, cdb);
    task.cdbLength = cdb;
    task.attribute = TASK_ATTRIBUTES[exchange.request.taskAttr] ?? "reserved";
    task.direction = out ? "to-device" : data.length > 0 ? "from-device" : "none";
    task.data = data;
    nexus.submit(task);
  }

  #ended(exchange: Exchange): void {
    const { task } = exchange;
    if (task.aborted) return this.#answer(exchange, exchange.ending);
    const overrun = task.status === Status.good && task.residual < 0;
    this.#answer(exchange, overrun ? Response.overrun : Response.ok);
  }

  /** The whole response is written, sense data or not: what is behind it counts as written only with what is before. */
  #answer(exchange: Exchange, code: number): void {
    const { chain, response, answer, task, data } = exchange;
    const processed = code === Response.ok || code === Response.overrun;
    answer.fill(0);
    response.response = code;
    response.resid = processed ? Math.max(0, task.residual) : data.length;
    if (processed) {
      response.status = task.status;
      const length = Math.min(task.senseLength, answer.length - CommandResponse.size);
      response.senseLen = length;
      copyBytes(task.sense, 0, answer, CommandResponse.size, length);
    }
    chain.writable.write(answer);
    const received = processed && task.direction === "from-device" ? data.length - response.resid : 0;
    if (this.#parts.probes.listening) this.#parts.probes.emit("virtio-scsi:response", exchange);
    this.#finish(exchange, answer.length + received);
  }

  #finish(exchange: Exchange, written: number): void {
    const last = this.#underWay.pop() as Exchange;
    if (last !== exchange) {
      this.#underWay[exchange.index] = last;
      last.index = exchange.index;
    }
    exchange.ending = Response.reset;
    this.#server.finish(exchange.chain, written);
    this.#exchanges.giveBack(exchange);
  }

  #newExchange(): Exchange {
    const exchange = new Exchange(this.#parts.sizes);
    exchange.task.context = exchange;
    exchange.task.completed = this.#taskEnded;
    exchange.task.tag = this.#parts.newTag();
    return exchange;
  }
}

const LUN = CommandRequest.offsets.lun;

/** Where descriptors begin and end says nothing about where the parts do (5.6.6.1). */
function parse({ chain, bytes, answer, request, address, data }: Exchange): void {
  const { readable, writable } = chain;
  if (readable.length < bytes.length || writable.length < answer.length) {
    throw new ProtocolError(
      `a virtio-scsi command with headers of ${readable.length} and ${writable.length} bytes, not ${bytes.length} and ${answer.length}`,
    );
  }
  readable.read(bytes);
  address.read(bytes, request.base + LUN);
  const out = readable.length - bytes.length;
  if (out > 0) data.select(readable, bytes.length, out);
  else data.select(writable, answer.length, writable.length - answer.length);
}

// Knows a logical unit that is a real device behind a host adapter: each command goes there as it is, and what comes back is told
// unchanged. Knows neither the device's type nor the wire to it.

import { assert, type Clock, Pool, type Runnable, type Timer } from "@pvscsi/wire";
import { type Address, type Command, type HostAdapter, HostByte } from "../adapter.js";
import { COMMANDS } from "../cdb.js";
import { ASKS } from "../device/rows.js";
import { CommandTable, check, type DeviceServer, invalidField, row } from "../device-server.js";
import type { LogicalUnit, UnitPlace } from "../logical-unit.js";
import { endWithSense, SENSE } from "../sense.js";
import { reportLuns } from "../spc.js";
import { Status, type Task, type TaskNexus } from "../task.js";
import { TaskSet } from "../task-set.js";
import { directionOf } from "./direction.js";
import { loadsFirmware, type PassFilter, passes } from "./filter.js";
import { Passage } from "./passage.js";
import { endLost } from "./transport-failure.js";
import { Ways } from "./ways.js";

export interface PassThroughOptions {
  /** Takes data at any places, whoever made them. It is the unit's own from then on. */
  readonly adapter: HostAdapter;
  /**
   * Makes one more such adapter, with an initiator port of its own: each I_T nexus has one then, the first of them `adapter`, so that the
   * device tells them apart as well, and what it keeps for one (reservations, unit attentions) is that one's. All share `adapter` where it
   * is absent.
   */
  readonly ownWay?: () => HostAdapter;
  readonly address: Address;
  /** Peripheral device type, as the device's INQUIRY has it. */
  readonly deviceType: number;
  readonly clock: Clock;
  /** Milliseconds that a command may take before it is aborted; 30 seconds where it is not said, as QEMU's io_timeout. */
  readonly timeout?: number;
  /** "unfiltered" where it is not said. */
  readonly filter?: PassFilter;
  /** Lets WRITE BUFFER load firmware. */
  readonly firmware?: boolean;
  /** Commands of one nexus that may be under way here; those beyond end with TASK SET FULL. What the adapter takes where it is not said. */
  readonly queueDepth?: number;
}

const TIMEOUT = 30_000;
/** Milliseconds between two looks for commands that take too long. */
const SWEEP = 1000;
/** Bits of byte 1 where SCSI-2 has a LUN: a number of ours, which means nothing there. */
const SCSI2_LUN = 0xe0;

/** Makes a logical unit of a device that an adapter leads to. */
export function createPassThrough(options: PassThroughOptions): LogicalUnit {
  return new PassThrough(options);
}

class PassThrough implements LogicalUnit, DeviceServer, Runnable {
  readonly deviceType: number;
  readonly descriptorSense = false;
  readonly guard = null;
  readonly taskSet: TaskSet;
  readonly scratch = new Uint8Array(64);
  readonly #adapter: HostAdapter;
  readonly #ways: Ways | null;
  readonly #address: Address;
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #filter: PassFilter;
  readonly #firmware: boolean;
  readonly #passages: Pool<Passage>;
  /** The first `#count` are under way; it never shrinks, so that it is never grown again. */
  readonly #underWay: Passage[] = [];
  #count = 0;
  #timer: Timer | null = null;
  #idle: (() => void) | null = null;

  constructor(options: PassThroughOptions) {
    const { adapter, queueDepth = adapter.limits.queueDepth } = options;
    this.deviceType = options.deviceType;
    this.taskSet = new TaskSet(undefined, queueDepth);
    this.#adapter = adapter;
    this.#ways = options.ownWay === undefined ? null : new Ways(adapter, options.ownWay);
    this.#address = options.address;
    this.#clock = options.clock;
    this.#timeout = options.timeout ?? TIMEOUT;
    this.#filter = options.filter ?? "unfiltered";
    this.#firmware = options.firmware === true;
    this.#passages = new Pool(() => this.#makePassage());
  }

  notReady() {
    return null;
  }

  writeProtection() {
    return null;
  }

  execute(task: Task): void {
    const { cdb } = task;
    // The LUNs are this target's, not those of the one that the device is behind.
    if (cdb[0] === COMMANDS.reportLuns.opcode) return OWN_COMMANDS.execute(this, task);
    const writes = task.nexus?.protects(task.lun) === true;
    if (!passes(writes ? "readonly" : this.#filter, cdb)) {
      return check(this, task, writes ? SENSE.writeProtected : SENSE.invalidOpcode);
    }
    if (!this.#firmware && loadsFirmware(cdb)) return invalidField(this, task, 1, 4);
    const { limits } = this.#adapter;
    if (task.cdbLength > limits.maxCdb || task.data.length > limits.maxTransfer) {
      return check(this, task, SENSE.invalidFieldInCdb);
    }
    this.#send(task);
  }

  #send(task: Task): void {
    const passage = this.#passages.take();
    const { command } = passage;
    passage.task = task;
    passage.adapter = this.#ways?.of(task.nexus) ?? this.#adapter;
    passage.ended = false;
    passage.late = false;
    passage.deadline = this.#clock.now() + this.#timeout;
    passage.slot = this.#count;
    this.#underWay[this.#count++] = passage;
    task.work = passage;
    for (let i = 0; i < task.cdbLength; i++) command.cdb[i] = task.cdb[i];
    if (task.cdb[0] === COMMANDS.inquiry.opcode) command.cdb[1] &= ~SCSI2_LUN;
    command.cdbLength = task.cdbLength;
    command.attribute = task.attribute;
    command.direction = directionOf(task);
    command.timeout = this.#timeout;
    command.data.select(task.data, 0, task.data.length);
    this.#timer ??= this.#clock.after(SWEEP, this);
    passage.adapter.queue(command);
  }

  readonly #completed = (command: Command): void => {
    const passage = command.context as Passage;
    const task = passage.task as Task;
    passage.ended = true;
    passage.task = null;
    task.work = null;
    const last = this.#underWay[--this.#count];
    this.#underWay[passage.slot] = last;
    last.slot = passage.slot;
    const { late } = passage;
    answer(task, command, late);
    this.#giveBack(passage);
  };

  #giveBack(passage: Passage): void {
    if (passage.managing || !passage.ended) return;
    this.#passages.giveBack(passage);
    if (this.#passages.taken === 0) this.#idle?.();
  }

  abort(task: Task): void {
    if (task.work !== null) this.#abort(task.work as Passage);
  }

  #abort(passage: Passage): void {
    if (passage.managing) return;
    passage.managing = true;
    passage.management.victim = passage.command;
    passage.adapter?.manage(passage.management);
  }

  reset(): void {
    const management = new Passage().management;
    management.function = "device-reset";
    this.#place(management);
    (this.#ways?.any ?? this.#adapter).manage(management);
  }

  /** Aborts what takes too long; the adapter ends it, whether or not the device has heard. */
  run(): void {
    this.#timer = null;
    const now = this.#clock.now();
    for (const passage of this.#underWay.slice(0, this.#count)) {
      if (passage.late || passage.ended || passage.deadline > now) continue;
      passage.late = true;
      this.#abort(passage);
    }
    if (this.#count > 0) this.#timer = this.#clock.after(SWEEP, this);
  }

  connect({ nexus }: UnitPlace): () => void {
    this.#ways?.add(nexus);
    return () => this.#ways?.remove(nexus);
  }

  /** Whatever the device keeps for it ends with the way that it had. */
  nexusLost(nexus: TaskNexus): void {
    this.#ways?.remove(nexus);
    this.#ways?.add(nexus);
  }

  listen(): () => void {
    // What happens at the device is told by its own unit attentions.
    return () => {};
  }

  async close(): Promise<void> {
    if (this.#timer !== null) this.#clock.cancel(this.#timer);
    const idle = new Promise<void>((resolve) => (this.#idle = resolve));
    const left = this.#passages.taken;
    await Promise.all([this.#adapter.close(), this.#ways?.close()]);
    if (left > 0) await idle;
    assert(this.#count === 0, "a command outlived its adapter");
  }

  #makePassage(): Passage {
    const passage = new Passage();
    const { command, management } = passage;
    this.#place(command);
    this.#place(management);
    command.completed = this.#completed;
    management.completed = () => {
      passage.managing = false;
      this.#giveBack(passage);
    };
    return passage;
  }

  #place(at: { channel: number; target: number; lun: number }): void {
    Object.assign(at, this.#address);
  }
}

/** Ends a task with what the device said, or with what became of the command on its way. */
function answer(task: Task, command: Command, late: boolean): void {
  const { hostByte, status, sense, senseLength, residual, overflow, data } = command;
  if (task.aborted) return task.end(Status.taskAborted);
  if (late && hostByte !== HostByte.ok) return endWithSense(task, SENSE.commandTimeout);
  if (hostByte !== HostByte.ok) return endLost(task, hostByte);
  for (let i = 0; i < senseLength; i++) task.sense[i] = sense[i];
  task.senseLength = senseLength;
  task.transferLength = data.length - residual + overflow;
  task.end(status);
}

/** What the unit answers itself. */
const OWN_COMMANDS = new CommandTable<PassThrough>([
  row(COMMANDS.reportLuns, "00 ff 00 00 00 ff ff ff ff 00 00", reportLuns, ASKS),
]);

// Knows the host adapter without a wire: commands become tasks of targets in the same process, on the same pages.
// It is the ceiling that every transport is measured against.

import { nullProbes, Pool, type Probes } from "@pvscsi/wire";
import {
  type AdapterEvent,
  type AdapterLimits,
  type AdapterListener,
  type AdapterManagement,
  type Address,
  type Command,
  type HostAdapter,
  HostByte,
} from "./adapter.js";
import type { ManagementResponse } from "./management.js";
import { Nexus } from "./nexus.js";
import { MAX_LUNS, type Target } from "./target.js";
import { MAX_CDB, Status, Task } from "./task.js";
import { localTransportId, type TransportId } from "./transport-id.js";

/** A target and where it appears. */
export interface AttachedTarget {
  readonly channel: number;
  readonly target: number;
  readonly device: Target;
}

export interface DirectOptions {
  readonly name?: string;
  /** Whose port it is; one that the name decides where it is not said. */
  readonly initiatorPort?: TransportId;
  readonly probes?: Probes;
}

const PAGE = 4096;
const TARGETS = 16;
const LIMITS: AdapterLimits = {
  queueDepth: 256,
  maxTransfer: 1 << 20,
  maxSegments: 257,
  maxCdb: MAX_CDB,
  channels: 4,
  targets: TARGETS,
  luns: MAX_LUNS,
};

/** Makes an adapter for one target, which appears at 0:0, or for several. */
export function directAdapter(targets: Target | readonly AttachedTarget[], options: DirectOptions = {}): HostAdapter {
  const list = "length" in targets ? targets : [{ channel: 0, target: 0, device: targets }];
  return new DirectAdapter(list, options);
}

/** A command under way. */
class Passage {
  pooled = true;
  readonly task = new Task();
  command: Command | null = null;
  /** Its place among those under way. */
  slot = 0;
  /** What the initiator is told if a task management function ends it: that it asked for that, or that somebody has. */
  ending: number = HostByte.reset;

  /** The tag is the record's own: nothing else under way has it. */
  constructor(tag: number, completed: (task: Task) => void) {
    this.task.tag = tag;
    this.task.completed = completed;
    this.task.context = this;
  }
}

class DirectAdapter implements HostAdapter {
  readonly name: string;
  readonly driver = "direct";
  readonly limits = LIMITS;
  readonly #targets: readonly AttachedTarget[];
  readonly #nexuses: (Nexus | undefined)[] = [];
  readonly #passages: Pool<Passage>;
  /** The first `#count` are under way; it never shrinks, so that it is never grown again. */
  readonly #underWay: Passage[] = [];
  #count = 0;
  #made = 0;
  #open = true;
  #listener: AdapterListener | null = null;
  readonly #events: AdapterEvent[] = [];
  #telling = false;
  readonly #unwatch: (() => void)[];

  constructor(targets: readonly AttachedTarget[], options: DirectOptions) {
    const { name = "direct", probes = nullProbes } = options;
    const initiatorPort = options.initiatorPort ?? localTransportId(`direct ${name}`);
    this.name = name;
    this.#targets = targets;
    this.#passages = new Pool(() => new Passage(this.#made++, this.#ended));
    for (const { channel, target, device } of targets) {
      this.#nexuses[channel * TARGETS + target] = new Nexus(device, { initiator: name, initiatorPort, probes });
    }
    this.#unwatch = targets.map((attached) =>
      attached.device.watch((change, lun) => this.#changed(change, { ...attached, lun })),
    );
  }

  allocate(pages: number): Uint8Array[] {
    return Array.from({ length: pages }, () => new Uint8Array(PAGE));
  }

  free(): void {}

  queue(command: Command): void {
    command.hostByte = HostByte.ok;
    command.status = Status.good;
    command.senseLength = 0;
    command.residual = command.data.length;
    command.overflow = 0;
    const nexus = this.#nexusOf(command);
    if (nexus === undefined || !this.#open) {
      command.hostByte = HostByte.noConnect;
      return command.completed(command);
    }
    const passage = this.#passages.take();
    const { task } = passage;
    passage.command = command;
    passage.ending = HostByte.reset;
    passage.slot = this.#count;
    this.#underWay[this.#count++] = passage;
    task.lun = command.lun;
    for (let i = 0; i < command.cdbLength; i++) task.cdb[i] = command.cdb[i];
    task.cdbLength = command.cdbLength;
    task.attribute = command.attribute;
    task.direction = command.direction;
    task.data = command.data;
    nexus.submit(task);
  }

  readonly #ended = (task: Task): void => {
    const passage = task.context as Passage;
    const command = passage.command as Command;
    if (task.aborted) command.hostByte = passage.ending;
    else {
      command.status = task.status;
      command.senseLength = task.senseLength;
      for (let i = 0; i < task.senseLength; i++) command.sense[i] = task.sense[i];
      command.residual = Math.max(0, task.residual);
      command.overflow = Math.max(0, -task.residual);
    }
    passage.command = null;
    const last = this.#underWay[--this.#count];
    this.#underWay[passage.slot] = last;
    last.slot = passage.slot;
    this.#passages.giveBack(passage);
    command.completed(command);
  };

  manage(management: AdapterManagement): void {
    const nexus = this.#nexusOf(management);
    const victim = management.victim === null ? undefined : this.#passageOf(management.victim);
    if (nexus === undefined || (management.function === "abort" && victim === undefined)) {
      management.succeeded = false;
      return management.completed(management);
    }
    const completed = (response: ManagementResponse): void => {
      management.succeeded = response === "function-complete";
      management.completed(management);
    };
    const { lun } = management;
    if (victim !== undefined && management.function === "abort") {
      victim.ending = HostByte.abort;
      return nexus.manage({ function: "abort-task", lun, tag: victim.task.tag, completed });
    }
    nexus.manage({ function: "logical-unit-reset", lun, completed });
  }

  listen(listener: AdapterListener): void {
    this.#listener = listener;
    for (const { channel, target, device } of this.#targets) {
      for (const lun of device.luns) this.#tell({ kind: "device-added", address: { channel, target, lun } });
    }
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const unwatch of this.#unwatch) unwatch();
    for (const passage of this.#allUnderWay()) passage.ending = HostByte.abort;
    await Promise.all(this.#nexuses.map((nexus) => nexus?.close()));
    this.#tell({ kind: "closed", reason: "the adapter was closed" });
  }

  #nexusOf({ channel, target }: Address): Nexus | undefined {
    return target < TARGETS ? this.#nexuses[channel * TARGETS + target] : undefined;
  }

  #passageOf(command: Command): Passage | undefined {
    return this.#allUnderWay().find((passage) => passage.command === command);
  }

  #allUnderWay(): Passage[] {
    return this.#underWay.slice(0, this.#count);
  }

  #changed(change: "added" | "removed", { channel, target, lun }: Address): void {
    this.#tell({ kind: `device-${change}`, address: { channel, target, lun } });
  }

  /** Events go out in order, one at a time, and never on the stack of what caused them. */
  async #tell(event: AdapterEvent): Promise<void> {
    if (this.#listener === null) return;
    this.#events.push(event);
    if (this.#telling) return;
    this.#telling = true;
    await null;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) await this.#listener(next);
    this.#telling = false;
  }
}

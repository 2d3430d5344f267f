// Knows a virtio-scsi device as a whole: which queue is which, its nexuses to the targets of a bus, and what of the bus
// its driver is told. Knows no transport.

import {
  attentionFor,
  type LogicalUnit,
  localTransportId,
  MAX_LUNS,
  Nexus,
  type Sense,
  type TransportId,
  type UnitEvent,
} from "@pvscsi/scsi";
import { nullProbes, type Probes, type Scheduler } from "@pvscsi/wire";
import { Feature } from "../abi/features.js";
import { CONTROL_QUEUE, EVENT_QUEUE, EventType, FIRST_REQUEST_QUEUE, ResetReason, Response } from "../abi/scsi.js";
import type { DeviceRing, VirtioDevice } from "../device.js";
import { DEFAULT_LIMITS, ScsiConfigSpace, type ScsiLimits } from "./config-space.js";
import { ControlQueue } from "./control-queue.js";
import { EventQueue } from "./event-queue.js";
import type { Exchange } from "./exchange.js";
import type { ScsiAddress } from "./lun.js";
import { RequestQueue } from "./request-queue.js";
import type { TargetTable } from "./target-table.js";

export interface ScsiDeviceOptions {
  readonly targets: TargetTable;
  readonly scheduler: Scheduler;
  /** The initiator's name, for people. */
  readonly initiator?: string;
  /** Whose port it is; one that the initiator's name decides where it is not said. */
  readonly initiatorPort?: TransportId;
  readonly limits?: Partial<ScsiLimits>;
  readonly probes?: Probes;
}

/** Type 5 tells of a changed medium by itself; a driver would take its capacity for final (5.6.6.3). */
const MULTIMEDIA = 5;

export class VirtioScsiDevice implements VirtioDevice {
  readonly features =
    Feature.scsiHotplug | Feature.scsiChange | Feature.indirectDescriptors | Feature.eventIndex | Feature.version1;
  readonly queues: number;
  readonly config: ScsiConfigSpace;
  readonly #options: ScsiDeviceOptions;
  readonly #probes: Probes;
  readonly #nexuses = new Map<number, Nexus>();
  /** By target and LUN: how to stop hearing the events of what is there. */
  readonly #unlisten = new Map<number, () => void>();
  readonly #unwatch: () => void;
  readonly #requests = new Map<number, RequestQueue>();
  #control: ControlQueue | null = null;
  #events: EventQueue | null = null;
  #features = 0n;
  #nextTag = 0;

  constructor(options: ScsiDeviceOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#probes = options.probes ?? nullProbes;
    this.queues = FIRST_REQUEST_QUEUE + limits.requestQueues;
    this.config = new ScsiConfigSpace(limits);
    const { targets } = options;
    for (const id of targets.ids) for (const lun of targets.at(id).luns) this.#hearUnit(id, lun);
    this.#unwatch = targets.watch((change, target, lun) => this.#busChanged(change, target, lun));
  }

  setFeatures(features: bigint): void {
    this.#features = features;
  }

  start(index: number, ring: DeviceRing): void {
    const { scheduler } = this.#options;
    const parts = { ring, features: this.#features, scheduler, probes: this.#probes };
    const nexusFor = (address: ScsiAddress): Nexus | undefined => this.#nexusFor(address);
    if (index === CONTROL_QUEUE) {
      this.#control = new ControlQueue({
        ...parts,
        nexusFor,
        underWay: () => this.#underWay(),
        publishCommands: () => this.#publishCommands(),
      });
    } else if (index === EVENT_QUEUE) {
      this.#events = new EventQueue(ring, this.#features, this.#probes);
    } else {
      const newTag = (): number => this.#nextTag++;
      this.#requests.set(index, new RequestQueue({ ...parts, newTag, nexusFor, sizes: this.config.sizes }));
    }
  }

  kick(index: number): void {
    this.#queue(index)?.kick();
  }

  async stop(index: number): Promise<number> {
    const next = (await this.#queue(index)?.stop()) ?? 0;
    if (index === CONTROL_QUEUE) this.#control = null;
    else if (index === EVENT_QUEUE) this.#events = null;
    else this.#requests.delete(index);
    return next;
  }

  reset(): void {
    this.#closeNexuses();
    this.config.reset();
    this.#features = 0n;
  }

  close(): void {
    this.#unwatch();
    for (const unlisten of this.#unlisten.values()) unlisten();
    this.#unlisten.clear();
    this.#closeNexuses();
  }

  #queue(index: number): RequestQueue | ControlQueue | EventQueue | null | undefined {
    if (index === CONTROL_QUEUE) return this.#control;
    return index === EVENT_QUEUE ? this.#events : this.#requests.get(index);
  }

  /** What is under way ends as by a reset of the device. */
  #closeNexuses(): void {
    const nexuses = [...this.#nexuses.values()];
    this.#nexuses.clear();
    for (const nexus of nexuses) void nexus.close();
  }

  /** Made when it is asked for first: a driver that never asks owes nobody a unit attention. */
  #nexusFor(address: ScsiAddress): Nexus | undefined {
    const { targets } = this.#options;
    const id = address.reportLuns ? (targets.ids[0] ?? -1) : address.target;
    const target = targets.find(id);
    if (target === undefined) return undefined;
    const known = this.#nexuses.get(id);
    if (known !== undefined) return known;
    const { initiator = "", initiatorPort = localTransportId(`virtio-scsi ${initiator}`) } = this.#options;
    const nexus = new Nexus(target, { initiator, initiatorPort, probes: this.#probes, wellKnown: true });
    this.#nexuses.set(id, nexus);
    return nexus;
  }

  #underWay(): readonly Exchange[] {
    return [...this.#requests.values()].flatMap((queue) => queue.underWay);
  }

  #publishCommands(): void {
    for (const queue of this.#requests.values()) queue.publish();
  }

  #busChanged(change: "added" | "removed", target: number, lun: number): void {
    if (change === "added") this.#hearUnit(target, lun);
    else this.#unitLeft(target, lun);
    if ((this.#features & Feature.scsiHotplug) === 0n) return;
    const reason = change === "added" ? ResetReason.rescan : ResetReason.removed;
    this.#events?.send({ event: EventType.transportReset, target, lun, reason });
  }

  /** What is under way there is no victim of a reset: it fails. */
  #unitLeft(target: number, lun: number): void {
    for (const command of this.#underWay()) if (command.isAt(target, lun)) command.ending = Response.failure;
    this.#unlisten.get(place(target, lun))?.();
    this.#unlisten.delete(place(target, lun));
  }

  #hearUnit(target: number, lun: number): void {
    const unit = this.#options.targets.at(target).get(lun) as LogicalUnit;
    const unlisten = unit.listen((event, cause) => {
      // Who brought it about knows by its status.
      if (cause !== null && cause.nexus === this.#nexuses.get(target)) return;
      this.#unitChanged(unit, event, target, lun);
    });
    this.#unlisten.set(place(target, lun), unlisten);
  }

  #unitChanged(unit: LogicalUnit, event: UnitEvent, target: number, lun: number): void {
    if ((this.#features & Feature.scsiChange) === 0n || unit.deviceType === MULTIMEDIA || event === "reset") return;
    this.#events?.send({ event: EventType.paramChange, target, lun, reason: reasonOf(attentionFor(event)) });
  }
}

/** A parameter change names its additional sense code in bits 0 to 7, the qualifier in bits 8 to 15. */
function reasonOf({ asc, ascq }: Sense): number {
  return asc | (ascq << 8);
}

function place(target: number, lun: number): number {
  return target * MAX_LUNS + lun;
}

// Knows a CD/DVD drive (MMC-6): its tray, the disc in it, who hears of a change, and how what is read of a disc begins and ends.
// The commands themselves are in the files beside this one.

import { Pool } from "@pvscsi/wire";
import { Device } from "../device/device.js";
import type { ControlSettings } from "../device/mode-pages.js";
import type { DeviceOptions } from "../device/options.js";
import { removalPrevented } from "../device/removal.js";
import { type CommandTable, check } from "../device-server.js";
import type { LogicalUnit } from "../logical-unit.js";
import { SENSE, type Sense } from "../sense.js";
import type { ByteStore, StoreError } from "../store.js";
import { Status, type Task } from "../task.js";
import { cdromTable, ignoresAttention } from "./commands.js";
import { Disc, SECTOR } from "./disc.js";
import { MediaEvent, MediaEvents } from "./events.js";
import { Reading } from "./reading.js";

export interface CdromOptions extends DeviceOptions {
  /** The disc that is in it at first, in sectors of 2048 bytes; null where it is empty. The drive's own from then on. */
  readonly store: ByteStore | null;
}

/** A drive, as its host has it. */
export interface CdromDrive extends LogicalUnit {
  /** Whether it can be used: it was not closed. */
  readonly open: boolean;
  /** Bytes of what is in it, or null. */
  readonly loaded: ByteStore | null;
  /** Whether an initiator prevents that the disc is taken out. */
  readonly prevented: boolean;
  /** Puts a disc in, in the place of the one that is there, and closes the tray; ends when the old one is closed. */
  insert(store: ByteStore): Promise<void>;
  /** Opens the tray and takes out the disc, if there is one, whoever reads it; ends when it is closed. */
  takeOut(): Promise<void>;
  /** The eject button: opens the tray, or where that is prevented tells initiators that somebody wants it (false). */
  pressEject(): boolean;
}

/** Makes a CD/DVD drive over a store or none. Throws `StoreError` for what was kept and cannot be read. */
export function createCdrom(options: CdromOptions): CdromDrive {
  return new Cdrom(options);
}

export class Cdrom extends Device<ControlSettings> implements CdromDrive {
  readonly deviceType = 0x05;
  readonly readOnly = true;
  readonly blockSize = SECTOR;
  readonly table: CommandTable<Cdrom>;
  readonly events = new MediaEvents();
  /** The persistent prevent state: the eject button asks, and does not open the tray (MMC-6, PREVENT ALLOW MEDIUM REMOVAL). */
  persistent = false;
  trayOpen = false;
  open = true;
  /** Where it was read last. */
  position = 0;
  /** What SET CD SPEED asked for, in 1000 bytes a second; the fastest of the disc where that is less. */
  wantedSpeed = 0xffff;
  #disc: Disc | null;
  readonly #readings: Pool<Reading>;
  readonly #active = new Set<Reading>();
  #idle: (() => void)[] = [];

  constructor(options: CdromOptions) {
    super({ ...options, removable: true }, cdromDefaults(options));
    this.#disc = options.store === null ? null : new Disc(options.store);
    this.table = cdromTable(this);
    this.#readings = new Pool(() => this.#makeReading());
  }

  /** The disc that can be read: none with the tray open. */
  get disc(): Disc | null {
    return this.trayOpen ? null : this.#disc;
  }

  get loaded(): ByteStore | null {
    return this.#disc === null ? null : this.#disc.store;
  }

  get prevented(): boolean {
    return this.persistent || removalPrevented(this);
  }

  /** MMC-6, unit attention conditions: what looks for events must be able to find them. */
  ignoresAttention(opcode: number): boolean {
    return ignoresAttention(opcode);
  }

  notReady(): Sense | null {
    if (this.trayOpen) return SENSE.mediumNotPresentTrayOpen;
    return this.#disc === null ? SENSE.mediumNotPresentTrayClosed : null;
  }

  execute(task: Task): void {
    this.table.execute(this, task);
  }

  override abort(task: Task): void {
    const reading = task.work as Reading | null;
    if (reading === null) super.abort(task);
    else if (reading.atStore) reading.disc.store.cancel(reading.request);
  }

  protected override powerOn(): void {
    this.persistent = false;
    this.wantedSpeed = 0xffff;
  }

  /** Opens the tray with the disc in it. */
  openTray(): void {
    if (this.trayOpen) return;
    this.trayOpen = true;
    if (this.#disc !== null) this.events.happened(MediaEvent.mediaRemoval);
  }

  /** Closes it; a disc in it is a new one to all. */
  closeTray(): void {
    if (!this.trayOpen) return;
    this.trayOpen = false;
    if (this.#disc !== null) this.#arrived();
  }

  #arrived(): void {
    this.position = 0;
    this.events.happened(MediaEvent.newMedia);
    this.notify("medium-changed", null);
  }

  async insert(store: ByteStore): Promise<void> {
    const old = this.#disc;
    this.#disc = new Disc(store);
    this.trayOpen = false;
    this.#arrived();
    await this.#leave(old);
  }

  async takeOut(): Promise<void> {
    const old = this.#disc;
    this.openTray();
    this.#disc = null;
    await this.#leave(old);
  }

  pressEject(): boolean {
    if (this.prevented && this.#disc !== null) this.events.happened(MediaEvent.ejectRequest);
    else this.openTray();
    return this.trayOpen;
  }

  override async close(): Promise<void> {
    const disc = this.#disc;
    this.open = false;
    await this.#ended();
    await super.close();
    await disc?.store.close();
  }

  /** Ends what is still read of a disc, and closes it. */
  async #leave(disc: Disc | null): Promise<void> {
    if (disc === null) return;
    disc.gone = true;
    for (const reading of [...this.#active]) {
      if (reading.disc === disc && reading.atStore) disc.store.cancel(reading.request);
    }
    while ([...this.#active].some((reading) => reading.disc === disc)) await this.#oneEnded();
    await disc.store.close();
  }

  async #ended(): Promise<void> {
    while (this.#active.size > 0) await this.#oneEnded();
  }

  #oneEnded(): Promise<void> {
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #makeReading(): Reading {
    const reading = new Reading();
    reading.request.completed = () => this.#served(reading);
    return reading;
  }

  /** Takes a record for what a task reads of a disc. */
  take(task: Task, disc: Disc): Reading {
    const reading = this.#readings.take();
    reading.task = task;
    reading.disc = disc;
    task.work = reading;
    this.#active.add(reading);
    return reading;
  }

  /**
   * Hands the prepared request to the store. A store that completes at once comes back here for the next one; the loop in the first call
   * takes it, so that no number of requests needs stack.
   */
  issue(reading: Reading): void {
    reading.again = true;
    if (reading.issuing) return;
    reading.issuing = true;
    while (reading.again) {
      reading.again = false;
      reading.atStore = true;
      reading.disc.store.submit(reading.request);
    }
    reading.issuing = false;
  }

  #served(reading: Reading): void {
    reading.atStore = false;
    const { task, disc, request } = reading;
    if (task?.aborted) this.release(reading).end(Status.taskAborted);
    else if (disc.gone) check(this, this.release(reading), SENSE.mediumNotPresentTrayOpen);
    else if (request.error !== null) this.#failed(reading, request.error);
    else reading.next(this, reading);
  }

  #failed(reading: Reading, { failure, offset }: StoreError): void {
    const information = offset === undefined ? undefined : Math.floor(offset / SECTOR);
    check(this, this.release(reading), readSense(failure), information);
  }

  /** Ends a reading; its task is the caller's to end. */
  release(reading: Reading): Task {
    const task = reading.task as Task;
    task.work = null;
    reading.task = null;
    this.#active.delete(reading);
    this.#readings.giveBack(reading);
    const waiting = this.#idle;
    if (waiting.length > 0) {
      this.#idle = [];
      for (const resolve of waiting) resolve();
    }
    return task;
  }
}

function cdromDefaults({ tellsAborted = false }: CdromOptions): ControlSettings {
  return { descriptorSense: false, softwareWriteProtect: false, tellsAborted, errorEnds: "nothing" };
}

/** What MMC-6 calls a failure to read. */
function readSense(failure: StoreError["failure"]): Sense {
  switch (failure) {
    case "hardware":
    case "no-space":
    case "read-only":
      return SENSE.internalTargetFailure;
    case "medium":
      return SENSE.unrecoveredReadError;
    case "no-memory":
      return SENSE.insufficientResources;
    case "out-of-range":
      return SENSE.lbaOutOfRange;
    case "cancelled":
      return SENSE.abortedCommand;
  }
}

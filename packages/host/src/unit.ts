// Knows one LUN of the host from its first user to its last: opened when it is wanted, refused when it is taken.

import { formatAddress, formatSize, type LunSpec, misfit } from "@pvscsi/config";
import {
  type BlockCipher,
  type ByteStore,
  createDisk,
  type DiskFeatures,
  type DiskOptions,
  encrypting,
  type Fault,
  faulty,
  type GrowableStore,
  type Keeper,
  type LogicalUnit,
  type OpenedDevice,
  type OpenedFor,
  readOperation,
  readReservations,
  readStates,
  StoreError,
} from "@pvscsi/scsi";
import { assert, type Clock } from "@pvscsi/wire";
import {
  accessStatePath,
  type Backing,
  backingOf,
  operationPath,
  reservationPath,
  type Surroundings,
} from "./backing.js";
import { encryptionOf } from "./encryption.js";
import { FileStore } from "./file-store.js";
import { openKeeper } from "./kept-file.js";
import type { NamedLun } from "./names.js";

/** What INQUIRY says where the configuration says nothing. */
export const IDENTITY = { vendor: "PVSCSI", product: "VIRTUAL DISK", revision: "0001" } as const;

interface Running {
  readonly logicalUnit: LogicalUnit;
  /** What keeps its bytes, without what is around it. */
  readonly bytes: GrowableStore;
}

/** One LUN and its users. */
export class HostUnit {
  readonly named: NamedLun;
  readonly users: OpenedFor[] = [];
  readonly #backing: Backing;
  readonly #cipher: (() => Promise<BlockCipher>) | null;
  /** The file its reservations are kept in; null where they are not. */
  readonly reservations: string | null;
  readonly #operations: string | null;
  readonly #accessStates: string | null;
  readonly #faults: readonly Fault[];
  readonly #clock: Clock;
  #running: Promise<Running> | null = null;
  #closing: Promise<void> = Promise.resolve();

  constructor(named: NamedLun, faults: readonly Fault[], clock: Clock, surroundings: Surroundings) {
    this.named = named;
    this.#faults = faults;
    this.#clock = clock;
    this.#backing = backingOf(named.lun, surroundings);
    this.#cipher = encryptionOf(named.lun, surroundings);
    this.reservations = reservationPath(named.lun, surroundings);
    this.#operations = operationPath(named.lun, surroundings);
    this.#accessStates = accessStatePath(named.lun, surroundings);
  }

  /** `0:0:1:0 (/dev/sdb)`. */
  get title(): string {
    return `${formatAddress(this.named.lun.address)} (/dev/${this.named.sd})`;
  }

  /** Why it cannot be given to one more user, or null. */
  get taken(): string | null {
    const [user] = this.users;
    if (user === undefined || this.named.lun.shareable) return null;
    return `${this.title} is in use by domain ${user.domain} as ${user.virtualDevice}, and not shareable`;
  }

  async open(user: OpenedFor): Promise<OpenedDevice | string> {
    const { taken } = this;
    if (taken !== null) return taken;
    // Entered before anything is awaited: of two who ask at the same time one is refused.
    this.users.push(user);
    this.#running ??= this.#start();
    const running = this.#running;
    try {
      const { logicalUnit } = await running;
      return { logicalUnit, release: () => this.#release(user) };
    } catch (error) {
      this.#forget(user);
      if (this.#running === running) this.#running = null;
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  /** Looks whether the file behind it has another size now. */
  async refresh(): Promise<void> {
    const running = await this.#running;
    if (running?.bytes instanceof FileStore) await running.bytes.refresh();
  }

  /** Makes it longer for all its users, who hear of it through SCSI; gives why it cannot be, in words, or null. */
  async grow(size: number): Promise<string | null> {
    const { lun } = this.named;
    if (lun.readOnly) return `${this.title} is read-only`;
    const expecting = misfit(size, { blockSize: lun.blockSize });
    if (expecting !== undefined) return `invalid size ${size}, expected ${expecting}`;
    if (this.#running === null) return `${this.title} is not in use`;
    try {
      const { bytes } = await this.#running;
      if (size < bytes.size) return `${this.title} has ${formatSize(bytes.size)}: a LUN is not made smaller`;
      if (size > bytes.size) await bytes.grow(size);
      return null;
    } catch (error) {
      if (error instanceof StoreError) return error.message;
      throw error;
    }
  }

  async #start(): Promise<Running> {
    await this.#closing;
    const { lun } = this.named;
    const bytes = await this.#backing.open();
    if (bytes.size < lun.blockSize) {
      await bytes.close();
      const reason = `it has ${bytes.size} bytes, expected a block of ${lun.blockSize} at least`;
      throw new StoreError("hardware", `cannot use what backs ${this.title}: ${reason}`);
    }
    try {
      return { logicalUnit: await this.#makeDisk(bytes), bytes };
    } catch (error) {
      await bytes.close();
      throw error;
    }
  }

  async #makeDisk(bytes: GrowableStore): Promise<LogicalUnit> {
    const { lun, wwn } = this.named;
    const store: ByteStore = this.#cipher === null ? bytes : encrypting(bytes, await this.#cipher(), lun.blockSize);
    const digits = wwn.slice("naa.".length);
    const keeper = await this.#openKept(this.reservations, "reservations", (text) => readReservations(text, wwn));
    const operations = await this.#openKept(this.#operations, "an operation", readOperation);
    const accessStates = await this.#openKept(this.#accessStates, "states of target port groups", (text) =>
      readStates(text, wwn),
    );
    const options: DiskOptions = {
      store: this.#faults.length === 0 ? store : faulty(store, this.#faults, this.#clock),
      blockSize: lun.blockSize,
      physical: lun.physical,
      vendor: lun.vendor ?? IDENTITY.vendor,
      product: lun.product ?? IDENTITY.product,
      revision: lun.revision ?? IDENTITY.revision,
      serial: lun.serial ?? digits,
      wwn: digits,
      removable: lun.removable,
      readOnly: lun.readOnly,
      thin: lun.thin,
      fua: lun.fua,
      features: featuresOf(lun),
      rotation: lun.rotation,
      queueDepth: lun.queueDepth,
      tellsAborted: lun.taskAborted,
      clock: this.#clock,
      portGroups: lun.portGroups,
      accessStates,
      keeper,
      operations,
    };
    return createDisk(options);
  }

  /**
   * A file where something of the LUN is kept, if it has one. What `read` throws a `StoreError` for, a person has to look at: without its
   * reservations it would let in whom they keep out.
   */
  async #openKept(path: string | null, what: string, read: (text: string) => unknown): Promise<Keeper | undefined> {
    if (path === null) return undefined;
    const keeper = await openKeeper(path, what);
    try {
      if (keeper.kept !== null) read(keeper.kept);
      return keeper;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const advice = "mend it, or remove it if nobody relies on it";
      throw new StoreError("hardware", `${what} of ${this.title} in ${path}: ${error.message}; ${advice}`);
    }
  }

  #forget(user: OpenedFor): void {
    const index = this.users.indexOf(user);
    assert(index >= 0, `${this.title} was given back twice`);
    this.users.splice(index, 1);
  }

  async #release(user: OpenedFor): Promise<void> {
    this.#forget(user);
    if (this.users.length > 0 || this.#running === null) return;
    const closed = this.#running.then(({ logicalUnit }) => logicalUnit.close());
    this.#running = null;
    // The next one to open waits for it, and does not suffer from how it ended.
    this.#closing = closed.catch(() => {});
    await closed;
  }
}

function featuresOf(lun: LunSpec): DiskFeatures {
  const { unmap, writeSameUnmap, unmapZeroes, compareAndWrite, thirdPartyCopy, reservable } = lun;
  return { unmap, writeSameUnmap, unmapZeroes, compareAndWrite, thirdPartyCopy, reservable };
}

// Knows how a LUN with bytes of its own becomes a disk: its store and what is around it, and what is kept beside it.

import type { LunSpec } from "@pvscsi/config";
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
  type LogicalUnit,
  readOperation,
  readReservations,
  readStates,
  StoreError,
} from "@pvscsi/scsi";
import type { Clock } from "@pvscsi/wire";
import {
  accessStatePath,
  type Backing,
  backingOf,
  operationPath,
  reservationPath,
  type StoreBacking,
  type Surroundings,
} from "./backing.js";
import { encryptionOf } from "./encryption.js";
import { identityOf } from "./identity.js";
import { type NamedLun, titleOf } from "./names.js";
import type { Running, Starter } from "./running.js";
import { openKept } from "./unit-kept.js";

/** What INQUIRY says where the configuration says nothing. */

export class DiskStarter implements Starter {
  readonly #named: NamedLun;
  readonly #backing: Backing;
  readonly #cipher: (() => Promise<BlockCipher>) | null;
  readonly reservations: string | null;
  readonly #operations: string | null;
  readonly #accessStates: string | null;
  readonly #faults: readonly Fault[];
  readonly #clock: Clock;

  constructor(named: NamedLun, backing: StoreBacking, faults: readonly Fault[], surroundings: Surroundings) {
    this.#named = named;
    this.#faults = faults;
    this.#clock = surroundings.clock;
    this.#backing = backingOf(backing, named.lun.readOnly, surroundings);
    this.#cipher = encryptionOf(named.lun, surroundings);
    this.reservations = reservationPath(named.lun, surroundings);
    this.#operations = operationPath(named.lun, surroundings);
    this.#accessStates = accessStatePath(named.lun, surroundings);
  }

  async start(): Promise<Running> {
    const { lun } = this.#named;
    const bytes = await this.#backing.open();
    if (bytes.size < lun.blockSize) {
      await bytes.close();
      const reason = `it has ${bytes.size} bytes, expected a block of ${lun.blockSize} at least`;
      throw new StoreError("hardware", `cannot use what backs ${titleOf(this.#named)}: ${reason}`);
    }
    try {
      return { logicalUnit: await this.#makeDisk(bytes), bytes };
    } catch (error) {
      await bytes.close();
      throw error;
    }
  }

  async #makeDisk(bytes: GrowableStore): Promise<LogicalUnit> {
    const { lun, wwn } = this.#named;
    const store: ByteStore = this.#cipher === null ? bytes : encrypting(bytes, await this.#cipher(), lun.blockSize);
    const digits = wwn.slice("naa.".length);
    const keeper = await openKept(this.#named, this.reservations, "reservations", (text) =>
      readReservations(text, wwn),
    );
    const operations = await openKept(this.#named, this.#operations, "an operation", readOperation);
    const accessStates = await openKept(this.#named, this.#accessStates, "states of target port groups", (text) =>
      readStates(text, wwn),
    );
    const options: DiskOptions = {
      store: this.#faults.length === 0 ? store : faulty(store, this.#faults, this.#clock),
      blockSize: lun.blockSize,
      physical: lun.physical,
      ...identityOf(lun, wwn),
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
}

function featuresOf(lun: LunSpec): DiskFeatures {
  const { unmap, writeSameUnmap, unmapZeroes, compareAndWrite, thirdPartyCopy, reservable } = lun;
  return { unmap, writeSameUnmap, unmapZeroes, compareAndWrite, thirdPartyCopy, reservable };
}

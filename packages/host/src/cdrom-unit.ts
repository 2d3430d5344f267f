// Knows how a LUN becomes a CD/DVD drive, and how its discs come and go while somebody uses it and while nobody does.

import { resolve } from "node:path";
import type { Position } from "@pvscsi/config";
import {
  type ByteStore,
  type CdromDrive,
  createCdrom,
  type Fault,
  faulty,
  readReservations,
  readStates,
  StoreError,
} from "@pvscsi/scsi";
import {
  accessStatePath,
  type Backing,
  backingOf,
  reservationPath,
  type StoreBacking,
  type Surroundings,
} from "./backing.js";
import { identityOf } from "./identity.js";
import { type NamedLun, titleOf } from "./names.js";
import type { Running, Starter } from "./running.js";
import { openKept } from "./unit-kept.js";

/** What INQUIRY says where the configuration says nothing. */
/** Bytes of a sector: no disc has less. */
const SECTOR = 2048;

export class CdromStarter implements Starter {
  readonly reservations: string | null;
  readonly #named: NamedLun;
  readonly #accessStates: string | null;
  readonly #faults: readonly Fault[];
  readonly #surroundings: Surroundings;
  /** The disc that is in it, or will be; null where it is empty. */
  #disc: Backing | null;
  #drive: CdromDrive | null = null;

  constructor(
    named: NamedLun,
    backing: StoreBacking | { readonly kind: "empty"; readonly at: Position },
    faults: readonly Fault[],
    surroundings: Surroundings,
  ) {
    this.#named = named;
    this.#faults = faults;
    this.#surroundings = surroundings;
    // Nothing is kept beside an image, which others may read as well, unless a file is named for it.
    this.reservations = reservationPath({ ...named.lun, readOnly: true }, surroundings);
    this.#accessStates = accessStatePath(named.lun, surroundings);
    this.#disc = backing.kind === "empty" ? null : backingOf(backing, true, surroundings);
  }

  /** While somebody uses it. */
  get #used(): CdromDrive | null {
    return this.#drive?.open ? this.#drive : null;
  }

  async start(): Promise<Running> {
    const store = this.#disc === null ? null : await this.#open(this.#disc);
    try {
      this.#drive = await this.#makeDrive(store);
      return { logicalUnit: this.#drive, bytes: null };
    } catch (error) {
      await store?.close();
      throw error;
    }
  }

  async insert(path: string): Promise<void> {
    const { at } = this.#named.lun;
    const full = resolve(this.#surroundings.directory, path);
    const file = { kind: "file", path: full, createSize: undefined, sync: "writeback", at } as const;
    const disc = backingOf(file, true, this.#surroundings);
    const store = await this.#open(disc);
    const drive = this.#used;
    if (drive !== null && isKept(drive)) {
      await store.close();
      this.#refuse(drive);
    }
    this.#disc = disc;
    if (drive === null) await store.close();
    else await drive.insert(store);
  }

  async eject(): Promise<void> {
    const drive = this.#used;
    if (drive !== null && isKept(drive)) this.#refuse(drive);
    this.#disc = null;
    await drive?.takeOut();
  }

  /** As the button of a drive does: whoever keeps it shut may open it then. */
  #refuse(drive: CdromDrive): never {
    drive.pressEject();
    const title = titleOf(this.#named);
    throw new StoreError("hardware", `${title} is kept shut by who uses it, who was told that its disc is wanted`);
  }

  async #open(disc: Backing): Promise<ByteStore> {
    const bytes = await disc.open();
    if (bytes.size < SECTOR) {
      await bytes.close();
      const reason = `it has ${bytes.size} bytes, expected a sector of ${SECTOR} at least`;
      throw new StoreError("hardware", `cannot use what backs ${titleOf(this.#named)}: ${reason}`);
    }
    return this.#faults.length === 0 ? bytes : faulty(bytes, this.#faults, this.#surroundings.clock);
  }

  async #makeDrive(store: ByteStore | null): Promise<CdromDrive> {
    const named = this.#named;
    const { lun, wwn } = named;
    const digits = wwn.slice("naa.".length);
    return createCdrom({
      store,
      ...identityOf(lun, wwn),
      wwn: digits,
      queueDepth: lun.queueDepth,
      tellsAborted: lun.taskAborted,
      clock: this.#surroundings.clock,
      portGroups: lun.portGroups,
      keeper: await openKept(named, this.reservations, "reservations", (text) => readReservations(text, wwn)),
      accessStates: await openKept(named, this.#accessStates, "states of target port groups", (text) =>
        readStates(text, wwn),
      ),
    });
  }
}

/** Whether somebody who uses it wants its disc to stay. */
function isKept({ prevented, loaded }: CdromDrive): boolean {
  return prevented && loaded !== null;
}

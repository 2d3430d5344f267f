// Knows how a LUN becomes a tape drive with a cartridge in it, in memory or in files, and what is kept beside that.

import { resolve } from "node:path";
import {
  type Cartridge,
  createTape,
  type Fault,
  faulty,
  LEAST_PARTITION,
  LoadedTape,
  MemoryCartridge,
  readReservations,
  readStates,
  StoreError,
} from "@pvscsi/scsi";
import type { Clock } from "@pvscsi/wire";
import { accessStatePath, reservationPath, type StoreBacking, type Surroundings } from "./backing.js";
import { identityOf } from "./identity.js";
import { type NamedLun, titleOf } from "./names.js";
import type { Running, Starter } from "./running.js";
import { FileCartridge } from "./tape-file.js";
import { openKept } from "./unit-kept.js";

/** What INQUIRY says where the configuration says nothing. */
/** Bytes of a cartridge in a file where nothing is said. */
const CAPACITY = 2 ** 40;

export class TapeStarter implements Starter {
  readonly reservations: string | null;
  readonly #named: NamedLun;
  readonly #open: () => Promise<Cartridge>;
  readonly #accessStates: string | null;
  readonly #faults: readonly Fault[];
  readonly #clock: Clock;
  /** A cartridge in memory, which stays what it is from one user to the next. */
  #kept: LoadedTape | null = null;

  constructor(named: NamedLun, backing: TapeBacking, faults: readonly Fault[], surroundings: Surroundings) {
    this.#named = named;
    this.#faults = faults;
    this.#clock = surroundings.clock;
    this.reservations = reservationPath(named.lun, surroundings);
    this.#accessStates = accessStatePath(named.lun, surroundings);
    this.#open = openerOf(named, backing, surroundings);
  }

  async start(): Promise<Running> {
    const tape = this.#kept ?? (await this.#load());
    try {
      return { logicalUnit: await this.#makeDrive(tape), bytes: null };
    } catch (error) {
      await tape.cartridge.close();
      throw error;
    }
  }

  async #load(): Promise<LoadedTape> {
    const cartridge = await this.#open();
    try {
      const tape = await LoadedTape.of(this.#faults.length === 0 ? cartridge : this.#faulty(cartridge));
      if (cartridge instanceof MemoryCartridge) this.#kept = tape;
      return tape;
    } catch (error) {
      await cartridge.close();
      throw error;
    }
  }

  #faulty(cartridge: Cartridge): Cartridge {
    const faults = this.#faults;
    const clock = this.#clock;
    return {
      label: cartridge.label,
      capacity: cartridge.capacity,
      get partitions() {
        return cartridge.partitions.map((store) => ({ ...store, bytes: faulty(store.bytes, faults, clock) }));
      },
      partition: (sizes) => cartridge.partition(sizes),
      close: () => cartridge.close(),
    };
  }

  async #makeDrive(tape: LoadedTape) {
    const { lun, wwn } = this.#named;
    const digits = wwn.slice("naa.".length);
    const named = this.#named;
    return createTape({
      tape,
      ...identityOf(lun, wwn),
      wwn: digits,
      readOnly: lun.readOnly,
      queueDepth: lun.queueDepth,
      tellsAborted: lun.taskAborted,
      clock: this.#clock,
      portGroups: lun.portGroups,
      keeper: await openKept(named, this.reservations, "reservations", (text) => readReservations(text, wwn)),
      accessStates: await openKept(named, this.#accessStates, "states of target port groups", (text) =>
        readStates(text, wwn),
      ),
    });
  }
}

/** What keeps a cartridge: its file is more than bytes at offsets. */
type TapeBacking = Exclude<StoreBacking, { readonly kind: "nbd" }>;

/** Opens the cartridge. */
function openerOf(named: NamedLun, backing: TapeBacking, { directory, openFiles }: Surroundings) {
  const { readOnly, worm, barcode } = named.lun;
  const label = { worm, barcode, writeProtected: readOnly };
  const capacity = backing.kind === "file" ? (backing.createSize ?? CAPACITY) : backing.size;
  if (capacity < LEAST_PARTITION) {
    const reason = `it takes ${capacity} bytes, expected ${LEAST_PARTITION} at least`;
    return () => Promise.reject(new StoreError("hardware", `cannot use what backs ${titleOf(named)}: ${reason}`));
  }
  if (backing.kind !== "file") return async () => new MemoryCartridge(capacity, label);
  const { path, sync, createSize } = backing;
  const create = createSize !== undefined;
  const access = readOnly ? "read-only" : "read-write";
  return () => FileCartridge.open(resolve(directory, path), { label, capacity, create, access, sync, openFiles });
}

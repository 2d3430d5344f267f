// Knows how a LUN that is the changer or a drive of a library is opened.

import type { LibraryConfig } from "@pvscsi/config";
import { createChanger, type DeviceOptions, unitDesignators } from "@pvscsi/scsi";
import type { Surroundings } from "./backing.js";
import { identityOf } from "./identity.js";
import type { HostLibrary } from "./library.js";
import type { NamedLun } from "./names.js";
import type { Running, Starter } from "./running.js";

export class LibraryStarter implements Starter {
  /** Reservations of a library end with whoever serves it. */
  readonly reservations = null;
  readonly library: HostLibrary;
  /** Null of the changer. */
  readonly #drive: number | null;
  readonly #options: DeviceOptions;

  constructor({ lun, wwn }: NamedLun, config: LibraryConfig, { libraries, clock }: Surroundings) {
    this.library = libraries.of(config);
    const index = config.drives.indexOf(lun.address);
    this.#drive = index < 0 ? null : index;
    const digits = wwn.slice("naa.".length);
    const { portGroups } = lun;
    this.#options = { ...identityOf(lun, wwn), wwn: digits, removable: true, clock, portGroups };
    if (index >= 0) this.library.name(index, unitDesignators(this.#options)[1]);
  }

  async start(): Promise<Running> {
    if (this.#drive !== null) {
      return { logicalUnit: await this.library.openDrive(this.#drive, this.#options), bytes: null };
    }
    return { logicalUnit: createChanger({ ...this.#options, library: await this.library.open() }), bytes: null };
  }
}

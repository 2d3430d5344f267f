// Knows how a LUN that is a real SCSI device of this machine is passed through: its node is opened, and its type is asked for.

import { createPassThrough, StoreError } from "@pvscsi/scsi";
import type { Surroundings } from "./backing.js";
import { reasonOf } from "./file-errors.js";
import type { NamedLun } from "./names.js";
import type { Running, Starter } from "./running.js";
import { openSg, type SgAdapter } from "./sg/sg-adapter.js";

/** The device is all there is behind the adapter. */
const ADDRESS = { channel: 0, target: 0, lun: 0 } as const;

export class DeviceStarter implements Starter {
  /** They are kept where the device is. */
  readonly reservations = null;
  readonly #named: NamedLun;
  readonly #path: string;
  readonly #surroundings: Surroundings;

  constructor(named: NamedLun, path: string, surroundings: Surroundings) {
    this.#named = named;
    this.#path = path;
    this.#surroundings = surroundings;
  }

  async start(): Promise<Running> {
    const { readOnly, sgio, firmware, queueDepth } = this.#named.lun;
    const adapter = await this.#open();
    const logicalUnit = createPassThrough({
      adapter,
      address: ADDRESS,
      deviceType: adapter.device.type,
      clock: this.#surroundings.clock,
      filter: readOnly ? "readonly" : sgio,
      firmware,
      queueDepth,
    });
    return { logicalUnit, bytes: null };
  }

  async #open(): Promise<SgAdapter> {
    const calls = await this.#surroundings.sg();
    if (calls === null) throw new StoreError("hardware", `cannot open ${this.#path}: koffi is not installed`);
    try {
      return openSg(this.#path, calls);
    } catch (error) {
      throw new StoreError("hardware", `cannot open ${this.#path}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

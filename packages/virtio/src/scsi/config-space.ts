// Knows virtio-scsi's configuration space as the device keeps it (virtio 1.3, 5.6.4).

import { DEFAULT_CDB_SIZE, DEFAULT_SENSE_SIZE, ScsiConfig, ScsiEvent } from "../abi/scsi.js";
import type { DeviceConfig } from "../device.js";
import type { CommandSizes } from "./exchange.js";

/** What a device says of itself. */
export interface ScsiLimits {
  readonly requestQueues: number;
  /** Data segments of one command. */
  readonly segments: number;
  /** 512-byte sectors of one command, as a hint. */
  readonly sectors: number;
  readonly commandsPerLun: number;
  /** Highest addresses. */
  readonly maxTarget: number;
  readonly maxLun: number;
}

/** As QEMU's vhost-user-scsi, except that all LUNs can be reached. */
export const DEFAULT_LIMITS: ScsiLimits = {
  requestQueues: 1,
  segments: 126,
  sectors: 0xffff,
  commandsPerLun: 128,
  maxTarget: 255,
  maxLun: 16383,
};

/** What the driver may write, and the first value that is too large (as in QEMU). */
const WRITABLE = [
  { field: "senseSize", name: "sense_size", limit: 65536 },
  { field: "cdbSize", name: "cdb_size", limit: 256 },
] as const;

export class ScsiConfigSpace implements DeviceConfig {
  readonly size = ScsiConfig.size;
  changed: (() => void) | null = null;
  readonly #bytes = new Uint8Array(ScsiConfig.size);
  readonly #config = new ScsiConfig(this.#bytes);

  constructor(limits: ScsiLimits) {
    const config = this.#config;
    config.numQueues = limits.requestQueues;
    config.segMax = limits.segments;
    config.maxSectors = limits.sectors;
    config.cmdPerLun = limits.commandsPerLun;
    config.eventInfoSize = ScsiEvent.size;
    config.maxTarget = limits.maxTarget;
    config.maxLun = limits.maxLun;
    this.reset();
  }

  get sizes(): CommandSizes {
    return { cdb: this.#config.cdbSize, sense: this.#config.senseSize };
  }

  reset(): void {
    this.#config.senseSize = DEFAULT_SENSE_SIZE;
    this.#config.cdbSize = DEFAULT_CDB_SIZE;
  }

  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  /** Takes a whole field; what is not the driver's stays as it is. */
  write(offset: number, bytes: Uint8Array): string | null {
    for (const { field, name, limit } of WRITABLE) {
      const at = ScsiConfig.offsets[field];
      if (offset > at || offset + bytes.length < at + 4) continue;
      const value = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at - offset, true);
      if (value >= limit) return `a ${name} of ${value}`;
      this.#config[field] = value;
    }
    return null;
  }
}

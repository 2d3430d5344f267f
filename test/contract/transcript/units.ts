// Knows the logical units that every wire of the transcript has behind it, each wire its own and all alike.

import {
  type ByteStore,
  createDisk,
  type LogicalUnit,
  MAX_SENSE,
  MemoryStore,
  Status,
  StoreRequest,
  type Task,
} from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { HoldingUnit } from "../../support/scsi-devices.js";

/** LUN 0: a disk with a cache, thin. LUN 1: one of 4096-byte blocks that can be ejected. */
export const DISK = 0;
export const REMOVABLE = 1;
/** LUN 2: ends every command with as much sense data as there can be. */
export const TALKER = 2;
/** A LUN where nothing is. */
export const NOTHING = 9;

export const BLOCKS = 512;
export const BLOCK_SIZES = [512, 4096] as const;

export class Units {
  readonly stores = BLOCK_SIZES.map((size) => new MemoryStore(BLOCKS * size, { writeBack: size === 512 }));
  readonly disks: readonly LogicalUnit[];
  readonly all: readonly LogicalUnit[];

  /** `around` may put other stores around those of the disks, or in their place. */
  constructor(around: (store: MemoryStore) => ByteStore = (store) => store) {
    this.disks = this.stores.map((store, lun) =>
      createDisk({
        store: around(store),
        blockSize: BLOCK_SIZES[lun],
        vendor: "PVSCSI",
        product: `TRANSCRIPT ${lun}`,
        revision: "1",
        serial: `serial-${lun}`,
        wwn: `600140500000000${lun}`,
        removable: lun === REMOVABLE,
      }),
    );
    this.all = [...this.disks, new Talker()];
  }

  /** All bytes of a disk. */
  contents(lun: number): Uint8Array {
    const bytes = new Uint8Array(this.stores[lun].size);
    const request = new StoreRequest();
    request.length = bytes.length;
    request.places = new Places();
    request.places.add(bytes, 0, bytes.length);
    this.stores[lun].submit(request);
    return bytes;
  }
}

/** Sense data of SPC's greatest length, each byte another. */
class Talker extends HoldingUnit {
  override execute(task: Task): void {
    for (let i = 0; i < MAX_SENSE; i++) task.sense[i] = i;
    task.sense[0] = 0x72;
    task.senseLength = MAX_SENSE;
    task.end(Status.checkCondition);
  }
}

// Knows the controller of a storage array, as a RAID adapter shows itself at LUN 0 (SCC-2): it can be asked who it is and which LUNs there
// are, and has nothing else.

import type { DeviceOptions } from "../device/options.js";
import { PlainDevice, plainModel, plainRows } from "../device/plain.js";
import { CommandTable } from "../device-server.js";
import type { LogicalUnit } from "../logical-unit.js";

/** Makes a controller. Throws `StoreError` for what was kept and cannot be read. */
export function createController(options: DeviceOptions): LogicalUnit {
  return new Controller(options);
}

class Controller extends PlainDevice {
  readonly deviceType = 0x0c;
  readonly table: CommandTable<Controller> = TABLE;
}

/** SAM-5, SPC-4 and SCC-2, no version claimed. Which disks an array is made of nobody can ask: there is no array behind it. */
const TABLE = new CommandTable<Controller>(plainRows(plainModel<Controller>([0x00a0, 0x0460, 0x01e0])));

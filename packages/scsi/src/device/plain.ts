// Knows devices without a medium, such as enclosures and controllers of storage arrays: what they have is what every device has.

import type { CommandRow } from "../device-server.js";
import { reservationRows } from "../reservations/commands.js";
import { Status, type Task } from "../task.js";
import { Device } from "./device.js";
import { PRIMARY_LOG_PAGES } from "./log-pages.js";
import { type ControlSettings, PRIMARY_MODE_PAGES } from "./mode-pages.js";
import type { DeviceModel } from "./model.js";
import type { DeviceOptions } from "./options.js";
import { diagnosticRows, primaryRows } from "./rows.js";
import { primaryVpdPages } from "./vpd-pages.js";

/** A device that is always ready; its type adds its number and its table. */
export abstract class PlainDevice extends Device {
  readonly readOnly = false;

  constructor(options: DeviceOptions) {
    super(options, {
      descriptorSense: false,
      softwareWriteProtect: false,
      tellsAborted: options.tellsAborted ?? false,
      errorEnds: "nothing",
    });
  }

  notReady(): null {
    return null;
  }

  execute(task: Task): void {
    this.table.execute(this as never, task);
  }
}

/** Its pages where its type adds none; `versions` are those of INQUIRY. */
export function plainModel<D extends Device>(versions: readonly number[]): DeviceModel<D, ControlSettings> {
  return {
    versions,
    vpdPages: primaryVpdPages<D>(() => false),
    modeHeader: { parameter: () => 0, descriptor: null },
    modePages: [
      PRIMARY_MODE_PAGES.control,
      PRIMARY_MODE_PAGES.controlExtension,
      PRIMARY_MODE_PAGES.informationalExceptions,
    ],
    logPages: [PRIMARY_LOG_PAGES.supported, PRIMARY_LOG_PAGES.informationalExceptions],
    selfTest: (_device, task) => task.end(Status.good),
  };
}

/** The rows of all that it supports. */
export function plainRows<D extends Device>(model: DeviceModel<D, ControlSettings>): CommandRow<D>[] {
  return [...primaryRows(model), ...reservationRows(), ...diagnosticRows(model)];
}

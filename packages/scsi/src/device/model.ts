// Knows what a device type brings to the commands that every type has: its pages, in one table each.

import type { Task } from "../task.js";
import type { Device } from "./device.js";
import type { Diagnostics } from "./diagnostics.js";
import type { LogPage } from "./log-pages.js";
import type { ControlSettings, ModeHeader, ModePage } from "./mode-pages.js";
import type { VpdPage } from "./vpd-pages.js";

export interface DeviceModel<D extends Device<S>, S extends ControlSettings> extends Diagnostics<D> {
  /** VERSION DESCRIPTORs of the standard INQUIRY data (SPC-4 annex E), at most eight. */
  readonly versions: readonly number[];
  /** Sets the bits of bytes 5 to 7 of the standard INQUIRY data that are the type's own. */
  readonly writeFlags?: (device: D, bytes: Uint8Array) => void;
  readonly vpdPages: readonly VpdPage<D>[];
  readonly modeHeader: ModeHeader<D, S>;
  readonly modePages: readonly ModePage<D, S>[];
  /** Ends a MODE SELECT whose settings are in force, `before` being those that were; with GOOD where it is absent. */
  readonly selected?: (device: D, task: Task, before: S) => void;
  readonly logPages: readonly LogPage<D>[];
}

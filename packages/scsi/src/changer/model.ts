// Knows what a medium changer brings to the commands that every device type has.

import { PRIMARY_LOG_PAGES } from "../device/log-pages.js";
import type { ControlSettings } from "../device/mode-pages.js";
import type { DeviceModel } from "../device/model.js";
import { primaryVpdPages } from "../device/vpd-pages.js";
import { Status, type Task } from "../task.js";
import type { Changer } from "./changer.js";
import { MODE_HEADER, MODE_PAGES } from "./mode-pages.js";

export const CHANGER_MODEL: DeviceModel<Changer, ControlSettings> = {
  // SAM-5, SPC-4 and SMC-3, no version claimed.
  versions: [0x00a0, 0x0460, 0x0480],
  vpdPages: primaryVpdPages<Changer>(() => false),
  modeHeader: MODE_HEADER,
  modePages: MODE_PAGES,
  logPages: [PRIMARY_LOG_PAGES.supported, PRIMARY_LOG_PAGES.informationalExceptions],
  selfTest: passes,
};

/** There is nothing that could fail: where the cartridges are is known. */
function passes(_changer: Changer, task: Task): void {
  task.end(Status.good);
}

// Knows what a medium changer brings to the commands that every device type has.

import type { ControlSettings } from "../device/mode-pages.js";
import type { DeviceModel } from "../device/model.js";
import { plainModel } from "../device/plain.js";
import type { Changer } from "./changer.js";
import { MODE_HEADER, MODE_PAGES } from "./mode-pages.js";

export const CHANGER_MODEL: DeviceModel<Changer, ControlSettings> = {
  // SAM-5, SPC-4 and SMC-3, no version claimed.
  ...plainModel<Changer>([0x00a0, 0x0460, 0x0480]),
  modeHeader: MODE_HEADER,
  modePages: MODE_PAGES,
};

// Knows what a tape drive brings to the commands that every device type has.

import type { DeviceModel } from "../device/model.js";
import { check } from "../device-server.js";
import { Status } from "../task.js";
import { LOG_PAGES } from "./log-pages.js";
import { MODE_HEADER, MODE_PAGES, type TapeSettings } from "./mode-pages.js";
import type { Tape } from "./tape.js";
import { VPD_PAGES } from "./vpd-pages.js";

export const TAPE_MODEL: DeviceModel<Tape, TapeSettings> = {
  // SAM-5, SPC-4 and SSC-3, no version claimed.
  versions: [0x00a0, 0x0460, 0x0400],
  vpdPages: VPD_PAGES,
  modeHeader: MODE_HEADER,
  modePages: MODE_PAGES,
  logPages: LOG_PAGES,
  selfTest: (tape, task) => {
    const reason = tape.notReady();
    if (reason === null) task.end(Status.good);
    else check(tape, task, reason);
  },
};

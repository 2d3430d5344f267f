// Knows what a CD/DVD drive brings to the commands that every device type has.

import { PRIMARY_LOG_PAGES } from "../device/log-pages.js";
import type { ControlSettings } from "../device/mode-pages.js";
import type { DeviceModel } from "../device/model.js";
import { primaryVpdPages } from "../device/vpd-pages.js";
import { Status, type Task } from "../task.js";
import type { Cdrom } from "./cdrom.js";
import { SECTOR } from "./disc.js";
import { MODE_HEADER, MODE_PAGES } from "./mode-pages.js";
import { succeed } from "./transfer.js";

export const CDROM_MODEL: DeviceModel<Cdrom, ControlSettings> = {
  // SAM-5, SPC-4 and MMC-6, no version claimed.
  versions: [0x00a0, 0x0460, 0x04e0],
  vpdPages: primaryVpdPages<Cdrom>(() => false),
  modeHeader: MODE_HEADER,
  modePages: MODE_PAGES,
  logPages: [PRIMARY_LOG_PAGES.supported, PRIMARY_LOG_PAGES.informationalExceptions],
  selfTest,
};

/** Whether the first sector can be read, where there is one: a drive without a disc is in order. */
function selfTest(drive: Cdrom, task: Task): void {
  const { disc } = drive;
  if (disc === null || disc.blocks === 0) return task.end(Status.good);
  const reading = drive.take(task, disc);
  reading.intoBuffer(0, SECTOR, succeed);
  drive.issue(reading);
}

// Knows what a disk brings to the commands that every device type has.

import type { DeviceModel } from "../device/model.js";
import { check } from "../device-server.js";
import { Status, type Task } from "../task.js";
import { type Disk, succeed } from "./disk.js";
import { LOG_PAGES } from "./log-pages.js";
import { MODE_HEADER, MODE_PAGES, type ModeSettings } from "./mode-pages.js";
import { flush } from "./transfer.js";
import { VPD_PAGES } from "./vpd-pages.js";

const THIRD_PARTY_COPY = 0x08;

export const DISK_MODEL: DeviceModel<Disk, ModeSettings> = {
  // SAM-5, SPC-4 and SBC-3, no version claimed.
  versions: [0x00a0, 0x0460, 0x04c0],
  writeFlags: (disk, bytes) => {
    if (disk.features.thirdPartyCopy) bytes[5] |= THIRD_PARTY_COPY;
  },
  vpdPages: VPD_PAGES,
  modeHeader: MODE_HEADER,
  modePages: MODE_PAGES,
  selected,
  logPages: LOG_PAGES,
  selfTest,
};

function selected(disk: Disk, task: Task, before: ModeSettings): void {
  // Nobody flushes any more what was written while there was a cache; QEMU's disk flushes here too.
  if (before.writeCache && !disk.settings.writeCache) return flush(disk, task, "excludes", succeed);
  task.end(Status.good);
}

/** Whether a block can be read. A failure is told as LOGICAL UNIT FAILED SELF-TEST. */
function selfTest(disk: Disk, task: Task): void {
  const reason = disk.notReady();
  if (reason !== null) return check(disk, task, reason);
  if (disk.blocks === 0) return task.end(Status.good);
  const work = disk.take(task, "reads");
  work.prepare("read", 0, disk.blockSize, succeed);
  work.useBytes(work.buffer, disk.blockSize);
  disk.begin(work);
}

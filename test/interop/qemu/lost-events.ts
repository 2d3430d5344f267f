// Knows a guest that cannot hear: it stands still while more disks come, and later go, than its event queue has buffers for. What it was
// not told it has to find out by itself, from the one flag that says so (virtio 1.3, 5.6.6.3).

import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import { clock } from "./clock.js";
import type { Disk, DiskServerKind } from "./disks.js";
import { Guest } from "./guest.js";
import { appeared, untilSo } from "./guest-disk.js";
import type { Images } from "./images.js";

/** Disks that come: Linux' driver has 8 buffers for events. */
const COMING = 20;
const TARGET = 1;

/** Needs a server that can be asked for several things at once. */
export async function judgeLostEvents(context: SuiteContext, kind: DiskServerKind, images: Images): Promise<void> {
  const first: Disk = { target: 0, lun: 0, mebibytes: 16 };
  const coming = Array.from({ length: COMING }, (_, lun) => ({ target: TARGET, lun, mebibytes: 1 }));
  const server = await kind.start(context, [first], 1);
  const guest = await Guest.boot(context, images, { words: server.words });
  await appeared(guest, first);
  await context.check(`${COMING} disks that come while the guest stands still are there when it goes on`, async () => {
    await guest.standStill(async () => {
      await Promise.all(coming.map((disk) => server.attach(disk)));
    });
    return await counted(guest, COMING + 1);
  });
  await context.check("the same disks go while it stands still, and are gone when it goes on", async () => {
    await guest.standStill(async () => {
      await Promise.all(coming.map((disk) => server.detach(disk)));
    });
    return await counted(guest, 1);
  });
  await guest.end();
  await context.check("it ends in order", () => server.close());
}

/** Waits until so many disks are there. */
async function counted(guest: Guest, disks: number): Promise<string> {
  const since = clock();
  await guest.run(untilSo(`[ $(ls /sys/class/block | grep -c ^sd) = ${disks} ]`));
  const milliseconds = since();
  expect((await guest.run("ls /sys/class/scsi_disk")).trim().split(/\s+/)).to.have.length(disks);
  return `${disks} disks after ${milliseconds} ms`;
}

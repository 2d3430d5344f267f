// Knows how Linux hears that a LUN has come, grown or gone while it is logged in.

import { Opcode } from "@pvscsi/iscsi";
import { expect } from "chai";
import { clock } from "../qemu/clock.js";
import { copy } from "../qemu/contents.js";
import { resized } from "../qemu/guest-disk.js";
import type { Stand } from "./stand.js";

const LUN = 7;
const SIZE = 24;
const GROWN = 40;

export async function judgeChanges({ context, initiator, portal, relay }: Stand): Promise<void> {
  const { guest } = initiator;
  await initiator.logIn();
  await initiator.disk(1);
  await context.check("a LUN that comes is a disk without a rescan, by an Asynchronous Message", async () => {
    const before = relay.seen.length;
    const since = clock();
    await portal.ask("attach", `mem:${SIZE}MiB`, String(LUN));
    const { disk } = await initiator.disk(LUN);
    const milliseconds = since();
    const [message] = relay.seenSince(before, Opcode.asynchronous);
    expect(message?.header[36], "event").to.equal(0);
    const sum = await copy(guest, disk, SIZE);
    return `${disk} after ${milliseconds} ms, ${sum.slice(0, 16)}`;
  });
  await context.check("one that has grown is seen to by iscsiadm --rescan", async () => {
    const disk = await initiator.disk(LUN);
    await portal.ask("resize", String(LUN), `${GROWN}MiB`);
    await guest.run("iscsiadm -m session --rescan 2>&1");
    await resized(guest, disk, GROWN);
    await guest.run(`dd if=/dev/zero of=${disk.disk} bs=1M seek=${GROWN - 1} count=1 oflag=direct 2>&1`);
    return `${SIZE} to ${GROWN} MiB`;
  });
  await context.check("one that has gone answers no more, and the others go on", async () => {
    const gone = await initiator.disk(LUN);
    await portal.ask("detach", String(LUN));
    const { status } = await guest.attempt(`sg_turs ${gone.generic}; sg_turs ${gone.generic} 2>&1`);
    expect(status, "sg_turs").not.to.equal(0);
    await guest.run(`echo 1 > /sys/block/${gone.disk.slice(5)}/device/delete`);
    return (await copy(guest, (await initiator.disk(1)).disk, SIZE)).slice(0, 16);
  });
  await initiator.logOut();
}

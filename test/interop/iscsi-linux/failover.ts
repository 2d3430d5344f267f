// Knows two portals' worth of paths to one logical unit under the kernel's dm-multipath: one goes away under load, and the other takes
// over; then the other way round.

import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { verifySlowly } from "../qemu/contents.js";
import { untilSo } from "../qemu/guest-disk.js";
import { HOST } from "./initiator.js";
import { Relay } from "./relay.js";
import type { Stand } from "./stand.js";

/** Milliseconds of fio's work before a path goes away. */
const LOADED = 3000;
/** Seconds for which Linux holds commands back for a path that is gone. */
const PATIENCE = 3;
const MAP = "paths";

/** One way to LUN 0. */
interface Path {
  readonly relay: Relay;
  /** `MAJOR:MINOR` of its disk. */
  readonly device: string;
}

export async function judgeFailover(stand: Stand): Promise<void> {
  const { context, initiator } = stand;
  const second = await Relay.open();
  second.lead(stand.port);
  const relays = [stand.relay, second];
  const paths: Path[] = [];
  await context.check("dm-multipath over two portals", async () => {
    for (const relay of relays) paths.push(await openPath(stand, relay));
    return await makeMap(stand, paths);
  });
  for (const [i, lost] of paths.entries()) {
    await context.check(`path ${i + 1} goes away under load: verified writes go on by the other`, () =>
      lose(stand, paths, lost),
    );
  }
  await initiator.guest.attempt(`dmsetup remove --noudevsync ${MAP}; iscsiadm -m session --logout`);
  await initiator.renew();
  second.close();
}

async function openPath({ initiator }: Stand, relay: Relay): Promise<Path> {
  const { guest, target } = initiator;
  const node = `iscsiadm -m node -T ${target} -p ${HOST}:${relay.port}`;
  const device = await guest.run(`{ ${node} -o new
${node} -o update -n node.session.timeo.replacement_timeout -v ${PATIENCE}
${node} --login; } > /dev/null 2>&1 || exit 1
connection=$(dirname $(grep -l ${relay.port} /sys/class/iscsi_connection/*/persistent_port))
file="$(readlink -f $connection/device/..)/target*/*:0/block/*/dev"
${untilSo("[ -f $file ]")}
cat $file`);
  expect(device.trim()).to.match(/^\d+:\d+$/);
  return { relay, device: device.trim() };
}

async function makeMap({ initiator }: Stand, paths: readonly Path[]): Promise<string> {
  const groups = paths.map(({ device }) => `round-robin 0 1 1 ${device} 1`).join(" ");
  const { disk } = await initiator.disk(0);
  return await initiator.guest.run(`for module in dm-multipath dm-round-robin; do modprobe $module || exit 1; done
dmsetup create --noudevsync ${MAP} --table "0 $(blockdev --getsz ${disk}) multipath 0 0 ${paths.length} 1 ${groups}"
dmsetup status ${MAP}`);
}

async function lose({ initiator, port }: Stand, paths: readonly Path[], lost: Path): Promise<string> {
  const { guest } = initiator;
  const load = verifySlowly(guest, "/dev/dm-0");
  load.catch(() => {});
  await setTimeout(LOADED);
  lost.relay.lead(null);
  lost.relay.cut();
  const figures = await load;
  const status = await guest.run(`dmsetup status ${MAP}`);
  for (const path of paths) expect(status).to.contain(` ${path.device} ${path === lost ? "F" : "A"} `);
  lost.relay.lead(port);
  await initiator.recovered();
  await guest.run(`dmsetup message ${MAP} 0 reinstate_path ${lost.device}`);
  return figures;
}

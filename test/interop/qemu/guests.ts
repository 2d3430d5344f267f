// Knows several guests of one server: at once on one disk, one that is killed in its work beside one that goes on, and that nothing of
// them is left in the server.

import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import { clock } from "./clock.js";
import { copy, sumOfFile, verifyAtDepth } from "./contents.js";
import type { Disk, DiskServer, DiskServerKind } from "./disks.js";
import { makeFile } from "./files.js";
import { Guest } from "./guest.js";
import { appeared, vanished } from "./guest-disk.js";
import type { Images } from "./images.js";

const MEMORY = 512;
const DISK_SIZE = 128;
/** MiB behind which the second guest writes. */
const HALF = DISK_SIZE / 2;
const SECONDS = 8;
/** Milliseconds of work before a guest is killed. */
const LOADED = 3000;
const COPIED = 16;
const STARTS = 10;
/** Milliseconds for a server to have noticed that a guest has gone. */
const PATIENCE = 5000;

/** Two guests at once, and one that is killed. */
export async function judgeTogether(context: SuiteContext, kind: DiskServerKind, images: Images): Promise<void> {
  const shared = { target: 0, lun: 0, mebibytes: DISK_SIZE, file: await makeFile(context, DISK_SIZE) };
  const plugged: Disk = { target: 3, lun: 7, mebibytes: 16 };
  const server = await kind.start(context, [shared], 1);
  const before = (await server.open?.()) ?? [];
  const boot = () => Guest.boot(context, images, { memory: MEMORY, words: server.words });
  const guests = [await boot(), await boot()];
  const [first, second] = guests;
  const disk = (await appeared(first, shared)).disk;
  await appeared(second, shared);
  await context.check(`two guests write to one disk for ${SECONDS} s, every block's MD5 verified`, async () => {
    const figures = await Promise.all(
      guests.map((guest, i) => verifyAtDepth(guest, disk, { seconds: SECONDS, offset: i * HALF })),
    );
    return figures.join("; ");
  });
  await context.check("both see a disk that comes and goes", async () => {
    await server.attach(plugged);
    const names = await Promise.all(guests.map((guest) => appeared(guest, plugged)));
    await server.detach(plugged);
    await Promise.all(guests.map((guest) => vanished(guest, plugged)));
    return names.map((each) => each.disk).join(" and ");
  });
  await context.check("one is killed in its work, the other goes on", async () => {
    const killed = verifyAtDepth(first, disk, { seconds: 60 });
    killed.catch(() => {});
    const figures = verifyAtDepth(second, disk, { seconds: SECONDS, offset: HALF });
    await setTimeout(LOADED);
    await first.kill();
    return await figures;
  });
  await context.check("the next guest writes and reads where the killed one did", async () => {
    const next = await boot();
    const sum = await copy(next, (await appeared(next, shared)).disk, COPIED);
    expect(await sumOfFile(shared.file, COPIED), "in the file").to.equal(sum);
    await next.end();
    return sum.slice(0, 16);
  });
  await second.end();
  await context.check("the server holds nothing of any of them", () => leave(server, before));
  await context.check("it ends in order", () => server.close());
}

/** Guests one after the other: what goes wrong at the start of a ring goes wrong once in many. */
export async function judgeStarts(context: SuiteContext, kind: DiskServerKind, images: Images): Promise<void> {
  const disk: Disk = { target: 0, lun: 0, mebibytes: DISK_SIZE };
  const server = await kind.start(context, [disk], 1);
  const before = (await server.open?.()) ?? [];
  await context.check(`${STARTS} guests one after the other have their disk`, async () => {
    const times: number[] = [];
    for (let start = 0; start < STARTS; start++) {
      const since = clock();
      const guest = await Guest.boot(context, images, { memory: MEMORY, words: server.words });
      await copy(guest, (await appeared(guest, disk)).disk, COPIED);
      await guest.end();
      times.push(since());
    }
    return `${Math.min(...times)} to ${Math.max(...times)} ms each; ${await leave(server, before)}`;
  });
  await context.check("what served them ends in order", () => server.close());
}

/** Waits until a server has open what it had before. */
export async function leave(server: DiskServer, before: readonly string[]): Promise<string> {
  let after: readonly string[] = [];
  for (const end = performance.now() + PATIENCE; performance.now() < end; await setTimeout(50)) {
    after = (await server.open?.()) ?? [];
    if (after.join() === before.join()) return `${after.length} things are open, as before`;
  }
  expect(after).to.deep.equal(before);
  return "";
}

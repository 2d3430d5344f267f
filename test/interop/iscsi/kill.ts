// Knows how a portal's process is killed while qemu-io writes to its disks, and the power of the disks cut in the same moment: all that
// was acknowledged as durable, by FUA, by a flush, or by a disk that has no cache, has to be there afterwards.

import { copyFile, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { mediumOf } from "../../support/volatile-file.js";
import type { SuiteContext } from "../suite.js";
import { ServedPortal } from "./portal.js";
import { QemuWriter } from "./qemu-writer.js";
import { BLOCK } from "./write-log.js";

const PRELOAD = fileURLToPath(new URL("../../support/volatile-preload.js", import.meta.url));
const SIZE = 4 << 20;
/** Writers of each disk, and the blocks that each has. */
const WRITERS = 2;
const BLOCKS = SIZE / BLOCK / WRITERS;
/** Acknowledgements of all writers together before the kill: at least, and at most so many more. */
const FEWEST = 80;
const SPREAD = 250;

/** What the disks' caches, or the portal's FUA, pretend to. */
export type Lie = "flush" | "fua";

export interface KillFigures {
  readonly kills: number;
  readonly acknowledged: number;
  readonly promised: number;
}

interface Disk {
  readonly path: string;
  readonly writeThrough: boolean;
}

/** Kills as often as that; throws what was lost. */
export async function killPortals(context: SuiteContext, kills: number, seed: number, lie?: Lie): Promise<KillFigures> {
  const disks = [
    { path: context.freshPath("back.img"), writeThrough: false },
    { path: context.freshPath("through.img"), writeThrough: true },
  ].map((disk) => ({ ...disk, path: `${disk.path}.img` }));
  const random = seededRandom(seed, "kills");
  const figures = { kills: 0, acknowledged: 0, promised: 0 };
  for (; figures.kills < kills; figures.kills += 1) {
    const { acknowledged, promised } = await killOnce(context, disks, random, lie);
    figures.acknowledged += acknowledged;
    figures.promised += promised;
  }
  await readBack(context, disks);
  return figures;
}

async function killOnce(
  context: SuiteContext,
  disks: readonly Disk[],
  random: Random,
  lie: Lie | undefined,
): Promise<{ acknowledged: number; promised: number }> {
  const portal = await serve(context, disks, lie);
  const writers = await writersOf(context, portal, disks, random);
  let acknowledged = 0;
  const enough = FEWEST + random.below(SPREAD);
  await new Promise<void>((resolve, reject) => {
    const heard = (): void => {
      acknowledged += 1;
      if (acknowledged === enough) resolve();
    };
    const running = writers.flat().map((writer) => writer.run(heard));
    // None of them ends of its own accord.
    void Promise.race(running).then(() => reject(new Error("a writer has failed")));
  });
  await portal.kill();
  await Promise.all(writers.flat().map((writer) => writer.kill()));
  for (const [number, { path }] of disks.entries()) {
    await judge(writers[number], path, "the file");
    await judge(writers[number], mediumOf(path), "what a power cut leaves of it");
    await copyFile(mediumOf(path), path);
  }
  return { acknowledged, promised: writers.flat().reduce((sum, { log }) => sum + log.promises, 0) };
}

function serve(context: SuiteContext, disks: readonly Disk[], lie: Lie | undefined): Promise<ServedPortal> {
  const words = disks.map(({ path, writeThrough }) => {
    return `${path},size=${SIZE >> 20}MiB,sync=${writeThrough ? "writethrough" : "writeback"}`;
  });
  return ServedPortal.start(context, words, {
    node: ["env", `VOLATILE_LIES=${lie ?? ""}`, process.execPath, "--import", PRELOAD],
  });
}

async function writersOf(
  context: SuiteContext,
  portal: ServedPortal,
  disks: readonly Disk[],
  random: Random,
): Promise<QemuWriter[][]> {
  return await Promise.all(
    disks.map(async ({ path, writeThrough }, lun) => {
      const disk = await readFile(path);
      return Array.from({ length: WRITERS }, (_, number) => {
        const first = number * BLOCKS;
        const bytes = disk.subarray(first * BLOCK, (first + BLOCKS) * BLOCK);
        const chance = seededRandom(random.u32(), `writer ${lun} ${number}`);
        return new QemuWriter(context, { url: portal.url(lun), first, bytes, writeThrough }, chance);
      });
    }),
  );
}

async function judge(writers: readonly QemuWriter[], path: string, what: string): Promise<void> {
  const bytes = await readFile(path);
  for (const { log } of writers) {
    const broken = log.broken(bytes);
    if (broken !== null) throw new Error(`${what}: ${broken}`);
  }
}

/** A portal that comes after all kills has what the files have. */
async function readBack(context: SuiteContext, disks: readonly Disk[]): Promise<void> {
  const portal = await serve(context, disks, undefined);
  for (const [lun, { path }] of disks.entries()) {
    const copy = context.freshPath("copy");
    await context.succeed("qemu-img", "convert", "-f", "raw", "-O", "raw", portal.url(lun), copy);
    expect((await readFile(copy)).equals(await readFile(path)), "what the disk reads").to.equal(true);
  }
  await portal.end();
}

/** Rows of a suite: so many kills, and that lies are found out. */
export async function judgeKills(context: SuiteContext, kills: number, seed: number): Promise<void> {
  await context.check(
    `killed with SIGKILL and without power ${kills} times: all that was durable is there`,
    async () => {
      const { acknowledged, promised } = await killPortals(context, kills, seed);
      return `seed ${seed}: ${acknowledged} acknowledged, ${promised} promises kept`;
    },
  );
  for (const lie of ["flush", "fua"] as const) {
    await context.check(`a lie about ${lie} is found out`, async () => {
      const found = await killPortals(context, 8, seed, lie).then(
        () => null,
        (error: Error) => error.message,
      );
      expect(found, "what was found").to.match(/was acknowledged as durable/);
      return String(found);
    });
  }
}

// Knows how images travel onto the disk and back by programs of others, and that they come back as they were.

import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import { DISK_SIZE } from "./guest-disk.js";
import { sha256, writeImage } from "./image.js";
import type { JudgedDisk, ServedDisk } from "./served-disk.js";

/** Each way uses an image of its own, so that none finds what it is to bring. */
export async function judgeCopies(context: SuiteContext, disk: ServedDisk): Promise<void> {
  await judgeImages(context, disk);
  await context.check("qemu-io: zeroes with and without holes, FUA, discard", () => zeroesAndHoles(context, disk));
}

export async function judgeImages(context: SuiteContext, disk: JudgedDisk): Promise<void> {
  const { uri } = disk;
  await context.check("qemu-img convert: an image in and out, equal SHA-256", () =>
    roundTrip(context, 1, async (image, copy) => {
      await context.succeed("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, uri);
      await context.succeed("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, copy);
      await context.succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", image, uri);
    }),
  );
  await context.check("nbdcopy: an image in and out on one connection, equal SHA-256", () =>
    roundTrip(context, 2, async (image, copy) => {
      await context.succeed("nbdcopy", "--connections=1", image, uri);
      await context.succeed("nbdcopy", "--connections=1", uri, copy);
    }),
  );
  await context.check("nbdcopy: the same on four connections, all holes written out", () =>
    roundTrip(context, 3, async (image, copy) => {
      const words = ["--connections=4", "--threads=4", "--requests=16", "--allocated", "--flush"];
      await context.succeed("nbdcopy", ...words, image, uri);
      await context.succeed("nbdcopy", ...words, uri, copy);
      const state = await disk.state?.();
      if (state !== undefined) expect(state.together, "connections at once").to.be.at.least(4);
    }),
  );
}

async function roundTrip(
  context: SuiteContext,
  seed: number,
  travel: (image: string, copy: string) => Promise<void>,
): Promise<string> {
  const image = context.path(`image-${seed}`);
  const copy = context.path(`copy-${seed}`);
  await writeImage(image, DISK_SIZE, seed);
  const original = await sha256(image);
  const begin = performance.now();
  await travel(image, copy);
  const seconds = (performance.now() - begin) / 1000;
  expect(await sha256(copy)).to.equal(original);
  return `${original.slice(0, 16)}, ${DISK_SIZE / 1024 / 1024} MiB there and back in ${seconds.toFixed(1)} s`;
}

/** Each command of qemu-io fails when a pattern it reads is not what was written. */
async function zeroesAndHoles(context: SuiteContext, { uri }: ServedDisk): Promise<string> {
  const commands = [
    "write -P 0xa5 1M 8M", // qemu-io's -P is the byte to write, or to find
    "write -f -P 0x5a 512 512",
    "read -P 0x5a 512 512",
    "write -z 2M 1M", // without -u no hole may be left
    "read -P 0 2M 1M",
    "write -z -u -f 4M 1M",
    "read -P 0 4M 1M",
    "discard 6M 1M",
    "read -P 0 6M 1M",
    "read -P 0xa5 1M 1M",
    "read -P 0xa5 3M 1M",
    "read -P 0xa5 5M 1M",
    "read -P 0xa5 7M 2M",
    "flush",
  ];
  const words = commands.flatMap((command) => ["-c", command]);
  const output = await context.succeed("qemu-io", "-f", "raw", ...words, uri);
  expect(output).not.to.match(/failed|error/i);
  const map: { offset: number; length: number; type: number }[] = JSON.parse(
    await context.succeed("nbdinfo", "--map", "--json", uri),
  );
  const typeAt = (at: number) => map.find((extent) => at >= extent.offset && at < extent.offset + extent.length)?.type;
  const mebibyte = 1024 * 1024;
  expect(
    [2.5, 4.5, 6.5].map((at) => typeAt(at * mebibyte)),
    "data, hole, hole",
  ).to.deep.equal([0, 3, 3]);
  return `${commands.length} commands`;
}

// Knows how QEMU's tools, over its iSCSI driver, write and read a LUN and find what they wrote.

import { expect } from "chai";
import { sha256, writeImage } from "../fio/image.js";
import type { SuiteContext } from "../suite.js";
import type { ServedPortal } from "./portal.js";

const SIZE = 64 << 20;
/** Each fails where what is read is not that pattern. Lengths lie around what a PDU, a first burst and a burst hold. */
const COMMANDS: readonly string[] = [
  "write -P 0x11 0 512",
  "write -P 0x22 512 255k",
  "write -P 0x33 1M 256k",
  "write -P 0x44 2M 257k",
  "write -P 0x55 4M 20M",
  "aio_write -P 0x66 30M 1M",
  "aio_write -P 0x77 31M 1M",
  "aio_flush",
  "write -z 6M 1M",
  "discard 8M 1M",
  "read -P 0x11 0 512",
  "read -P 0x22 512 255k",
  "read -P 0x33 1M 256k",
  "read -P 0x44 2M 257k",
  "read -P 0x55 4M 2M",
  "read -P 0 6M 1M",
  "read -P 0x55 9M 15M",
  "read -P 0x66 30M 1M",
  "read -P 0x77 31M 1M",
  "flush",
];

export async function judgeContents(context: SuiteContext, portal: ServedPortal): Promise<void> {
  await context.check("qemu-img convert: an image in and out, equal SHA-256", async () => {
    const [image, copy] = [context.path("image"), context.path("copy")];
    await writeImage(image, SIZE, 1);
    const begin = performance.now();
    await context.succeed("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, portal.url(1));
    await context.succeed("qemu-img", "convert", "-f", "raw", "-O", "raw", portal.url(1), copy);
    await context.succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", image, portal.url(1));
    const seconds = (performance.now() - begin) / 1000;
    const original = await sha256(image);
    expect(await sha256(copy)).to.equal(original);
    return `${original.slice(0, 16)}, ${SIZE >> 20} MiB there, back and compared in ${seconds.toFixed(1)} s`;
  });
  for (const digest of ["none", "crc32c", "none-crc32c", "crc32c-none"]) {
    await context.check(`qemu-io: patterns of all lengths, header digest ${digest}`, async () => {
      const { portal: node, output } = await runIo(context, portal, digest, COMMANDS);
      expect(output.match(/^(wrote|read) /gm)?.length, output).to.equal(COMMANDS.length - 3);
      return node;
    });
  }
}

async function runIo(
  context: SuiteContext,
  portal: ServedPortal,
  digest: string,
  commands: readonly string[],
): Promise<{ portal: string; output: string }> {
  const driver = {
    driver: "raw",
    discard: "unmap",
    file: {
      driver: "iscsi",
      transport: "tcp",
      portal: portal.address,
      target: portal.target,
      lun: 0,
      "header-digest": digest,
    },
  };
  const words = commands.flatMap((command) => ["-c", command]);
  const output = await context.succeed("qemu-io", ...words, `json:${JSON.stringify(driver)}`);
  expect(output, "patterns").not.to.contain("Pattern verification failed");
  return { portal: `${commands.length} commands`, output };
}

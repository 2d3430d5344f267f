// Knows where in a bzImage the kernel proper lies (Linux' Documentation/arch/x86/boot.rst), and how to get it out. An emulated
// machine would take longer to unpack it than to boot.

import { readFile, writeFile } from "node:fs/promises";
import type { SuiteContext } from "../suite.js";

const SETUP_SECTORS = 0x1f1;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR = 512;
/** Its length stands behind what is packed; gzip has that of its own accord. */
const LENGTH_BEHIND = 4;

/** By the first bytes of what is packed. */
const UNPACKERS: readonly { readonly magic: string; readonly words: readonly string[] }[] = [
  { magic: "fd377a585a00", words: ["xz", "-dc"] },
  { magic: "28b52ffd", words: ["zstd", "-dc"] },
  { magic: "02214c18", words: ["lz4", "-dc"] },
];

/** Writes the ELF file of a bzImage's kernel, without its symbols. */
export async function extractKernel(context: SuiteContext, image: string, elf: string): Promise<void> {
  const packed = payloadOf(await readFile(image));
  const { words } = unpackerOf(packed);
  const [from, whole] = [context.path("vmlinux.packed"), context.path("vmlinux")];
  await writeFile(from, packed.subarray(0, -LENGTH_BEHIND));
  await context.succeed("sh", "-c", `${words.join(" ")} <"$1" >"$2"`, "sh", from, whole);
  await context.succeed("strip", "--strip-all", "-o", elf, whole);
}

function payloadOf(image: Buffer): Buffer {
  const begin = ((image[SETUP_SECTORS] || 4) + 1) * SECTOR + image.readUInt32LE(PAYLOAD_OFFSET);
  return image.subarray(begin, begin + image.readUInt32LE(PAYLOAD_LENGTH));
}

function unpackerOf(packed: Buffer) {
  const unpacker = UNPACKERS.find(({ magic }) => packed.toString("hex", 0, magic.length / 2) === magic);
  if (unpacker === undefined) throw new Error(`a kernel packed in an unknown way: ${packed.toString("hex", 0, 6)}`);
  return unpacker;
}

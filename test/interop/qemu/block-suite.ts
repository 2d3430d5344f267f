// Knows what is asked of a virtio-blk device by a stock Linux guest: that its own driver gets the disk, that what is written is what
// is read, and that a program which sends SCSI commands is refused.

import { expect } from "chai";
import type { Child } from "../children.js";
import type { Suite, SuiteContext } from "../suite.js";
import { clock } from "./clock.js";
import { copy, noticeSpoiled, sumOfFile, sumOnDisk, verifyAtDepth } from "./contents.js";
import { makeFile } from "./files.js";
import { Guest } from "./guest.js";
import { untilSo } from "./guest-disk.js";
import { PACKAGES, prepareImages } from "./images.js";

const PROGRAM = new URL("block-server.js", import.meta.url).pathname;
const DISK = "/dev/vda";
const SIZE = 64;
const COPIED = 32;
const QUEUES = 2;
/** Seconds of fio. */
const WORK = 8;
const SERIAL = "0123456789abcdefghij";
const SIZE_LINE = "[vda] 131072 512-byte logical blocks (67.1 MB/64.0 MiB)";

export const qemuBlockSuite: Suite = {
  name: "qemu-blk",
  judges:
    "a virtio-blk device of a vhost-user server, by a stock Linux guest under QEMU: its virtio_blk, dd, fio, sg_inq",
  packages: PACKAGES,
  default: false,
  budgetSeconds: 240,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const guests: Guest[] = [];
  const file = await makeFile(context, SIZE);
  const socket = context.freshPath("socket");
  const server = context.start(process.execPath, PROGRAM, socket, file, String(QUEUES), SERIAL);
  await context.check("Linux' virtio_blk has its disk", async () => {
    expect(await server.readLine()).to.equal("serving");
    const images = await prepareImages(context, "cloud");
    guests.push(await Guest.boot(context, images, { processors: 2, words: wordsOf(socket) }));
    await guests[0].run(untilSo(`[ -b ${DISK} ]`));
    const said = await guests[0].run("dmesg");
    expect(said).to.include(SIZE_LINE);
    return `Linux ${images.kernel}: ${SIZE_LINE}`;
  });
  if (guests.length === 0) return;
  await judgeDisk(context, guests[0], file);
  await guests[0].end();
  await context.check("what served it ends in order", () => endInOrder(server));
}

/** As the option of that name, with a queue for each processor. */
function wordsOf(socket: string): string[] {
  const device = `vhost-user-blk-pci,chardev=disk,num-queues=${QUEUES}`;
  return ["-chardev", `socket,id=disk,path=${socket}`, "-device", device];
}

async function judgeDisk(context: SuiteContext, guest: Guest, file: string): Promise<void> {
  await context.check("its limits, its queues and its serial number are the device's", () => readFacts(guest));
  await context.check(`${COPIED} MiB written are read again and are in the file`, async () => {
    const since = clock();
    const sum = await copy(guest, DISK, COPIED);
    const milliseconds = since();
    expect(await sumOfFile(file, COPIED), "in the file").to.equal(sum);
    return `${sum.slice(0, 16)}, there and back in ${milliseconds} ms`;
  });
  await context.check("a bit turned over in the file is noticed", () => noticeSpoiled(guest, DISK, file));
  await context.check(`fio at depth 32 for ${WORK} s, every block's MD5 verified`, () =>
    verifyAtDepth(guest, DISK, { seconds: WORK }),
  );
  await context.check("sg_inq is refused by ENOTTY", () => refused(guest));
  await context.check("a guest that starts anew reads what it wrote before", async () => {
    const before = await copy(guest, DISK, COPIED);
    await guest.reboot();
    await guest.run(untilSo(`[ -b ${DISK} ]`));
    expect(await sumOnDisk(guest, DISK, COPIED), "what was written before").to.equal(before);
    return before.slice(0, 16);
  });
}

async function readFacts(guest: Guest): Promise<string> {
  const text = await guest.run(`cd /sys/block/vda
cat serial; echo
cat queue/logical_block_size queue/physical_block_size queue/max_segments queue/write_cache
ls mq | wc -l`);
  const facts = text.trim().split(/\s*\n\s*/);
  expect(facts).to.deep.equal([SERIAL, "512", "4096", "126", "write back", String(QUEUES)]);
  return facts.join(", ");
}

async function refused(guest: Guest): Promise<string> {
  const ended = await guest.attempt(`sg_inq ${DISK}`);
  expect(ended).to.deep.equal({ status: 75, output: "sg_inq failed: Inappropriate ioctl for device\n" });
  return ended.output.trim();
}

async function endInOrder(server: Child): Promise<string> {
  const { status, errors } = await server.finish();
  expect([status, errors]).to.deep.equal([0, ""]);
  return "status 0, no error";
}

// Knows which disks of a guest of QEMU are measured beside each other: what is judged, and QEMU's own virtio-scsi and virtio-blk.

import { measureRounds, type Workload } from "../linux/rounds.js";
import type { SuiteContext } from "../suite.js";
import type { Disk, DiskServerKind } from "./disks.js";
import { makeFile } from "./files.js";
import { Guest } from "./guest.js";
import { appeared } from "./guest-disk.js";
import type { Images } from "./images.js";

const MEBIBYTES = 128;
const ROUNDS = 5;
/** The target number of QEMU's own disk: nobody else's. */
const OWN_TARGET = 9;

const WORKLOADS: readonly Workload[] = [
  { name: "4k randread d1", words: "--rw=randread --bs=4k --iodepth=1" },
  { name: "4k randread d32", words: "--rw=randread --bs=4k --iodepth=32" },
  { name: "4k randwrite d32", words: "--rw=randwrite --bs=4k --iodepth=32" },
  { name: "256k seqread d8", words: "--rw=read --bs=256k --iodepth=8" },
];

/** The ratios are to QEMU's virtio-scsi of the same round. */
export async function judgeSpeed(context: SuiteContext, kind: DiskServerKind, images: Images): Promise<void> {
  const memory: Disk = { target: 0, lun: 0, mebibytes: MEBIBYTES };
  const file: Disk = { target: 0, lun: 1, mebibytes: MEBIBYTES, file: await makeFile(context, MEBIBYTES) };
  const server = await kind.start(context, [memory, file], 1);
  const words = [...server.words, ...(await ownScsi(context)), ...(await ownBlock(context))];
  const guest = await Guest.boot(context, images, { processors: 1, words });
  const own = (await appeared(guest, { target: OWN_TARGET, lun: 0 })).disk;
  const contenders = [
    { name: "QEMU virtio-scsi, a file", disk: own, beside: 0 },
    { name: "QEMU virtio-blk, a file", disk: "/dev/vda", beside: 0 },
    { name: `${kind.name}, memory`, disk: (await appeared(guest, memory)).disk, beside: 0 },
    { name: `${kind.name}, a file`, disk: (await appeared(guest, file)).disk, beside: 0 },
  ];
  await measureRounds(context, { guest, contenders, workloads: WORKLOADS, rounds: ROUNDS, mebibytes: MEBIBYTES });
  await guest.end();
  await server.close();
}

async function ownScsi(context: SuiteContext): Promise<string[]> {
  const device = `scsi-hd,bus=own.0,scsi-id=${OWN_TARGET},drive=own-scsi`;
  return [...(await blockWords(context, "own-scsi")), "-device", "virtio-scsi-pci,id=own", "-device", device];
}

async function ownBlock(context: SuiteContext): Promise<string[]> {
  return [...(await blockWords(context, "own-block")), "-device", "virtio-blk-pci,drive=own-block"];
}

async function blockWords(context: SuiteContext, name: string): Promise<string[]> {
  const filename = await makeFile(context, MEBIBYTES);
  return ["-blockdev", JSON.stringify({ driver: "raw", "node-name": name, file: { driver: "file", filename } })];
}

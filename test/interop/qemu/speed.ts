// Knows how fast a guest reads and writes, on what is judged and on QEMU's own virtio-scsi and virtio-blk beside it, in turns: rounds
// of one guest, so that a machine that changes its speed changes all of them. Nothing here passes or fails by time.

import type { SuiteContext } from "../suite.js";
import type { Disk, DiskServerKind } from "./disks.js";
import { makeFile } from "./files.js";
import { Guest } from "./guest.js";
import { appeared } from "./guest-disk.js";
import type { Images } from "./images.js";

const MEBIBYTES = 128;
const ROUNDS = 5;
/** Seconds of fio on one disk in a round. */
const SECONDS = 2;
/** The target number of QEMU's own disk: nobody else's. */
const OWN_TARGET = 9;

interface Workload {
  readonly name: string;
  readonly words: string;
}

const WORKLOADS: readonly Workload[] = [
  { name: "4k randread d1", words: "--rw=randread --bs=4k --iodepth=1" },
  { name: "4k randread d32", words: "--rw=randread --bs=4k --iodepth=32" },
  { name: "4k randwrite d32", words: "--rw=randwrite --bs=4k --iodepth=32" },
  { name: "256k seqread d8", words: "--rw=read --bs=256k --iodepth=8" },
];

/** A disk that takes part, by its path in the guest. */
interface Contender {
  readonly name: string;
  readonly disk: string;
}

/** One run. */
interface Figures {
  readonly perSecond: number;
  readonly medianMicroseconds: number;
  readonly p99Microseconds: number;
}

/** Measures all, a row for each workload and disk: medians of the rounds, ratios to QEMU's virtio-scsi of the same round. */
export async function judgeSpeed(context: SuiteContext, kind: DiskServerKind, images: Images): Promise<void> {
  const memory: Disk = { target: 0, lun: 0, mebibytes: MEBIBYTES };
  const file: Disk = { target: 0, lun: 1, mebibytes: MEBIBYTES, file: await makeFile(context, MEBIBYTES) };
  const server = await kind.start(context, [memory, file], 1);
  const words = [...server.words, ...(await ownScsi(context)), ...(await ownBlock(context))];
  const guest = await Guest.boot(context, images, { processors: 1, words });
  const contenders = [
    { name: "QEMU virtio-scsi, a file", disk: (await appeared(guest, { target: OWN_TARGET, lun: 0 })).disk },
    { name: "QEMU virtio-blk, a file", disk: "/dev/vda" },
    { name: `${kind.name}, memory`, disk: (await appeared(guest, memory)).disk },
    { name: `${kind.name}, a file`, disk: (await appeared(guest, file)).disk },
  ];
  for (const workload of WORKLOADS) {
    const begin = performance.now();
    const figures = await compare(guest, contenders, workload);
    const seconds = (performance.now() - begin) / 1000 / contenders.length;
    contenders.forEach(({ name }, i) => {
      context.add({ check: `${workload.name}: ${name}`, passed: true, figure: shown(figures[i], figures[0]), seconds });
    });
  }
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

/** Figures of each contender, round by round; a first round that is not counted fills the files. */
async function compare(guest: Guest, contenders: readonly Contender[], workload: Workload): Promise<Figures[][]> {
  const figures: Figures[][] = contenders.map(() => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, { disk }] of contenders.entries()) {
      const result = await measure(guest, disk, workload);
      if (round > 0) figures[i].push(result);
    }
  }
  return figures;
}

async function measure(guest: Guest, disk: string, { words }: Workload): Promise<Figures> {
  const common = `--name=speed --filename=${disk} --direct=1 --ioengine=libaio --size=${MEBIBYTES}m --lat_percentiles=1`;
  const output = await guest.run(`fio ${common} ${words} --time_based --runtime=${SECONDS} --output-format=json`);
  const { read, write } = JSON.parse(output.slice(output.indexOf("{"))).jobs[0];
  const { iops, lat_ns: latency } = read.total_ios > 0 ? read : write;
  const microseconds = (percentile: string) => latency.percentile[percentile] / 1000;
  return {
    perSecond: iops,
    medianMicroseconds: microseconds("50.000000"),
    p99Microseconds: microseconds("99.000000"),
  };
}

function shown(own: readonly Figures[], baseline: readonly Figures[]): string {
  const middle = (name: keyof Figures) => median(own.map((figures) => figures[name])).toFixed(0);
  const ratios = own.map(({ perSecond }, round) => perSecond / baseline[round].perSecond);
  const spread = `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`;
  const latency = `p50 ${middle("medianMicroseconds")} us, p99 ${middle("p99Microseconds")} us`;
  return `${middle("perSecond")} IOPS, ${latency}, ratio ${median(ratios).toFixed(2)} (${spread})`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

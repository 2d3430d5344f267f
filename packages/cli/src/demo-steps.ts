// Knows the steps of the demonstration: what each shows, and how it is checked that it is so.

import { join } from "node:path";
import { isAttached } from "@pvscsi/toolstack";
import { assert, seededRandom } from "@pvscsi/wire";
import { runBenchmark } from "./benchmark.js";
import { showProcesses } from "./demo-processes.js";
import type { Stage } from "./demo-stage.js";
import { sha256, writeImage } from "./image.js";
import { nodeClock } from "./platform.js";
import { followRing } from "./ring-trace.js";
import { transfer } from "./store-transfer.js";
import { Exit } from "./verb.js";

export interface DemoStep {
  readonly title: string;
  /** With whose devices it can be shown; the last one ends the guest. */
  readonly when: "always" | "own-devices" | "at-the-end";
  /** Gives in words what it has shown; throws when it is not so. */
  readonly run: (stage: Stage) => Promise<string>;
}

const MIB = 1024 * 1024;
const SEED = 42;

export const STEPS: readonly DemoStep[] = [
  { title: "A guest gets LUNs of dom0: scsifront, a granted ring, scsiback", when: "always", run: createGuest },
  { title: "A 256 MiB image through the guest, there and back", when: "own-devices", run: copyImage },
  { title: "A LUN comes and goes while the guest works on another one", when: "own-devices", run: hotplug },
  { title: "One READ followed across the ring", when: "always", run: followRead },
  { title: "A LUN that fails at one block, and what Linux says of it", when: "own-devices", run: failOneBlock },
  { title: "The same blocks over each transport, beside a bare copy of them", when: "own-devices", run: compare },
  { title: "The same as three processes: dom0, a driver domain, a guest", when: "own-devices", run: showProcesses },
  { title: "The guest is ended, and nothing is left of it", when: "at-the-end", run: destroyGuest },
];

async function createGuest(stage: Stage): Promise<string> {
  await stage.dom0("create", ...stage.create);
  const { name } = stage.guest;
  await stage.dom0("scsi-list", name);
  await stage.domU(["dmesg"]);
  await stage.domU(["lsscsi", "-g"]);
  const controllers = await stage.controllers();
  const luns = controllers.flatMap((controller) => controller.luns);
  assert(luns.every(isAttached), "a LUN is not attached");
  const shown = `${counted(luns.length, "LUN")} on ${counted(controllers.length, "virtual SCSI host")}`;
  return `${shown}, all Connected at both ends of their rings`;
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

async function copyImage(stage: Stage): Promise<string> {
  const image = join(stage.folder, "image.raw");
  const copy = join(stage.folder, "copy.raw");
  await writeImage(image, 256 * MIB, SEED);
  await stage.domU(["dd", `if=${image}`, "of=/dev/sda", "bs=1M", "oflag=direct", "conv=fsync"]);
  await stage.domU(["dd", "if=/dev/sda", `of=${copy}`, "bs=1M", "iflag=direct"]);
  const sums = [
    { of: "the image", sum: await sha256(image) },
    { of: "dom0's file behind the guest's /dev/sda", sum: await sha256(join(stage.folder, "images", "disk0.img")) },
    { of: "what the guest has read back", sum: await sha256(copy) },
  ];
  stage.print(`\n${sums.map(({ of, sum }) => `${sum}  ${of}`).join("\n")}`);
  assert(new Set(sums.map(({ sum }) => sum)).size === 1, "the SHA-256 sums differ");
  return "what the guest writes is what dom0 stores is what the guest reads: equal SHA-256";
}

async function hotplug(stage: Stage): Promise<string> {
  const { name } = stage.guest;
  const work = workOn(stage, "sdb");
  await stage.dom0("scsi-attach", name, "/dev/sdd", "1:0:0:1");
  await stage.domU(["lsscsi"]);
  await stage.dom0("scsi-detach", name, "1:0:0:1");
  await stage.domU(["lsscsi"]);
  const verified = await work.stop();
  assert(verified > 0, "no I/O ran during the hotplug");
  return `meanwhile ${verified} blocks of /dev/sdb were written, read back and compared, without an error`;
}

/** Writes and reads back random blocks until it is stopped; gives how many. */
function workOn(stage: Stage, disk: string): { stop(): Promise<number> } {
  const store = stage.store(disk);
  const random = seededRandom(SEED, "work");
  let running = true;
  const work = (async () => {
    let verified = 0;
    for (; running; verified++) {
      const offset = random.below(store.size / 4096) * 4096;
      const written = Uint8Array.from({ length: 4096 }, () => random.u32());
      const read = new Uint8Array(4096);
      const error = (await transfer(store, "write", offset, written)) ?? (await transfer(store, "read", offset, read));
      assert(error === null, `the block at ${offset}: ${error?.message}`);
      assert(Buffer.compare(written, read) === 0, `the block at ${offset} is not what was written`);
    }
    return verified;
  })();
  return {
    stop: () => {
      running = false;
      return work;
    },
  };
}

async function followRead(stage: Stage): Promise<string> {
  const [disk] = stage.disks;
  if (disk === undefined) return "the guest has no disk to read from";
  const store = stage.store(disk.name);
  const end = followRing(stage.session.probes, nodeClock);
  const error = await transfer(store, "read", Math.min(4096, store.size - 4096), new Uint8Array(4096));
  const { text, requests, responses, events } = end();
  stage.print(`\n${disk.name}, 4 KiB at byte 4096; the bytes of each slot, then its fields by offset\n${text}`);
  if (error !== null) return `the READ has failed: ${error.message}`;
  return `${requests} request, ${responses} response, ${events} events; the data went into the guest's page, not over the ring`;
}

async function failOneBlock(stage: Stage): Promise<string> {
  const { name, log } = stage.guest;
  await stage.dom0("scsi-attach", name, "/dev/sde", "0:0:2:0");
  await stage.domU(["lsscsi"]);
  const heard = log.lines.length;
  await stage.domU(["dd", "if=/dev/sdd", "of=/dev/null", "bs=4k", "skip=120", "count=10"], Exit.failed);
  const lines = log.lines.slice(heard);
  stage.print(`\n${name}# dmesg | tail -n ${lines.length}\n${lines.join("\n")}`);
  assert(
    lines.some((line) => line.includes("critical medium error, dev sdd, sector 1000")),
    "no error at block 1000",
  );
  await stage.dom0("scsi-detach", name, "0:0:2:0");
  return "the target's sense data has reached the guest: the blocks before 1000 were read, that one failed";
}

async function compare(stage: Stage): Promise<string> {
  stage.print(await runBenchmark({ workloads: ["4k randread", "256k seqread d8"], rounds: 3, milliseconds: 80 }));
  return "direct: a SCSI target without a wire; pvscsi: the same target behind scsifront, ring and scsiback";
}

async function destroyGuest(stage: Stage): Promise<string> {
  const { hypervisor } = stage.session.system;
  await stage.dom0("destroy", stage.guest.name);
  await stage.dom0("list");
  assert(stage.things() === stage.before, `left over: ${stage.things()}`);
  assert(hypervisor.leaks().length === 0, "mappings outlived their granter");
  return "every grant, event channel, mapping and node of xenstore is as it was before the guest";
}

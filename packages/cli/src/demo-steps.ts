// Knows the steps of the demonstration: what each shows, and how it is checked that it is so.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isAttached } from "@pvscsi/toolstack";
import { assert, fail, seededRandom } from "@pvscsi/wire";
import { runBenchmark } from "./benchmark.js";
import type { Stage } from "./demo-stage.js";
import { VerifiedWork } from "./demo-work.js";
import { sha256, writeImage } from "./image.js";
import { traceOf } from "./ring-trace.js";
import { Exit } from "./verb.js";

export interface DemoStep {
  readonly title: string;
  /** With whose devices it can be shown; the last one ends the guest. */
  readonly when: "always" | "own-devices" | "driver-domain" | "at-the-end";
  /** Gives in words what it has shown; throws when it is not so. */
  readonly run: (stage: Stage) => Promise<string>;
}

const MIB = 1024 * 1024;
const SEED = 42;

export const STEPS: readonly DemoStep[] = [
  { title: "A guest gets LUNs: scsifront, a granted ring, scsiback", when: "always", run: createGuest },
  { title: "A 256 MiB image through the guest, there and back", when: "own-devices", run: copyImage },
  { title: "A smaller one through the driver domain", when: "driver-domain", run: copyThroughDriver },
  { title: "A LUN comes and goes while the guest works on another one", when: "own-devices", run: hotplug },
  { title: "One READ followed across the ring", when: "always", run: followRead },
  { title: "A LUN that fails at one block, and what Linux says of it", when: "own-devices", run: failOneBlock },
  { title: "The same blocks over each transport, beside a bare copy of them", when: "own-devices", run: compare },
  { title: "The guest is ended, and nothing is left of it", when: "at-the-end", run: destroyGuest },
];

async function createGuest(stage: Stage): Promise<string> {
  const { driver, guest } = stage;
  if (driver !== null) await stage.dom0("create", driver.config);
  await stage.dom0("create", ...stage.create);
  if (driver !== null) {
    const { physicalDevice, virtualDevice, name } = driver;
    await stage.dom0("scsi-attach", guest, physicalDevice, virtualDevice, `backend=${name}`);
  }
  await stage.dom0("scsi-list", guest);
  await stage.domU(["dmesg"]);
  await stage.domU(["lsscsi", "-g"]);
  const controllers = await stage.controllers();
  const luns = controllers.flatMap((controller) => controller.luns);
  assert(luns.every(isAttached), "a LUN is not attached");
  const shown = `${counted(luns.length, "LUN")} on ${counted(controllers.length, "virtual SCSI host")}`;
  return `${shown}, all Connected at both ends of their rings${processesText(stage)}`;
}

/** `; the processes: dom0 11, storage 12, domU 13`; nothing where there is only one. */
function processesText({ system }: Stage): string {
  const others = system.processes();
  if (others.length === 0) return "";
  const all = [{ name: "dom0", pid: process.pid }, ...others];
  return `; the processes: ${all.map(({ name, pid }) => `${name} ${pid}`).join(", ")}`;
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

async function copyImage(stage: Stage): Promise<string> {
  const { image, copy } = await copyThere(stage, "image", 256, "sda");
  const stored = join(stage.folder, "images", "disk0.img");
  await sameSums(stage, { "the image": image, "dom0's file behind the guest's /dev/sda": stored, [READ_BACK]: copy });
  return "what the guest writes is what dom0 stores is what the guest reads: equal SHA-256";
}

async function copyThroughDriver(stage: Stage): Promise<string> {
  const { name, virtualDevice } = stage.driver ?? fail("there is no driver domain");
  const [disk] = await stage.disks(virtualDevice);
  const { image, copy } = await copyThere(stage, "small", 16, disk);
  await sameSums(stage, { "the image": image, [READ_BACK]: copy });
  return `${name} has stored it, a process with devices of its own: equal SHA-256`;
}

const READ_BACK = "what the guest has read back";

/** Writes an image to a disk of the guest and reads it back. */
async function copyThere(stage: Stage, name: string, mebibytes: number, disk: string) {
  const image = join(stage.folder, `${name}.raw`);
  const copy = join(stage.folder, `${name}-copy.raw`);
  await writeImage(image, mebibytes * MIB, SEED);
  const size = ["bs=1M", `count=${mebibytes}`];
  await stage.domU(["dd", `if=${image}`, `of=/dev/${disk}`, "bs=1M", "oflag=direct", "conv=fsync"]);
  await stage.domU(["dd", `if=/dev/${disk}`, `of=${copy}`, ...size, "iflag=direct"]);
  return { image, copy };
}

async function sameSums(stage: Stage, files: { readonly [what: string]: string }): Promise<void> {
  const sums: string[] = [];
  const lines: string[] = [];
  for (const [what, path] of Object.entries(files)) {
    const sum = await sha256(path);
    sums.push(sum);
    lines.push(`${sum}  ${what}`);
  }
  stage.print(`\n${lines.join("\n")}`);
  assert(new Set(sums).size === 1, "the SHA-256 sums differ");
}

async function hotplug(stage: Stage): Promise<string> {
  const { guest } = stage;
  const work = new VerifiedWork(stage, seededRandom(SEED, "work"), "sdb", 64 * MIB);
  const verified = await work.during(async () => {
    await stage.dom0("scsi-attach", guest, "/dev/sdd", "1:0:0:1");
    await stage.domU(["lsscsi"]);
    await stage.dom0("scsi-detach", guest, "1:0:0:1");
    await stage.domU(["lsscsi"]);
  });
  assert(verified > 0, "no I/O ran during the hotplug");
  return `meanwhile ${verified} blocks of /dev/sdb were written, read back and compared, without an error`;
}

async function followRead(stage: Stage): Promise<string> {
  const [disk] = await stage.disks();
  if (disk === undefined) return "the guest has no disk to read from";
  let status: number = Exit.done;
  const moments = await stage.follow(async () => {
    status = await stage.domU(
      ["dd", `if=/dev/${disk}`, "of=/dev/null", "bs=4k", "skip=1", "count=1", "iflag=direct"],
      null,
    );
  });
  const { text, requests, responses, events, processes } = traceOf(moments);
  stage.print(`\nthe bytes of each slot, then its fields by offset\n${text}`);
  if (status !== Exit.done) return "the READ has failed";
  assert(requests > 0 && requests === responses, `${requests} requests, ${responses} responses`);
  const apart = stage.system.processes().length > 0;
  assert(processes === (apart ? 2 : 1), `${processes} processes have told of it`);
  const passed = `${counted(requests, "request")}, ${counted(responses, "response")}, ${counted(events, "event")}`;
  return `${passed}${apart ? " between two processes" : ""}; the data went into the guest's page, not over the ring`;
}

async function failOneBlock(stage: Stage): Promise<string> {
  const { guest } = stage;
  await stage.dom0("scsi-attach", guest, "/dev/sde", "0:0:2:0");
  await stage.domU(["lsscsi"]);
  const [disk] = await stage.disks("0:0:2:0");
  const heard = (await log(stage)).length;
  await stage.domU(["dd", `if=/dev/${disk}`, "of=/dev/null", "bs=4k", "skip=120", "count=10"], Exit.failed);
  const lines = (await log(stage)).slice(heard);
  stage.print(`\n${guest}# dmesg | tail -n ${lines.length}\n${lines.join("\n")}`);
  const told = lines.some((line) => line.includes(`critical medium error, dev ${disk}, sector 1000`));
  assert(told, "no error at block 1000");
  await stage.dom0("scsi-detach", guest, "0:0:2:0");
  return "the target's sense data has reached the guest: the blocks before 1000 were read, that one failed";
}

async function log(stage: Stage): Promise<string[]> {
  return (await stage.quietly("dmesg")).output.trimEnd().split("\n");
}

async function compare(stage: Stage): Promise<string> {
  stage.print(await runBenchmark({ workloads: ["4k randread", "256k seqread d16"], rounds: 3, milliseconds: 80 }));
  const inside = "direct: a SCSI target without a wire; pvscsi: the same target behind scsifront, ring and scsiback";
  const virtio =
    "virtio-scsi: the same behind virtqueues; virtio-blk: its store behind them; ...-worker: between threads";
  return `${inside}; ${virtio}; websocket: between processes; ws, sab: as many bytes on the same way, and nothing else`;
}

async function destroyGuest(stage: Stage): Promise<string> {
  const { system, driver } = stage;
  const processes = system.processes();
  await stage.dom0("destroy", stage.guest);
  if (driver !== null) await stage.dom0("destroy", driver.name);
  await stage.dom0("list");
  assert(system.things() === stage.before, `left over: ${system.things()}`);
  assert(system.hypervisor.leaks().length === 0, "mappings outlived their granter");
  for (const { name, pid } of processes) assert(!isThere(pid), `the process ${pid} of ${name} is left over`);
  const files = await readdir(stage.state, { recursive: true });
  const left = files.filter((name) => name !== "domains" && !name.endsWith(".log"));
  assert(left.length === 0, `files are left over: ${left.join(", ")}`);
  const same = "every grant, event channel, mapping and node of xenstore is as it was before the guest";
  return processes.length === 0 ? same : `${same}; the processes have ended`;
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

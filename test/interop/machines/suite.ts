// Knows what is asked of dom0, driver domain and guest on three machines: the judges of a disk, and that a cable which is
// pulled out ends what hangs on it, in time, and nothing else.

import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { judgeImages } from "../fio/copies.js";
import { sha256, writeImage } from "../fio/image.js";
import { verifyContents } from "../fio/verification.js";
import { reasonOf, type Suite, type SuiteContext } from "../suite.js";
import { type MachineName, ThreeMachines } from "./stand.js";

const MIB = 1024 * 1024;
/** Where each of the guest's disks is there. */
const MEMORY = "0:0:0:0";
const FILE = "0:0:1:0";
const KEPT = "0:0:2:0";
const OF_DOM0 = "1:0:0:0";

/** Seconds of fio. */
const WORK = 20;
/** Seconds of fio on the disk that stays, while another's cable is out. */
const MEANWHILE = 45;
/** Seconds after which what a machine was needed for has failed: TCP asks after 15, and ten times, a second apart; the rest is for a busy machine. */
const NOTICED = 40;
const FEWEST_WRITES = 100;
/** Milliseconds of load before a cable is pulled out, and for a disk to come back. */
const LOADED = 5000;
const PATIENCE = 30_000;
/** Bytes of the image that is flushed before the cable is pulled out. */
const IMAGE_SIZE = 8 * MIB;

export const machinesSuite: Suite = {
  name: "machines",
  judges:
    "dom0, driver domain and guest on a machine each, over TLS: fio, qemu-img, nbdcopy; cables that are pulled out",
  packages: ["iproute2", "openssl", "fio", "qemu-utils", "libnbd-bin"],
  default: true,
  budgetSeconds: 245,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const machines = await ThreeMachines.start(context);
  await machines.join("storage");
  await machines.join("far");
  const disks = await machines.disks();
  const diskAt = (address: string) => disks.get(address) ?? expect.fail(`no disk at ${address}`);
  const [memory, file, near] = [
    await machines.serve(diskAt(MEMORY), "memory"),
    await machines.serve(diskAt(FILE), "file"),
    await machines.serve(diskAt(OF_DOM0), "near"),
  ];
  await judgeImages(context, { uri: memory });
  await context.check("all of it went over the cables", () => crossed(machines));
  await context.check(`fio on the driver domain's file for ${WORK} s, every write verified`, () =>
    verifyContents(context, file, WORK, FEWEST_WRITES),
  );
  await context.check("the driver domain's cable is pulled out under load of both", () =>
    loseStorage(context, machines, file, near),
  );
  await context.check("it is typed again: the disks are back, with what was flushed before", () =>
    storageAgain(context, machines),
  );
  await context.check("the guest's cable is pulled out under load", () => loseGuest(context, machines, near));
  await context.check("nothing is left behind", () => machines.finish());
}

/** Three images of 256 MiB went in and out. */
async function crossed(machines: ThreeMachines): Promise<string> {
  const { sent, received } = await machines.network.traffic("far");
  const { sent: back, received: forth } = await machines.network.traffic("storage");
  const figures = Object.entries({ sent, received, back, forth });
  for (const [name, bytes] of figures) expect(bytes, name).to.be.above(256 * MIB);
  const of = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
  return `the guest's machine: ${of(sent)} sent, ${of(received)} received; the driver domain's: ${of(forth)} and ${of(back)}`;
}

/** Runs fio on a disk that is to be lost: gives how it failed. */
async function fioThatFails(context: SuiteContext, uri: string): Promise<string> {
  return verifyContents(context, uri, MEANWHILE, FEWEST_WRITES).then(
    (figures) => expect.fail(`fio went on without its disk: ${figures}`),
    reasonOf,
  );
}

async function loseStorage(
  context: SuiteContext,
  machines: ThreeMachines,
  file: string,
  near: string,
): Promise<string> {
  const { network } = machines;
  await writeImage(network.path("far", "flushed.raw"), IMAGE_SIZE, 4);
  const disk = (await machines.disks()).get(KEPT);
  await machines.guest("dd", "if=flushed.raw", `of=/dev/${disk}`, "bs=1M", "status=none", "conv=fsync");
  const failed = fioThatFails(context, file);
  const kept = verifyContents(context, near, MEANWHILE, FEWEST_WRITES);
  const both = Promise.all([failed, kept]);
  void both.catch(() => {});
  await setTimeout(LOADED);
  const since = await unplug(machines, "storage");
  expect(await machines.said()).to.equal("domain 'storage' has ended: its machine does not answer");
  const noticed = since();
  await failed;
  const ended = since();
  expect(ended, "seconds to the end of fio").to.be.below(NOTICED);
  for (const line of [/^storage waits to be joined/, /^pvscsi join wss:/]) expect(await machines.said()).to.match(line);
  await endedAlone(machines, "storage", 1);
  const [, figures] = await both;
  const times = `noticed after ${noticed.toFixed(1)} s, fio's end after ${ended.toFixed(1)} s`;
  return `${times}; dom0's disk meanwhile: ${figures}`;
}

async function storageAgain(context: SuiteContext, machines: ThreeMachines): Promise<string> {
  const { network } = machines;
  await network.plug("storage");
  await machines.join("storage");
  const disk = await appeared(machines, KEPT);
  await machines.guest("dd", `if=/dev/${disk}`, "of=again.raw", "bs=1M", `count=${IMAGE_SIZE / MIB}`, "status=none");
  const [before, after] = await Promise.all(
    ["flushed.raw", "again.raw"].map((name) => sha256(network.path("far", name))),
  );
  expect(after).to.equal(before);
  const uri = await machines.serve(await appeared(machines, FILE), "file-again");
  return `${before.slice(0, 16)}; ${await verifyContents(context, uri, 5, FEWEST_WRITES)}`;
}

async function loseGuest(context: SuiteContext, machines: ThreeMachines, near: string): Promise<string> {
  const file = await machines.serve(await appeared(machines, FILE), "file-last");
  const failed = Promise.all([fioThatFails(context, file), fioThatFails(context, near)]);
  void failed.catch(() => {});
  await setTimeout(LOADED);
  const since = await unplug(machines, "far");
  expect(await machines.said()).to.equal("domain 'far' has ended: its machine does not answer");
  const noticed = since();
  await endedAlone(machines, "far", 2);
  await failed;
  expect(since(), "seconds to the end of fio").to.be.below(NOTICED);
  return `noticed after ${noticed.toFixed(1)} s, fio's end after ${since().toFixed(1)} s`;
}

/** Pulls a cable, and gives a clock of the seconds since then. */
async function unplug({ network }: ThreeMachines, name: MachineName): Promise<() => number> {
  await network.unplug(name);
  const begin = performance.now();
  return () => (performance.now() - begin) / 1000;
}

/** A domain without its hub ends, and says why. */
async function endedAlone(machines: ThreeMachines, name: "storage" | "far", id: number): Promise<void> {
  const { status, errors } = await machines.ended(name);
  const reason = "the hub's machine does not answer";
  expect({ status, errors }).to.deep.equal({ status: 1, errors: `pvscsi: domain ${id} has ended: ${reason}\n` });
}

/** Waits for a disk of the guest's to be there, and gives its name. */
async function appeared(machines: ThreeMachines, address: string): Promise<string> {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await setTimeout(100)) {
    const disk = (await machines.disks()).get(address);
    if (disk !== undefined) return disk;
  }
  return expect.fail(`no disk comes at ${address}`);
}

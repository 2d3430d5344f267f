// Knows two back ends of one dom0 that serve one guest at once, a controller each: Linux' own xen-scsiback with LIO's disks, and ours.
// The same stock front end drives both; the same programs judge both, in turns where it is about time, which is counted in instructions.

import { expect } from "chai";
import { textOfAllTests } from "../libiscsi/on-a-device.js";
import { measureRounds, type Workload } from "../linux/rounds.js";
import { JUDGED } from "../qemu/served-disks.js";
import { reasonOf, type Suite, type SuiteContext } from "../suite.js";
import { Backend } from "./backend.js";
import { COUNTED_TIME, Dom0 } from "./dom0.js";
import { Guest, guestFiles, STOCK, startConsoles } from "./guest.js";
import { HOST_PACKAGES, prepareImages } from "./images.js";
import { JUDGE_PACKAGES, prepareJudges } from "./judges.js";
import { LioTarget } from "./lio-target.js";
import { Luns, MEBIBYTES } from "./luns.js";
import { behind, beside, type Report, runScsiTests } from "./scsi-tests.js";
import { told } from "./suite.js";

/** The judges' libraries are large. */
const KIND = { ...STOCK, mebibytes: 768 };
/** Where the bytes of our disk in a file are, in dom0; LIO's are beside it. */
const FILE = "/run/ours.img";
/** Half of it is what one command of Linux' front end takes, 127 pages, or less. */
const SMALL = 1000 * 1024;
const LUNS = [
  ...["--lun", `mem:${MEBIBYTES}MiB,${JUDGED}`, "--lun", `${FILE},${JUDGED}`],
  ...["--lun", `mem:${SMALL},${JUDGED}`],
];
/** The bus on which the kernel's drivers of back ends find their devices. */
const BUS = "/sys/bus/xen-backend";
const ROUNDS = 3;
/** Seconds of the guest for libiscsi's suite on one disk. */
const TESTS = 900;
/** Seconds for one test of it, and what comes before any. */
const ONE_TEST = 30;

const WORKLOADS: readonly Workload[] = [
  { name: "4k randread d1", words: "--rw=randread --bs=4k --iodepth=1" },
  { name: "4k randread d16", words: "--rw=randread --bs=4k --iodepth=16" },
  { name: "4k randwrite d16", words: "--rw=randwrite --bs=4k --iodepth=16" },
  { name: "256k seqread d4", words: "--rw=read --bs=256k --iodepth=4" },
];

/** It copies half of a disk, up to 1 MiB, and reads that with one command, of which Linux' front end takes half: it is run on a small disk. */
const TOO_LONG = "ExtendedCopy.Simple";

export const xenSideSuite: Suite = {
  name: "xen-side",
  judges:
    "a back end in the dom0 of Xen 4.17 beside Linux' xen-scsiback with LIO, by one domU: libiscsi's tests, md5sum, fio",
  packages: [...HOST_PACKAGES, ...JUDGE_PACKAGES],
  default: false,
  budgetSeconds: 5400,
  run: judge,
};

/** A disk of one of both, as the guest calls it. */
interface Side {
  readonly name: string;
  readonly disk: string;
  readonly generic: string;
}

interface Stand {
  readonly context: SuiteContext;
  readonly dom0: Dom0;
  readonly guest: Guest;
  readonly luns: Luns;
}

/** What serves, and the disks: LIO's first, that in memory before that in a file. */
interface Served {
  readonly backend: Backend;
  readonly target: LioTarget;
  readonly sides: readonly Side[];
}

async function judge(context: SuiteContext): Promise<void> {
  const stand = await boot(context);
  if (stand === null) return;
  const served = await serve(stand);
  if (served !== null) {
    const { guest } = stand;
    await judgeContents(stand, served.sides);
    const contenders = served.sides.map(({ name, disk }, i) => ({ name, disk, beside: i % 2 }));
    await measureRounds(context, { guest, contenders, workloads: WORKLOADS, rounds: ROUNDS, mebibytes: MEBIBYTES });
    await judgeTests(stand, served);
  }
  await stand.dom0.end();
}

async function boot(context: SuiteContext): Promise<Stand | null> {
  let stand: Stand | null = null;
  await context.check("Xen, its dom0 and a guest start", async () => {
    const images = await prepareImages(context);
    const files = await guestFiles(images, [await prepareJudges(context)]);
    const dom0 = await Dom0.boot(context, images, files, COUNTED_TIME);
    await startConsoles(dom0);
    const guest = await Guest.start(dom0, "first", KIND);
    stand = { context, dom0, guest, luns: new Luns(dom0, guest) };
    await stand.luns.makeData();
    return `Linux ${(await guest.run("uname -r")).trim()} in domain ${guest.id}`;
  });
  return stand;
}

/** Ours first: it would refuse beside the kernel's. */
async function serve(stand: Stand): Promise<Served | null> {
  const { context, dom0, luns } = stand;
  await dom0.run(`truncate -s ${MEBIBYTES}M ${FILE}`);
  const backend = await Backend.serve(dom0, "ours", ...LUNS);
  let served: Served | null = null;
  await context.check("both serve, a controller each, and keep to their own", () =>
    told(backend, async () => {
      await luns.attach("0:0:0:0", "0:0:0:0");
      await luns.attach("0:0:0:1", "0:0:0:1");
      const target = await attachLio(stand, backend);
      const sides = await sidesOf(stand.guest);
      served = { backend, target, sides };
      return sides.map(({ name, disk }) => `${disk} ${name}`).join(", ");
    }),
  );
  return served;
}

/**
 * The kernel's comes when it may not take what is there, and takes the second controller while ours stands still: either takes
 * devices in state Initialising only.
 */
async function attachLio({ dom0, guest, luns }: Stand, backend: Backend): Promise<LioTarget> {
  await dom0.run(`echo 0 > ${BUS}/drivers_autoprobe`);
  const target = await LioTarget.make(dom0, MEBIBYTES);
  await target.reserve(false);
  await dom0.run(`echo 1 > ${BUS}/drivers_autoprobe`);
  await backend.standStill(() => luns.attach(target.memory, "1:0:0:0"));
  await luns.attach(target.file, "1:0:0:1");
  const bound = (await dom0.run(`ls ${BUS}/drivers/vscsi`)).match(/vscsi-\d+-\d+/g);
  expect(bound, "what the kernel's serves").to.deep.equal([`vscsi-${guest.id}-1`]);
  return target;
}

async function sidesOf(guest: Guest): Promise<Side[]> {
  const lines = (await guest.run("/usr/bin/lsscsi -g")).trim().split("\n");
  const find = (vendor: string, i: number, name: string): Side => {
    const line = lines.filter((text) => text.includes(` ${vendor} `))[i] ?? expect.fail(lines.join("; "));
    const [, disk, generic] = / (\/dev\/sd\w) +(\/dev\/sg\d+)/.exec(line) ?? expect.fail(line);
    return { name, disk, generic };
  };
  return [
    find("LIO-ORG", 0, "LIO, memory"),
    find("LIO-ORG", 1, "LIO, a file"),
    find("PVSCSI", 0, "pvscsi, memory"),
    find("PVSCSI", 1, "pvscsi, a file"),
  ];
}

async function judgeContents({ context, luns }: Stand, sides: readonly Side[]): Promise<void> {
  for (const { name, disk } of sides) {
    await context.check(`${MEBIBYTES} MiB written are read again, ${name}`, async () => {
      const begin = performance.now();
      const sum = await luns.copy(disk);
      const rate = (2 * MEBIBYTES) / ((performance.now() - begin) / 1000);
      return `MD5 ${sum.slice(0, 16)}; ${rate.toFixed(1)} MiB/s, sums included`;
    });
  }
}

async function judgeTests(stand: Stand, { backend, target, sides }: Served): Promise<void> {
  const { context, guest } = stand;
  const [, lio, ours] = sides;
  const reports: Report[] = [];
  await context.check(`iscsi-test-cu, all SCSI tests, ${ours.name}`, () =>
    told(backend, async () => {
      reports.push(await runScsiTests(guest, await textOfAllTests(context, ours.generic), TESTS));
      return judgeOurs(reports[0]);
    }),
  );
  await context.check(`iscsi-test-cu, ${TOO_LONG}, pvscsi, a small disk`, () => told(backend, () => judgeSmall(stand)));
  await context.check("ours goes, and ends in order, while the kernel's serves", () => endOurs(stand, backend, lio));
  const theirs = await judgeLio(stand, lio);
  if (theirs === null) return;
  if (reports.length === 1) compare(context, [reports[0], theirs]);
  await context.check("LIO with persistent reservations", () => reserve(stand, target, lio));
}

async function judgeSmall({ guest, luns }: Stand): Promise<string> {
  const at = "0:0:0:2";
  await luns.attach(at, at);
  const lines = (await guest.run("/usr/bin/lsscsi -g")).trim().split("\n");
  const line = lines.find((text) => /^\[\d+:0:0:2\]/.test(text)) ?? expect.fail(lines.join("; "));
  const [, generic] = /(\/dev\/sg\d+)/.exec(line) ?? expect.fail(line);
  const test = `iscsi-test-cu --dataloss --verbose --test=SCSI.${TOO_LONG} ${generic}`;
  const { results, figures } = await runScsiTests(guest, test, ONE_TEST);
  await luns.detach(at);
  expect(results.map(({ name, verdict }) => `${name} ${verdict}`)).to.deep.equal([`${TOO_LONG} passed`]);
  return figures;
}

async function endOurs({ luns }: Stand, backend: Backend, lio: Side): Promise<string> {
  for (const virtual of ["0:0:0:1", "0:0:0:0"]) await luns.detach(virtual);
  const said = await backend.end();
  expect((await luns.disks()).map((line) => line.split(" ")[1])).to.deep.equal(["0:0:0", "0:0:1"]);
  await luns.copy(lio.disk);
  return said.split("\n").at(-1) ?? "";
}

/** Behind all that is asked of ours: a command that LIO cannot bear ends its kernel's back end. */
async function judgeLio({ context, dom0, guest }: Stand, lio: Side): Promise<Report | null> {
  let whole: Report | null = null;
  await context.check(`iscsi-test-cu, all SCSI tests, ${lio.name}`, async () => {
    const tests = await textOfAllTests(context, lio.generic);
    const report = await runScsiTests(guest, tests, TESTS).catch((error) => reasonOf(error));
    const fault = await faultOf(dom0);
    if (typeof report === "string") return `not run: ${fault ?? report}`;
    if (!report.ended) return `not to its end: ${fault ?? "a command hangs"}; ${report.figures}`;
    whole = report;
    return report.figures;
  });
  return whole;
}

function judgeOurs({ ended, results, figures }: Report): string {
  expect(ended, `its end in ${TESTS} s; ${figures}`).to.equal(true);
  const bad = results.filter(({ verdict }) => verdict === "failed" || verdict === "incomplete");
  const unlisted = bad.filter(({ name }) => name !== TOO_LONG);
  const unknown = unlisted.map(({ name, reason }) => `${name} (${reason})`);
  if (unknown.length > 0) throw new Error(`${figures}, among them ${unknown.join("; ")}`);
  return figures;
}

/** A row for each suite of tests; what LIO passes, ours has to pass. */
function compare(context: SuiteContext, reports: readonly [Report, Report]): void {
  const less = behind(reports).map(({ name }) => name);
  for (const { suite, figures } of beside(["ours", "LIO"], reports)) {
    const missing = less.filter((name) => name.startsWith(`${suite}.`));
    const figure = missing.length === 0 ? figures : `LIO alone passes ${missing.join(", ")}; ${figures}`;
    context.add({ check: `tests of ${suite}`, passed: missing.length === 0, figure, seconds: 0 });
  }
}

/** Why they were off. That it still is so keeps a workaround from outliving its reason. */
async function reserve({ dom0, guest }: Stand, target: LioTarget, lio: Side): Promise<string> {
  await target.reserve(true);
  const { ended } = await runScsiTests(guest, `iscsi-test-cu --test=SCSI.TestUnitReady ${lio.generic}`, ONE_TEST);
  const fault = await faultOf(dom0);
  expect(ended, "READ KEYS into 16 KiB is answered now").to.equal(false);
  return `known: at READ KEYS into 16 KiB ${fault ?? "its command hangs"}`;
}

/** What dom0's kernel has said of a fault of its own; null when it has not. */
async function faultOf(dom0: Dom0): Promise<string | null> {
  const text = await dom0.run("dmesg").catch((error) => `BUG: dom0 does not answer: ${reasonOf(error)}`);
  const place = /RIP: \S+:(\w+)\+/.exec(text)?.[1] ?? "an unknown place";
  return /(BUG|Oops): /.test(text) ? `dom0's kernel has failed in ${place}` : null;
}

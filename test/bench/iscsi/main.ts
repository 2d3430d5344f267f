// Knows the command line of the comparison with tgt: `npm run bench:iscsi [-- OPTION...]`.

import { writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { writeImage } from "../../interop/fio/image.js";
import { installPackages } from "../../interop/packages.js";
import { SuiteContext } from "../../interop/suite.js";
import { compareUnder, type Row } from "./comparison.js";
import { formatRows } from "./report.js";
import { type Server, startOurs, startTgt } from "./servers.js";
import { selectWorkloads, WORKLOADS, type Workload } from "./workloads.js";

const USAGE = `usage: npm run bench:iscsi [-- OPTION...]
  --rounds N      rounds that count (default 5)
  --seconds N     seconds of a server in a round (default 2)
  --rows WORD     only the rows whose names contain it; repeatable
  --list          the names of the rows
  --json          the rows as data instead of a table
  --out FILE      the rows as data into a file as well`;
const PACKAGES = ["tgt", "libiscsi-bin", "qemu-utils", "qemu-block-extra"];
/** Bytes of the file LUNs: a power of two, which fits into the page cache twice. */
const FILE_SIZE = 256 * 1024 * 1024;

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly workloads: readonly Workload[];
  readonly json: boolean;
  readonly out: string | undefined;
}

process.exit(await main(process.argv.slice(2)));

/** Returns the exit status: 0 all was measured, 1 something failed, 2 wrong usage. */
async function main(words: string[]): Promise<number> {
  let options: Options | "list";
  try {
    options = readOptions(words);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  if (options === "list") {
    console.log(WORKLOADS.map(({ name }) => name).join("\n"));
    return 0;
  }
  return await measure(options);
}

/** Throws an Error that says what is wrong. */
function readOptions(args: string[]): Options | "list" {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "2" },
      rows: { type: "string", multiple: true, default: [] },
      list: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      out: { type: "string" },
    },
  });
  if (values.list) return "list";
  const workloads = selectWorkloads(values.rows);
  if (workloads.length === 0) throw new Error(`no row has ${values.rows.join(" or ")} in its name`);
  const [rounds, seconds] = [number(values.rounds), number(values.seconds)];
  return { rounds, seconds, workloads, json: values.json, out: values.out };
}

function number(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new Error(`expected a number from 1 to 9999, not ${text}`);
}

async function measure(options: Options): Promise<number> {
  const context = await SuiteContext.open("bench-iscsi", () => {});
  const interrupt = () => void context.close().finally(() => process.exit(1));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    console.error(`packages: ${await installPackages(PACKAGES)}`);
    await compare(context, options);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  } finally {
    await context.close();
  }
}

async function compare(context: SuiteContext, options: Options): Promise<void> {
  const { rounds, seconds, workloads, json, out } = options;
  const theirs = await started(context, startTgt);
  const ours = await started(context, startOurs);
  const rows: Row[] = [];
  for (const workload of workloads) {
    rows.push(await compareUnder(workload, { context, ours, theirs, rounds, seconds }));
    console.error(`${rows.length} of ${workloads.length}: ${workload.name}`);
  }
  const machine = await machineNow(context);
  const data = `${JSON.stringify({ ...machine, rounds, seconds, rows }, null, 2)}\n`;
  if (out !== undefined) await writeFile(out, data);
  const { node, processor, tgt, load } = machine;
  const head = `Node ${node}, ${tgt}, ${processor}; ${rounds} rounds of ${seconds} s; load average ${load.join(" ")}`;
  process.stdout.write(json ? data : `${head}\n\n${formatRows(rows)}\n`);
}

/** A server with a disk of its own, of the same bytes as the other's. */
async function started(context: SuiteContext, start: typeof startTgt): Promise<Server> {
  const file = context.freshPath("disk");
  await writeImage(file, FILE_SIZE, 1);
  return await start(context, file);
}

async function machineNow(context: SuiteContext) {
  const tgt = (await context.succeed("dpkg-query", "--show", "tgt")).trim().replace(/\s+/, " ");
  const processors = cpus();
  return {
    node: process.version,
    tgt,
    processor: `${processors.length} x ${processors[0].model}`,
    load: loadavg().map((value) => value.toFixed(1)),
  };
}

// Knows Linux' own back end, the module xen-scsiback: whether it is there or would come by itself for the devices that ours is
// to serve, and how that is mended. Both would answer for the same nodes.

import type { HostFacts } from "./host-facts.js";

/** As the kernel writes it; modprobe takes `-` for `_`. */
const MODULE = "xen_scsiback";
/** What udev asks modprobe for when a vscsi back end's nodes appear. */
const ALIAS = "xen-backend:vscsi";
/** Where modprobe reads its configuration. */
const CONFIGURATION = [
  "/etc/modprobe.d",
  "/run/modprobe.d",
  "/usr/local/lib/modprobe.d",
  "/usr/lib/modprobe.d",
  "/lib/modprobe.d",
];
/** The line that keeps udev from it. */
const LINE = `blacklist ${MODULE}`;
const FILE = "/etc/modprobe.d/pvscsi.conf";
const UNLOAD = "modprobe -r xen-scsiback";

/** What is in the way, and how to mend it. */
export interface InTheWay {
  readonly reason: string;
  readonly mend: string;
  /** Whether unloading the module would do. */
  readonly loaded: boolean;
}

/** Null where Linux' back end keeps out. */
export async function kernelScsiback(facts: HostFacts): Promise<InTheWay | null> {
  if (await facts.exists(`/sys/module/${MODULE}`)) return loaded(facts);
  if (!(await comesByItself(facts))) return null;
  const reason = `udev would load the kernel's xen-scsiback for the devices that are to be served`;
  return { reason, mend: `echo '${LINE}' > ${FILE}`, loaded: false };
}

/** Takes the module out. Gives why that did not work, or null. modprobe fails as well where only what it depends on stays. */
export async function unloadKernelScsiback(facts: HostFacts): Promise<string | null> {
  const [program, ...words] = UNLOAD.split(" ");
  await facts.output(program, words);
  if (!(await facts.exists(`/sys/module/${MODULE}`))) return null;
  return `${UNLOAD} has failed: is it in use, or no module?`;
}

async function loaded(facts: HostFacts): Promise<InTheWay> {
  const devices = (await facts.list("/sys/bus/xen-backend/drivers/vscsi")).filter((name) =>
    /^vscsi-\d+-\d+$/.test(name),
  );
  const serves = devices.length === 0 ? "" : ` and serves ${devices.join(", ")}`;
  const mend = `${UNLOAD} && echo '${LINE}' > ${FILE}`;
  return { reason: `the kernel's xen-scsiback is loaded${serves}`, mend, loaded: true };
}

async function comesByItself(facts: HostFacts): Promise<boolean> {
  if (!(await facts.exists("/run/udev/control"))) return false;
  const aliases = (await facts.read(`/lib/modules/${facts.release}/modules.alias`)) ?? "";
  const known = aliases.split("\n").some((line) => line.startsWith(`alias ${ALIAS} `));
  return known && !(await isForbidden(facts));
}

/** By a line of modprobe's, or a word of the kernel's command line. */
async function isForbidden(facts: HostFacts): Promise<boolean> {
  const words = ((await facts.read("/proc/cmdline")) ?? "").split(/\s+/);
  const lists = words.flatMap(
    (word) => /^(?:modprobe\.blacklist|module_blacklist)=(.*)$/.exec(word)?.[1].split(",") ?? [],
  );
  if (lists.some(isIt)) return true;
  for (const folder of CONFIGURATION) {
    for (const name of await facts.list(folder)) {
      if (!name.endsWith(".conf")) continue;
      const lines = ((await facts.read(`${folder}/${name}`)) ?? "").split("\n");
      if (lines.some(forbids)) return true;
    }
  }
  return false;
}

/** `blacklist NAME` keeps udev's aliases from it, `install NAME /bin/false` everybody. */
function forbids(line: string): boolean {
  const [verb, name = "", command = ""] = line.trim().split(/\s+/);
  if (!isIt(name)) return false;
  return verb === "blacklist" || (verb === "install" && /\/(false|true)$/.test(command));
}

function isIt(name: string): boolean {
  return name.replaceAll("-", "_") === MODULE;
}

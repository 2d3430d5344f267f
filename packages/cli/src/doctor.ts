// Knows what each transport needs of a machine, and how what is missing is mended: one table, for checking and for printing.

import { type Column, formatColumns } from "@pvscsi/wire";
import type { HostFacts } from "./host-facts.js";
import { kernelScsiback } from "./kernel-scsiback.js";

/** As in the `engines` of every package. */
const NODE = [20, 19] as const;
const MIB = 1024 * 1024;
/** MiB for a server and a small guest beside it. */
const MEMORY = 512;
const QEMU = "qemu-system-x86_64";

/** What was found, and what is to be done where that will not do: null where it will. */
interface Finding {
  readonly found: string;
  readonly mend: string | null;
}

interface Need {
  readonly what: string;
  readonly look: (facts: HostFacts) => Promise<Finding>;
}

const NODE_NEED: Need = {
  what: `Node.js ${NODE.join(".")} or later`,
  look: async ({ node }) => {
    const [major, minor] = node.split(".").map(Number);
    const enough = major > NODE[0] || (major === NODE[0] && minor >= NODE[1]);
    return { found: node, mend: enough ? null : `install Node.js ${NODE.join(".")} or later` };
  },
};

const NATIVE_NEED: Need = {
  what: "koffi, for system calls",
  look: async (facts) => {
    const missing = await facts.nativeMissing();
    return missing === null ? fine("there") : { found: missing, mend: "npm install koffi, on Linux" };
  },
};

const ROOT_NEED: Need = {
  what: "root",
  look: async ({ user }) =>
    user === 0 ? fine("root") : { found: `user ${user ?? "unknown"}`, mend: "run it as root" },
};

const SCSIBACK_NEED: Need = {
  what: "no xen-scsiback of the kernel's",
  look: async (facts) => {
    const inTheWay = await kernelScsiback(facts);
    return inTheWay === null ? fine("keeps out") : { found: inTheWay.reason, mend: inTheWay.mend };
  },
};

const QEMU_NEED: Need = {
  what: `${QEMU} with vhost-user-scsi-pci`,
  look: async (facts) => {
    const devices = await facts.output(QEMU, ["-device", "help"]);
    if (devices === null) return { found: "not there", mend: "apt-get install qemu-system-x86" };
    return /"vhost-user-scsi-pci"/.test(devices)
      ? fine("there")
      : { found: "without that device", mend: "install a QEMU that is built with vhost-user" };
  },
};

const SHARED_MEMORY_NEED: Need = {
  what: "memory that QEMU shares (memory-backend-memfd)",
  look: async (facts) => {
    const objects = await facts.output(QEMU, ["-object", "help"]);
    return objects !== null && /memory-backend-memfd/.test(objects)
      ? fine("there")
      : { found: "not there", mend: "install a QEMU for Linux, 2.12 or later" };
  },
};

const MEMORY_NEED: Need = {
  what: `${MEMORY} MiB of free memory`,
  look: async ({ freeMemory }) => {
    const mebibytes = Math.floor(freeMemory / MIB);
    return { found: `${mebibytes} MiB`, mend: mebibytes >= MEMORY ? null : "end something, or add memory" };
  },
};

const XL_NEED: Need = {
  what: "Xen's xl, for create and destroy",
  look: async (facts) => {
    if ((await facts.output("xl", ["info"])) !== null) return fine("there");
    return { found: "not there, or without a Xen", mend: "apt-get install xen-utils, in a dom0 of Xen" };
  },
};

function deviceNeed(path: string, module: string): Need {
  return {
    what: path,
    look: async (facts) => {
      if (await facts.exists(path)) return fine("there");
      const xen = (await facts.read("/sys/hypervisor/type"))?.trim() === "xen";
      const mend = xen ? `modprobe ${module}` : `start this machine as a domain of Xen, then modprobe ${module}`;
      return { found: "not there", mend };
    },
  };
}

/** By the name that is typed. */
const TRANSPORTS: Readonly<Record<string, readonly Need[]>> = {
  processes: [NODE_NEED],
  "xen-serve": [
    NODE_NEED,
    NATIVE_NEED,
    ROOT_NEED,
    deviceNeed("/dev/xen/xenbus", "xenfs"),
    deviceNeed("/dev/xen/gntdev", "xen-gntdev"),
    deviceNeed("/dev/xen/evtchn", "xen-evtchn"),
    SCSIBACK_NEED,
  ],
  "xen-verbs": [NODE_NEED, NATIVE_NEED, ROOT_NEED, XL_NEED, deviceNeed("/dev/xen/xenbus", "xenfs")],
  "vhost-user": [NODE_NEED, NATIVE_NEED, QEMU_NEED, SHARED_MEMORY_NEED, MEMORY_NEED],
};

export const DOCTOR_TRANSPORTS: readonly string[] = Object.keys(TRANSPORTS);

/** One line of what doctor says; also what --json prints. */
export interface Diagnosis extends Finding {
  readonly transport: string;
  readonly needs: string;
}

/** Looks at what the transports need, in the order of the table. */
export async function diagnose(facts: HostFacts, transports: readonly string[]): Promise<Diagnosis[]> {
  const rows: Diagnosis[] = [];
  for (const transport of transports) {
    for (const { what, look } of TRANSPORTS[transport]) rows.push({ transport, needs: what, ...(await look(facts)) });
  }
  return rows;
}

const COLUMNS: readonly Column<Diagnosis>[] = [
  { title: "transport", text: ({ transport }) => transport },
  { title: "needs", text: ({ needs }) => needs },
  { title: "", text: ({ mend }) => (mend === null ? "ok" : "MISSING") },
  { title: "found", text: ({ found }) => found },
];

/** A table; below it, once each, how what is missing is mended. */
export function formatDiagnoses(rows: readonly Diagnosis[]): string {
  const mends = new Set(rows.flatMap(({ mend }) => (mend === null ? [] : [`  ${mend}`])));
  const below = mends.size === 0 ? "" : `\n\nTo mend it:\n${[...mends].join("\n")}`;
  return `${formatColumns(COLUMNS, rows)}${below}`;
}

function fine(found: string): Finding {
  return { found, mend: null };
}

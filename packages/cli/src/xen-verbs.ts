// Knows how verbs are run on a real Xen host, whose guests are xl's: nodes are written through the host's own xenstored. Knows
// no driver: what a back end has, and why it cannot give it, it says in its nodes.

import { findDomain, type PhysicalDevices, VscsiDevices, type Xl, XlDomains, XlRestarts } from "@pvscsi/toolstack";
import type { Clock } from "@pvscsi/wire";
import { type HostCalls, hostCalls, openHostStore } from "@pvscsi/xenbus";
import { nodeClock } from "./platform.js";
import { SCSI_VERBS } from "./scsi-verbs.js";
import { type Caller, type Outcome, runBody } from "./verb.js";
import { XEN_DOMAIN_VERBS, type XenSystem, type XenVerb } from "./xen-domain-verbs.js";
import { onXenHost } from "./xen-host.js";
import { xlProgram } from "./xl-program.js";

/** Verbs of LUNs that there are on a Xen host as well. */
const SCSI_NAMES: readonly string[] = ["scsi-attach", "scsi-detach", "scsi-list"];

/** The verbs that there are on a Xen host. */
export const XEN_VERBS: readonly XenVerb[] = [
  ...XEN_DOMAIN_VERBS,
  ...SCSI_VERBS.filter(({ name }) => SCSI_NAMES.includes(name)),
];

/** xl's default as well. */
const BACKEND = 0;

const AS_TYPED: PhysicalDevices = { resolve: ({ text }) => ({ physicalDevice: text }) };

/** The kernel of the host, its xl, time, and who waits. */
export interface XenHostParts extends Pick<XenSystem, "interrupted"> {
  readonly calls: HostCalls;
  readonly xl: Xl;
  readonly clock: Clock;
}

/** Runs one of them on this host. Throws ToolstackError where this is none. */
export function runOnXenHost(
  verb: XenVerb,
  words: readonly string[],
  caller: Omit<Caller, "signal"> & Pick<XenSystem, "interrupted">,
): Promise<Outcome> {
  const { interrupted } = caller;
  return onXenHost(async () => {
    const parts = { calls: await hostCalls(), xl: xlProgram(process.env), clock: nodeClock, interrupted };
    return runXenVerb(verb, words, caller, parts);
  });
}

/** The same on a given one. Throws NoXenHost where it has no device node. */
export async function runXenVerb(
  verb: XenVerb,
  words: readonly string[],
  caller: Omit<Caller, "signal">,
  { calls, xl, clock, interrupted }: XenHostParts,
): Promise<Outcome> {
  const { store, close } = openHostStore(calls);
  // Any domain may be named as a back end's: whether scsiback runs there, its nodes will tell.
  const options = { store, clock, devices: AS_TYPED, backend: BACKEND, driverDomain: () => AS_TYPED };
  const vscsi = new VscsiDevices(options);
  const system: XenSystem = {
    toolstack: { find: (name) => findDomain(store, name) },
    vscsi,
    domains: new XlDomains({ store, clock, vscsi, xl }),
    interrupted,
    restartsOf: (guest, restarted) => new XlRestarts({ store, vscsi }, guest, restarted),
  };
  try {
    const whole = { ...caller, signal: new AbortController().signal };
    return await runBody(verb, words, whole, (sorted) => verb.run(system, sorted));
  } finally {
    close();
  }
}

// Knows the verbs of LUNs on a real Xen host, whose guests are xl's: nodes are written through the host's own xenstored. Knows
// no driver: what a back end has, and why it cannot give it, it says in its nodes.

import { NativeMissing } from "@pvscsi/native";
import { findDomain, type PhysicalDevices, ToolstackError, VscsiDevices } from "@pvscsi/toolstack";
import type { Clock } from "@pvscsi/wire";
import { type HostCalls, hostCalls, NoXenHost, openHostStore } from "@pvscsi/xenbus";
import { nodeClock } from "./platform.js";
import { SCSI_VERBS, type ScsiSystem, type ScsiVerb } from "./scsi-verbs.js";
import { type Caller, type Outcome, runBody, type Verb } from "./verb.js";

/** The option that means this Xen host, and no dom0 of ours. */
export const XEN_OPTION = "--xen";
const NAMES: readonly string[] = ["scsi-attach", "scsi-detach", "scsi-list"];

/** Those of the verbs that there are on a Xen host. */
export const XEN_VERBS: readonly ScsiVerb[] = SCSI_VERBS.filter(({ name }) => NAMES.includes(name));

/** xl's default as well. */
const BACKEND = 0;

const AS_TYPED: PhysicalDevices = { resolve: ({ text }) => ({ physicalDevice: text }) };

/** The kernel of the host, and time. */
export interface XenHostParts {
  readonly calls: HostCalls;
  readonly clock: Clock;
}

/** Runs one of them on this host. Throws ToolstackError where this is none. */
export async function runOnXenHost(verb: Verb, words: readonly string[], caller: Omit<Caller, "signal">) {
  try {
    return await runXenVerb(verb, words, caller, { calls: await hostCalls(), clock: nodeClock });
  } catch (error) {
    if (!(error instanceof NativeMissing || error instanceof NoXenHost)) throw error;
    throw new ToolstackError("FAIL", error.message);
  }
}

/** The same on a given one. Throws NoXenHost where it has no device node. */
export async function runXenVerb(
  verb: Verb,
  words: readonly string[],
  caller: Omit<Caller, "signal">,
  { calls, clock }: XenHostParts,
): Promise<Outcome> {
  const found = XEN_VERBS.find(({ name }) => name === verb.name);
  if (found === undefined) throw new ToolstackError("INVAL", `${verb.name} is not for a Xen host`);
  const { store, close } = openHostStore(calls);
  // Any domain may be named as a back end's: whether scsiback runs there, its nodes will tell.
  const options = { store, clock, devices: AS_TYPED, backend: BACKEND, driverDomain: () => AS_TYPED };
  const system: ScsiSystem = {
    toolstack: { find: (name) => findDomain(store, name) },
    vscsi: new VscsiDevices(options),
  };
  try {
    const whole = { ...caller, signal: new AbortController().signal };
    return await runBody(found, words, whole, (sorted) => found.run(system, sorted));
  } finally {
    close();
  }
}

// Knows what every host of this program is given of the platform, and what this machine is called as an iSCSI initiator.

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { HostOptions } from "@pvscsi/host";
import { nodeClock, nodeScheduler, unguessable } from "./platform.js";

/** Where open-iscsi has this machine's name: `InitiatorName=iqn...`. */
const NAME_FILE = "/etc/iscsi/initiatorname.iscsi";

export function hostParts(): Pick<HostOptions, "clock" | "unguessable" | "initiator"> {
  return { clock: nodeClock, unguessable, initiator: { name: initiatorName(), scheduler: nodeScheduler() } };
}

/** The one that open-iscsi has, or one made of the host's name. */
export function initiatorName(file = NAME_FILE, host = hostname()): string {
  const named = /^InitiatorName=(\S+)\s*$/m.exec(textOf(file))?.[1];
  return named ?? `iqn.2026-11.localhost:${host.toLowerCase().replaceAll(/[^a-z0-9.-]/g, "-")}`;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

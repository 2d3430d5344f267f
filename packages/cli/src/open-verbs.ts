// Knows the verbs that show what a domain has open: event channels and grants, where a leak would be seen.

import { ToolstackError } from "@pvscsi/toolstack";
import { type Column, formatColumns } from "@pvscsi/wire";
import type { GrantDescription, HostedDomain, MappingDescription, PortDescription } from "@pvscsi/xen";
import type { System } from "./system.js";
import { JSON_OPTION, type Verb, type VerbWords } from "./verb.js";

export const OPEN_VERBS: readonly Verb[] = [
  {
    name: "lsevtchn",
    parameters: "DOM",
    summary: "a domain's event channels",
    example: "lsevtchn domU",
    least: 1,
    most: 1,
    options: [JSON_OPTION],
    run: listEventChannels,
  },
  {
    name: "lsgrants",
    parameters: "DOM",
    summary: "what a domain has granted, and what it has mapped of others",
    example: "lsgrants domU",
    least: 1,
    most: 1,
    options: [JSON_OPTION],
    run: listGrants,
  },
];

async function listEventChannels(system: System, { arguments: [name], options }: VerbWords): Promise<string> {
  const ports = (await theDomain(system, name)).events.describe();
  return options.has("--json") ? JSON.stringify(ports, null, 2) : ports.map(formatPort).join("\n");
}

/** A line of Xen's lsevtchn. All ports are bound to the one virtual processor that a domain has here. */
function formatPort({ port, state, remote, remotePort }: PortDescription): string {
  const connected = state === "interdomain";
  const what = connected ? "Interdomain (Connected)" : "Interdomain (Waiting connection)";
  const peer = connected ? `Remote Domain ${remote}, Port ${remotePort}` : `Remote Domain ${remote}`;
  return `${String(port).padStart(4)}: VCPU 0: ${what} - ${peer}`;
}

const GRANT_COLUMNS: readonly Column<GrantDescription>[] = [
  { title: "Ref", align: "right", text: ({ reference }) => String(reference) },
  { title: "Dom", align: "right", text: ({ to }) => String(to) },
  { title: "Frame", align: "right", text: ({ frame }) => String(frame) },
  { title: "Access", text: ({ access }) => access },
  { title: "In use", text: ({ inUse }) => (inUse ? "yes" : "no") },
];

const MAPPING_COLUMNS: readonly Column<MappingDescription>[] = [
  { title: "Handle", align: "right", text: ({ handle }) => String(handle) },
  { title: "Dom", align: "right", text: ({ from }) => String(from) },
  { title: "Ref", align: "right", text: ({ reference }) => String(reference) },
  { title: "Access", text: ({ access }) => access },
];

async function listGrants(system: System, { arguments: [name], options }: VerbWords): Promise<string> {
  const domain = await theDomain(system, name);
  const grants = domain.table.describe();
  const { mappings } = domain.describe();
  if (options.has("--json")) return JSON.stringify({ grants, mappings }, null, 2);
  return [formatColumns(GRANT_COLUMNS, grants), formatColumns(MAPPING_COLUMNS, mappings)].join("\n\n");
}

/** dom0 as well: its ports and mappings are the other ends. */
async function theDomain({ hypervisor, toolstack }: System, name: string): Promise<HostedDomain> {
  const id = await toolstack.find(name);
  const domain = hypervisor.find(id);
  if (domain === undefined) throw new ToolstackError("NOTFOUND", `domain ${id} does not run here`);
  return domain;
}

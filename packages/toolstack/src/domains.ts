// Knows which domains xenstore tells of, whoever has made them. Writes nothing.

import type { DomainId, XenstoreAccess } from "@pvscsi/xen";
import { ToolstackError } from "./errors.js";

export interface DomainInfo {
  readonly id: DomainId;
  readonly name: string;
  /** MiB. */
  readonly memory: number;
  readonly vcpus: number;
}

/** A domain's number from its number as text, or from its name. */
export async function findDomain(store: XenstoreAccess, numberOrName: string): Promise<DomainId> {
  const domains = await listDomains(store);
  const found =
    domains.find(({ id }) => String(id) === numberOrName) ?? domains.find(({ name }) => name === numberOrName);
  if (found !== undefined) return found.id;
  throw new ToolstackError("DOMAIN_NOTFOUND", `${numberOrName} is an invalid domain identifier (rc=-6)`);
}

/** The number of the domain that has exactly this name, or null. */
export async function domainNamed(store: XenstoreAccess, name: string): Promise<DomainId | null> {
  return (await listDomains(store)).find((domain) => domain.name === name)?.id ?? null;
}

/** The domains there are, by number. */
export async function listDomains(store: XenstoreAccess): Promise<DomainInfo[]> {
  const domains: DomainInfo[] = [];
  for (const id of (await store.list("/local/domain")) ?? []) {
    const home = `/local/domain/${id}`;
    const name = await store.read(`${home}/name`);
    if (name === null) continue;
    const memory = Number((await store.read(`${home}/memory/target`)) ?? 0) / 1024;
    const vcpus = ((await store.list(`${home}/cpu`)) ?? []).length;
    domains.push({ id: Number(id), name, memory, vcpus });
  }
  return domains.sort((a, b) => a.id - b.id);
}

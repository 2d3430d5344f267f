// Knows the life of domains: what xl does, over xenstore and a Launcher. Knows no terminal, and neither which hypervisor
// nor which drivers there are.

import type { MachineConfig } from "@pvscsi/config";
import type { DomainId, XenstoreClient } from "@pvscsi/xen";
import { removeController } from "./device-nodes.js";
import { ToolstackError } from "./errors.js";
import { readControllers } from "./inventory.js";
import type { VscsiDevices } from "./vscsi-devices.js";

/** Starts and ends what a domain runs on. */
export interface Launcher {
  /** Makes a domain that does not run yet, and makes xenstored know it. */
  build(config: MachineConfig): Promise<DomainId>;
  /** Lets it run. */
  unpause(domain: DomainId): Promise<void>;
  /** Ends it at once and frees all it had; its xenstore nodes are the toolstack's to remove. */
  destroy(domain: DomainId): Promise<void>;
}

export interface ToolstackOptions {
  /** dom0's connection: privileged. */
  readonly store: XenstoreClient;
  readonly launcher: Launcher;
  readonly vscsi: VscsiDevices;
}

export interface DomainInfo {
  readonly id: DomainId;
  readonly name: string;
  readonly memory: number;
  readonly vcpus: number;
}

export class Toolstack {
  readonly #options: ToolstackOptions;

  constructor(options: ToolstackOptions) {
    this.#options = options;
  }

  /** Makes a domain with its devices and lets it run; when anything fails, nothing of it is left. */
  async create(config: MachineConfig): Promise<DomainId> {
    const { launcher, vscsi } = this.#options;
    if ((await this.#findByName(config.name)) !== null) {
      throw new ToolstackError("INVAL", `domain '${config.name}' exists already`);
    }
    const plan = config.controllers.map((controller) => vscsi.plan(controller));
    const domain = await launcher.build(config);
    try {
      await this.#writeDomain(domain, config);
      for (const controller of plan) await vscsi.write(domain, controller);
      await launcher.unpause(domain);
      for (const { devid } of config.controllers) await vscsi.waitConnected(domain, devid);
    } catch (error) {
      await this.destroy(domain);
      throw error;
    }
    return domain;
  }

  /** Ends a domain at once, in whatever state it is, and removes all nodes it had. */
  async destroy(domain: DomainId): Promise<void> {
    const { store, launcher } = this.#options;
    const controllers = await readControllers(store, domain);
    await launcher.destroy(domain);
    await store.transaction(async (transaction) => {
      for (const { devid, backendDomain } of controllers)
        await removeController(transaction, domain, backendDomain, devid);
      for (const path of [`/local/domain/${domain}`, `/libxl/${domain}`, `/vm/${domain}`])
        await transaction.remove(path);
    });
  }

  /** A domain's number from its name or its number as text. */
  async find(nameOrId: string): Promise<DomainId> {
    const byName = await this.#findByName(nameOrId);
    if (byName !== null) return byName;
    const id = /^\d{1,5}$/.test(nameOrId) ? Number(nameOrId) : null;
    if (id !== null && (await this.#options.store.read(`/local/domain/${id}/name`)) !== null) return id;
    throw new ToolstackError("DOMAIN_NOTFOUND", `${nameOrId} is an invalid domain identifier (rc=-6)`);
  }

  /** The domains there are, by number. */
  async list(): Promise<DomainInfo[]> {
    const { store } = this.#options;
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

  async #findByName(name: string): Promise<DomainId | null> {
    return (await this.list()).find((domain) => domain.name === name)?.id ?? null;
  }

  /** The nodes that every domain has, with libxl's permissions. */
  async #writeDomain(domain: DomainId, config: MachineConfig): Promise<void> {
    const home = `/local/domain/${domain}`;
    const readable = ["n0", `r${domain}`];
    await this.#options.store.transaction(async (transaction) => {
      const put = async (name: string, value: string, permissions: string[]): Promise<void> => {
        await transaction.write(`${home}${name}`, value);
        await transaction.setPermissions(`${home}${name}`, permissions);
      };
      await put("", "", readable);
      await put("/name", config.name, readable);
      await put("/domid", String(domain), readable);
      await put("/memory", "", readable);
      await put("/memory/target", String(config.memory * 1024), readable);
      await put("/cpu", "", readable);
      for (let cpu = 0; cpu < config.vcpus; cpu++) await put(`/cpu/${cpu}/availability`, "online", readable);
      await put("/device", "", readable);
      for (const name of ["/data", "/drivers", "/feature", "/attr", "/error"]) await put(name, "", [`n${domain}`]);
    });
  }
}

// Knows the life of domains: what xl does, over xenstore and a Launcher. Knows no terminal, and neither which hypervisor
// nor which drivers there are.

import type { MachineConfig } from "@pvscsi/config";
import type { DomainId, XenstoreClient } from "@pvscsi/xen";
import { removeWithParents } from "./device-nodes.js";
import { type DomainInfo, findDomain, listDomains } from "./domains.js";
import { ToolstackError } from "./errors.js";
import type { VscsiDevices } from "./vscsi-devices.js";

/** Who starts a domain's process: the toolstack's machine, or a person on whatever machine that is to be. */
export type Place = "here" | "elsewhere";

/** Starts and ends what a domain runs on. */
export interface Launcher {
  /** Makes a domain that does not run yet, and makes xenstored know it. */
  build(config: MachineConfig, place: Place): Promise<DomainId>;
  /** Lets it run, or go on. */
  unpause(domain: DomainId): Promise<void>;
  /** Stops it where it is; absent where domains do not pause. */
  pause?(domain: DomainId): Promise<void>;
  /** Ends it at once and frees all it had; its xenstore nodes are the toolstack's to remove. */
  destroy(domain: DomainId): Promise<void>;
}

export interface ToolstackOptions {
  /** dom0's connection: privileged. */
  readonly store: XenstoreClient;
  readonly launcher: Launcher;
  readonly vscsi: VscsiDevices;
}

export class Toolstack {
  readonly #options: ToolstackOptions;
  /** Names of domains on their way, which xenstore does not know yet: two may be started at the same time. */
  readonly #starting = new Set<string>();

  constructor(options: ToolstackOptions) {
    this.#options = options;
  }

  /**
   * Makes a domain with its devices and lets it run; when anything fails, nothing of it is left. One that is started
   * elsewhere is there with all its nodes, and nobody waits for it.
   */
  async create(config: MachineConfig, place: Place = "here"): Promise<DomainId> {
    const { name } = config;
    const domains = await this.list();
    if (this.#starting.has(name) || domains.some((domain) => domain.name === name)) {
      throw new ToolstackError("INVAL", `domain '${name}' exists already`);
    }
    this.#starting.add(name);
    try {
      return await this.#start(config, place);
    } finally {
      this.#starting.delete(name);
    }
  }

  async #start(config: MachineConfig, place: Place): Promise<DomainId> {
    const { store, launcher, vscsi } = this.#options;
    const { uuid } = config;
    // Back ends know a guest by it: two with the same would share what is reserved for one.
    const twin = uuid === undefined ? null : await store.read(`${vmOf(uuid)}/name`);
    if (twin !== null) throw new ToolstackError("INVAL", `domain '${twin}' has uuid ${uuid} already`);
    const planned = await vscsi.plan(config);
    if (place === "here") for (const { backend } of planned) vscsi.mustRun(backend);
    const domain = await launcher.build(config, place);
    try {
      await this.#writeDomain(domain, config);
      await vscsi.write(domain, planned);
      if (place === "elsewhere") return domain;
      await launcher.unpause(domain);
      for (const { controller } of planned) await vscsi.waitConnected(domain, controller.devid);
    } catch (error) {
      await this.destroy(domain);
      throw error;
    }
    return domain;
  }

  /** Ends a domain at once, in whatever state it is, and removes all nodes it had. */
  async destroy(domain: DomainId): Promise<void> {
    const { store, launcher, vscsi } = this.#options;
    await launcher.destroy(domain);
    await vscsi.removeAll(domain);
    const vm = await store.read(`/local/domain/${domain}/vm`);
    if (vm?.startsWith(VM)) await removeWithParents(store, vm, "");
    await store.remove(`/local/domain/${domain}`);
  }

  /** Stops a domain where it is; one that is stopped already stays so. */
  async pause(domain: DomainId): Promise<void> {
    const { launcher } = this.#options;
    if (launcher.pause === undefined) throw new ToolstackError("INVAL", "domains do not pause here");
    await launcher.pause(domain);
  }

  /** Lets a paused domain go on; one that runs goes on running. */
  async unpause(domain: DomainId): Promise<void> {
    const { launcher } = this.#options;
    if (launcher.pause === undefined) throw new ToolstackError("INVAL", "domains do not pause here");
    await launcher.unpause(domain);
  }

  /** A domain's number from its number as text, or from its name. */
  find(numberOrName: string): Promise<DomainId> {
    return findDomain(this.#options.store, numberOrName);
  }

  /** The domains there are, by number. */
  list(): Promise<DomainInfo[]> {
    return listDomains(this.#options.store);
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
      if (config.uuid !== undefined) {
        const vm = vmOf(config.uuid);
        await put("/vm", vm, readable);
        for (const [name, value] of Object.entries({ "": "", "/name": config.name, "/uuid": config.uuid })) {
          await transaction.write(`${vm}${name}`, value);
          await transaction.setPermissions(`${vm}${name}`, readable);
        }
      }
      await put("/name", config.name, readable);
      await put("/domid", String(domain), readable);
      await put("/memory", "", readable);
      await put("/memory/target", String(config.memory * 1024), readable);
      await put("/cpu", "", readable);
      for (let cpu = 0; cpu < config.vcpus; cpu++) await put(`/cpu/${cpu}/availability`, "online", readable);
      await put("/device", "", readable);
      for (const name of ["/data", "/drivers", "/feature", "/attr", "/error"]) await put(name, "", [`n${domain}`]);
      // libxl makes them for a toolstack that runs in a driver domain; they tell it from a guest.
      if (config.driverDomain) for (const name of ["/libxl", "/device-model"]) await put(name, "", [`n${domain}`]);
    });
  }
}

/** What of a guest is the same when it has booted again is below it, as libxl has it. */
const VM = "/vm/";

function vmOf(uuid: string): string {
  return `${VM}${uuid}`;
}

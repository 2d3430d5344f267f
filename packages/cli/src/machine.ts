// Knows a machine whose domains are processes of their own: dom0 and the hub are here, each one connects to it. What a
// domain is started with lies in the state folder, so that a dom0 that was killed starts its guests again.

import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { dirname, join, resolve } from "node:path";
import {
  ConfigError,
  isWholeHost,
  type MachineConfig,
  parseMachineConfig,
  parseVscsiWords,
  printMachineConfig,
  type VscsiDialect,
} from "@pvscsi/config";
import { openHost, readHostConfig } from "@pvscsi/host";
import { type ControllerInfo, type PhysicalDevices, ToolstackError } from "@pvscsi/toolstack";
import { type DomainId, Xenstored } from "@pvscsi/xen";
import { Hub, SECRET_SIZE, serveXenbus, type XenbusServer } from "@pvscsi/xenbus";
import { connectControl, runThere } from "./control-client.js";
import { DomainProcess } from "./domain-process.js";
import { machineTime } from "./platform.js";
import { followThere } from "./ring-follow.js";
import { type HearMoment, recordRings } from "./ring-moments.js";
import { physicalDevices } from "./session.js";
import { DOM0, PAGES_PER_MIB, type ProcessInfo, System, type SystemOptions } from "./system.js";
import type { Caller, Outcome } from "./verb.js";

export interface MachineOptions extends SystemOptions {
  /** The folder for `domains`. */
  readonly state: string;
  readonly listen: { readonly host?: string; readonly port: number };
  /** PEM of a certificate and its key. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Told of what happens to guests without anybody asking for it, in a line each. */
  readonly say: (line: string) => void;
}

/** The setting of a driver domain that names its devices, as a host.yaml; relative paths begin at the domU.cfg. */
const HOST_SETTING = "pvscsi_host";

/** A domain's devices. */
interface DriverHost {
  readonly file: string;
  readonly devices: PhysicalDevices;
}

/** A guest or driver domain, from its making to its end. */
interface Built {
  readonly config: MachineConfig;
  /** Null for one that serves nobody. */
  readonly host: DriverHost | null;
  readonly secret: Buffer;
  process: DomainProcess | null;
}

/** What is kept of a guest for the next dom0. */
interface Kept {
  /** Where it was read from. */
  readonly file: string;
  readonly dialect: VscsiDialect;
  readonly text: string;
}

export class Machine extends System {
  readonly #options: MachineOptions;
  readonly #hub: Hub;
  readonly #guests = new Map<DomainId, Built>();
  readonly #folder: string;
  #server: XenbusServer | null = null;
  #closing = false;
  /** However this process ends, its domains do; one that is paused would not hear of it. */
  readonly #exit = (): void => {
    for (const { process } of this.#guests.values()) process?.kill();
  };

  constructor(options: MachineOptions) {
    const xenstored = new Xenstored(options);
    const hub = new Hub({ ...options, xenstored });
    super(options, xenstored, hub.hypervisor);
    this.#options = options;
    this.#hub = hub;
    this.#folder = join(options.state, "domains");
  }

  /** Where domains connect to. */
  get url(): string {
    return this.#server?.url ?? "";
  }

  override async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    // Before folders are removed that they may write to.
    process.prependListener("exit", this.#exit);
    this.#server = await serveXenbus({ ...this.#options, hub: this.#hub });
    await super.start();
  }

  /** Starts the guests that the dom0 before had; one that does not start is told of, and kept. */
  async resume(): Promise<void> {
    const configs: MachineConfig[] = [];
    for (const name of (await readdir(this.#folder)).filter((name) => name.endsWith(".json")).sort()) {
      await this.#told(name, async () => {
        const { file, dialect, text } = JSON.parse(await readFile(join(this.#folder, name), "utf8")) as Kept;
        configs.push(parseMachineConfig(text, { file, dialect }));
      });
    }
    // Whom the others have their devices from comes first.
    for (const config of configs.sort((a, b) => Number(b.driverDomain) - Number(a.driverDomain))) {
      await this.#told(config.name, async () => {
        await this.toolstack.create(config);
        this.#options.say(`${config.name} was started again`);
      });
    }
  }

  async #told(name: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.#options.say(`${name} was not started again: ${(error as Error).message}`);
    }
  }

  override async close(): Promise<void> {
    this.#closing = true;
    await super.close();
    await this.#server?.close();
    process.removeListener("exit", this.#exit);
  }

  async build(config: MachineConfig): Promise<DomainId> {
    const host = config.driverDomain ? await openDriverHost(config, this.#options) : null;
    const id = this.takeDomainId();
    const secret = randomBytes(SECRET_SIZE);
    const memoryPages = config.memory * PAGES_PER_MIB;
    this.#hub.admit({ id, secret, memoryPages, ended: (reason) => this.#ended(id, reason) });
    this.#guests.set(id, { config, host, secret, process: null });
    await this.store.introduce(id, 1, 1);
    await writeFile(this.#file(config, "secret"), `${secret.toString("hex")}\n`, { mode: 0o600 });
    return id;
  }

  /** The first time it starts the guest's process, and waits until that is in. */
  async unpause(id: DomainId): Promise<void> {
    const built = this.#built(id);
    if (built.process !== null) return built.process.unpause();
    const { config, secret, host } = built;
    const { name } = config;
    const authority = this.#options.tls?.certificate ?? "";
    const socket = this.#socket(id);
    const settings = {
      ...{ name, domain: id, url: this.url, secret: secret.toString("hex"), socket, authority },
      host: host?.file ?? "",
    };
    built.process = DomainProcess.start(settings, this.#file(config, "log"));
    void built.process.ended.then(() => this.#hub.expel(id, "its process has ended"));
    const failure = await built.process.running();
    if (failure !== null) throw new ToolstackError("FAIL", `domain '${name}' does not start: ${failure}`);
    const kept: Kept = { file: resolve(config.file), dialect: config.dialect, text: printMachineConfig(config) };
    await writeFile(this.#file(config, "json"), JSON.stringify(kept), { mode: 0o600 });
  }

  async pause(id: DomainId): Promise<void> {
    this.#built(id).process?.pause();
  }

  async destroy(id: DomainId): Promise<void> {
    const built = this.#guests.get(id);
    if (built === undefined) return;
    this.#guests.delete(id);
    this.#hub.expel(id, "the domain was destroyed");
    await built.process?.end();
    await this.store.release(id);
    await rm(this.#socket(id), { force: true });
    await rm(this.#file(built.config, "secret"), { force: true });
    // A dom0 that ends, in whatever way, finds its guests again; one that is told to destroy a guest does not.
    if (!this.#closing) await rm(this.#file(built.config, "json"), { force: true });
  }

  async runInGuest(id: DomainId, words: readonly string[], caller: Caller): Promise<Outcome> {
    const { socket, who } = await this.#connect(id);
    caller.signal.addEventListener("abort", () => socket.destroy(), { once: true });
    const { directory, program, print } = caller;
    return runThere(socket, who, { words: ["guest", ...words], directory, program }, print);
  }

  /** Each process tells of its own ends of the rings. */
  override async follow(heard: HearMoment): Promise<() => Promise<void>> {
    const { probes } = this.#options;
    const own = recordRings({ probes, now: machineTime, domain: DOM0 }, heard);
    const stops: (() => Promise<void> | void)[] = [own];
    const stop = async (): Promise<void> => void (await Promise.all(stops.map((end) => end())));
    try {
      for (const [id, { process }] of this.#guests) {
        if (process === null) continue;
        const { socket, who } = await this.#connect(id);
        stops.push(await followThere(socket, who, heard));
      }
    } catch (error) {
      await stop();
      throw error;
    }
    return stop;
  }

  override processes(): ProcessInfo[] {
    return [...this.#guests.values()].flatMap(({ config: { name }, process }) =>
      process === null ? [] : [{ name, pid: process.pid }],
    );
  }

  /** Guests before the driver domains that they have their devices from. */
  protected guestIds(): DomainId[] {
    const all = [...this.#guests];
    return all.sort(([, a], [, b]) => Number(a.host !== null) - Number(b.host !== null)).map(([id]) => id);
  }

  protected override driverDevices(id: DomainId): PhysicalDevices | undefined {
    return this.#guests.get(id)?.host?.devices;
  }

  /** A domain that has ended by itself is destroyed, as xl does where nothing else was asked for. */
  #ended(id: DomainId, reason: string): void {
    const built = this.#guests.get(id);
    if (built === undefined) return;
    const { name } = built.config;
    this.#options.say(`domain '${name}' has ended: ${reason}`);
    void this.#afterEnd(id, built).catch((error: Error) => this.#options.say(`domain '${name}': ${error.message}`));
  }

  /** With on_crash = "restart" it comes again, and a driver domain's LUNs to the guests that had them. */
  async #afterEnd(id: DomainId, { config, host }: Built): Promise<void> {
    const lost = host === null ? [] : await this.#servedBy(id);
    await this.toolstack.destroy(id);
    if (this.#closing || onCrash(config) !== "restart") return;
    await this.toolstack.create(config);
    this.#options.say(`${config.name} was started again`);
    for (const { domain, devid } of lost) await this.vscsi.abandon(domain, devid);
    for (const { domain, luns } of lost) {
      for (const { physicalDevice, virtualDevice } of luns) {
        const { device } = parseVscsiWords([physicalDevice, virtualDevice, `backend=${config.name}`]);
        if (!isWholeHost(device)) await this.vscsi.attach(domain, device);
      }
    }
  }

  /** The controllers whose back end is a driver domain's. */
  async #servedBy(backend: DomainId): Promise<ControllerInfo[]> {
    const all = await Promise.all([...this.#guests.keys()].map((domain) => this.vscsi.list(domain)));
    return all.flat().filter(({ backendDomain }) => backendDomain === backend);
  }

  #built(id: DomainId): Built {
    const built = this.#guests.get(id);
    if (built === undefined) throw new ToolstackError("NOTFOUND", `domain ${id} does not run here`);
    return built;
  }

  /** Where a domain's process takes what it is asked. */
  async #connect(id: DomainId): Promise<{ readonly socket: Socket; readonly who: string }> {
    const { name } = this.#built(id).config;
    const socket = await connectControl(this.#socket(id));
    if (socket === null) throw new ToolstackError("FAIL", `domain '${name}' takes no commands`);
    return { socket, who: `domain '${name}'` };
  }

  #socket(id: DomainId): string {
    return join(this.#folder, `${id}.sock`);
  }

  #file({ name }: MachineConfig, kind: "secret" | "log" | "json"): string {
    return join(this.#folder, `${encodeURIComponent(name)}.${kind}`);
  }
}

/** What is to become of a domain that ends by itself; xl destroys it unless told otherwise. */
function onCrash({ others }: MachineConfig): string {
  const value = others.findLast(({ name }) => name === "on_crash")?.value;
  return value === undefined || value.kind === "list" ? "destroy" : value.text;
}

/** What a driver domain says it has; its files are the driver domain's to open. Throws `ConfigError`. */
async function openDriverHost(config: MachineConfig, { clock }: SystemOptions): Promise<DriverHost> {
  const value = config.others.findLast(({ name }) => name === HOST_SETTING)?.value;
  if (value === undefined || value.kind === "list") {
    const reason = `a driver domain without a setting such as ${HOST_SETTING} = 'host.yaml', which names its devices`;
    throw new ConfigError(config.file, { line: 1, column: 1 }, reason);
  }
  const file = resolve(dirname(config.file), value.text);
  const { resolve: find, wholeHost } = physicalDevices(
    openHost(await readHostConfig(file), { directory: dirname(file), clock }),
  );
  return { file, devices: { resolve: find, ...(wholeHost && { wholeHost }) } };
}

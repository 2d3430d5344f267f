// Knows a machine whose domains are processes of their own: dom0 and the hub are here, each one connects to it. What a
// domain is started with lies in the state folder, so that a dom0 that was killed starts its guests again.

import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { dirname, resolve } from "node:path";
import { ConfigError, isWholeHost, type MachineConfig, parseVscsiWords } from "@pvscsi/config";
import { openHost, readHostConfig } from "@pvscsi/host";
import { type ControllerInfo, type LunInfo, type PhysicalDevices, type Place, ToolstackError } from "@pvscsi/toolstack";
import { type DomainId, Xenstored } from "@pvscsi/xen";
import { Hub, SECRET_SIZE, serveXenbus, type XenbusServer } from "@pvscsi/xenbus";
import { type Activity, activityOf, PAUSED, WAITING } from "./activity.js";
import { connectControl, runThere } from "./control-client.js";
import { DomainFiles, type KeptDomain } from "./domain-files.js";
import { DomainProcess } from "./domain-process.js";
import { Elsewhere, isLoopback, joinCommand, RUNS_NODE } from "./elsewhere.js";
import { hostParts } from "./host-parts.js";
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
  /** PEM of a certificate and its key; and the file that the certificate is from. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly file: string };
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
  /** Null for one whose process is started here. */
  readonly elsewhere: Elsewhere | null;
  process: DomainProcess | null;
}

/** What a domain from elsewhere keeps, so that what was typed for it goes on to hold. */
interface Identity {
  readonly id: DomainId;
  readonly secret: Buffer;
}

export class Machine extends System {
  readonly #options: MachineOptions;
  readonly #hub: Hub;
  readonly #guests = new Map<DomainId, Built>();
  /** By name: domains from elsewhere that are to be what they were. */
  readonly #returning = new Map<string, Identity>();
  readonly #files: DomainFiles;
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
    this.#files = new DomainFiles(options.state);
  }

  /** Where domains connect to. */
  get url(): string {
    return this.#server?.url ?? "";
  }

  override async start(): Promise<void> {
    await this.#files.make();
    // Before folders are removed that they may write to.
    process.prependListener("exit", this.#exit);
    const joined = (id: DomainId, address: string) => this.#joined(id, address);
    this.#server = await serveXenbus({ ...this.#options, hub: this.#hub, joined });
    await super.start();
  }

  /** Starts the guests that the dom0 before had; one that does not start is told of, and kept. */
  async resume(): Promise<void> {
    const all: KeptDomain[] = [];
    for (const name of await this.#files.kept()) {
      await this.#told(name, async () => {
        const kept = await this.#files.read(name);
        if (kept.elsewhere !== null) await this.#recall(kept.config, kept.elsewhere);
        all.push(kept);
      });
    }
    // Whom the others have their devices from comes first.
    all.sort((a, b) => Number(b.config.driverDomain) - Number(a.config.driverDomain));
    for (const { config, elsewhere } of all) {
      const place = elsewhere === null ? "here" : "elsewhere";
      const late = place === "here" ? this.#backEndsToCome(config) : [];
      const start = () => this.#told(config.name, () => this.#createAgain(config, place));
      if (late.length === 0) await start();
      else void Promise.all(late.map(({ joined }) => joined)).then(start);
    }
  }

  /** A domain from elsewhere is known by what it was known by before. */
  async #recall(config: MachineConfig, id: DomainId): Promise<void> {
    this.reserveDomainId(id);
    this.#returning.set(config.name, { id, secret: await this.#files.readSecret(config) });
  }

  async #createAgain(config: MachineConfig, place: Place): Promise<void> {
    if (this.#closing) return;
    if (place === "elsewhere") return this.#options.say(await this.createElsewhere(config));
    await this.toolstack.create(config);
    this.#options.say(`${config.name} was started again`);
  }

  /** Whom a guest that runs here has to wait for. */
  #backEndsToCome({ vscsi }: MachineConfig): Elsewhere[] {
    const named = vscsi.map(({ backend }) => backend);
    const found = [...this.#guests].filter(([id, { config }]) => named.some((n) => n === config.name || n === `${id}`));
    return found.flatMap(([, { elsewhere }]) => (elsewhere?.address === null ? elsewhere : []));
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

  override async createElsewhere(config: MachineConfig): Promise<string> {
    const id = await this.toolstack.create(config, "elsewhere");
    await this.#files.keep(config, id);
    const { host } = this.#built(id);
    const { url } = this;
    const secret = this.#files.path(config, "secret");
    const { file: certificate } = this.#options.tls ?? { file: undefined };
    const files = [secret, certificate, host?.file].filter((file) => file !== undefined);
    const lines = [
      `${config.name} waits to be joined; on its machine, with copies of ${files.join(", ")}:`,
      joinCommand({ url, domain: id, secret, certificate, host: host?.file }),
    ];
    if (isLoopback(url))
      lines.push(`${url} is of this machine only: for others, dom0 is started with --listen ADDR:PORT`);
    return lines.join("\n");
  }

  async build(config: MachineConfig, place: Place): Promise<DomainId> {
    const host = config.driverDomain ? await openDriverHost(config, this.#options) : null;
    const { id, secret } = this.#identity(config);
    const memoryPages = config.memory * PAGES_PER_MIB;
    this.#hub.admit({ id, secret, memoryPages, ended: (reason) => this.#ended(id, reason) });
    const elsewhere = place === "elsewhere" ? new Elsewhere() : null;
    this.#guests.set(id, { config, host, secret, elsewhere, process: null });
    await this.store.introduce(id, 1, 1);
    await this.#files.writeSecret(config, secret);
    return id;
  }

  /** The first time it starts the guest's process, and waits until that is in. */
  async unpause(id: DomainId): Promise<void> {
    const built = this.#startedHere(id);
    if (built.process !== null) return built.process.unpause();
    const { config, secret, host } = built;
    const { name } = config;
    const authority = this.#options.tls?.certificate ?? "";
    const socket = this.#files.socket(id);
    const settings = {
      ...{ name, domain: id, url: this.url, secret: secret.toString("hex"), socket, authority },
      host: host?.file ?? "",
    };
    built.process = DomainProcess.start(settings, this.#files.path(config, "log"));
    void built.process.ended.then(() => this.#hub.expel(id, "its process has ended"));
    const failure = await built.process.running();
    if (failure !== null) throw new ToolstackError("FAIL", `domain '${name}' does not start: ${failure}`);
    await this.#files.keep(config, null);
  }

  async pause(id: DomainId): Promise<void> {
    this.#startedHere(id).process?.pause();
  }

  async destroy(id: DomainId): Promise<void> {
    const built = this.#guests.get(id);
    if (built === undefined) return;
    this.#guests.delete(id);
    this.#hub.expel(id, this.#closing ? "its dom0 has ended" : "the domain was destroyed");
    await built.process?.end();
    await this.store.release(id);
    await rm(this.#files.socket(id), { force: true });
    // What somebody was given for a domain from elsewhere is to be good at the next dom0.
    if (!this.#closing || built.elsewhere === null) await this.#files.remove(built.config, "secret");
    // A dom0 that ends, in whatever way, finds its guests again; one that is told to destroy a guest does not.
    if (!this.#closing) await this.#files.remove(built.config, "json");
  }

  async runInGuest(id: DomainId, words: readonly string[], caller: Caller): Promise<Outcome> {
    const { config, elsewhere } = this.#built(id);
    if (elsewhere !== null) throw new ToolstackError("INVAL", notHere(config, elsewhere, "type this"));
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

  override activity(id: DomainId): Activity {
    const built = this.#guests.get(id);
    if (built === undefined) return super.activity(id);
    const { process, elsewhere } = built;
    if (process !== null) return activityOf(process.pid);
    return elsewhere === null || elsewhere.address === null ? PAUSED : WAITING;
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

  protected override awaited(id: DomainId): boolean {
    return this.#guests.get(id)?.elsewhere?.address === null;
  }

  #identity({ name }: MachineConfig): Identity {
    const known = this.#returning.get(name);
    this.#returning.delete(name);
    return known ?? { id: this.takeDomainId(), secret: randomBytes(SECRET_SIZE) };
  }

  #joined(id: DomainId, address: string): void {
    const { config, elsewhere } = this.#built(id);
    if (elsewhere === null) return;
    elsewhere.came(address);
    this.#options.say(`domain '${config.name}' has joined, from ${address}`);
  }

  /** A domain that has ended by itself is destroyed, as xl does where nothing else was asked for. */
  #ended(id: DomainId, reason: string): void {
    const built = this.#guests.get(id);
    if (built === undefined) return;
    const { name } = built.config;
    this.#options.say(`domain '${name}' has ended: ${reason}`);
    void this.#afterEnd(id, built).catch((error: Error) => this.#options.say(`domain '${name}': ${error.message}`));
  }

  /**
   * With on_crash = "restart" it comes again, and a driver domain's LUNs to the guests that had them. One from elsewhere
   * keeps its number and secret: that its process ended says nothing against them, and whatever starts it there, a person
   * or a service manager, has the line that was printed once.
   */
  async #afterEnd(id: DomainId, { config, host, secret, elsewhere }: Built): Promise<void> {
    const lost = host === null ? [] : await this.#servedBy(id);
    const ran = elsewhere === null || (await this.store.read(`/local/domain/${id}/${RUNS_NODE}`)) !== null;
    await this.toolstack.destroy(id);
    if (this.#closing || (ran && onCrash(config) !== "restart")) return;
    if (elsewhere !== null) this.#returning.set(config.name, { id, secret });
    await this.#createAgain(config, elsewhere === null ? "here" : "elsewhere");
    for (const { domain, devid } of lost) await this.vscsi.abandon(domain, devid);
    await this.#named(config.name)?.elsewhere?.joined;
    for (const { domain, luns } of lost) {
      for (const lun of luns) await this.#giveBack(domain, lun, config.name);
    }
  }

  /** The guest may have ended, or got something else there, while its LUN was away. */
  async #giveBack(domain: DomainId, { physicalDevice, virtualDevice }: LunInfo, backend: string): Promise<void> {
    const { device } = parseVscsiWords([physicalDevice, virtualDevice, `backend=${backend}`]);
    if (isWholeHost(device)) return;
    try {
      await this.vscsi.attach(domain, device);
    } catch (error) {
      this.#options.say(`domain ${domain} has not got back its LUN: ${(error as Error).message}`);
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
    const socket = await connectControl(this.#files.socket(id));
    if (socket === null) throw new ToolstackError("FAIL", `domain '${name}' takes no commands`);
    return { socket, who: `domain '${name}'` };
  }

  /** A domain whose process is this machine's to stop and to continue. */
  #startedHere(id: DomainId): Built {
    const built = this.#built(id);
    if (built.elsewhere === null) return built;
    throw new ToolstackError("INVAL", notHere(built.config, built.elsewhere, "stop and continue its process"));
  }

  #named(name: string): Built | undefined {
    return [...this.#guests.values()].find(({ config }) => config.name === name);
  }
}

/** Why something is not done here to a domain from elsewhere, and what is to be done instead. */
function notHere({ name }: MachineConfig, { address }: Elsewhere, what: string): string {
  if (address === null) return `domain '${name}' waits to be joined`;
  return `domain '${name}' runs elsewhere, joined from ${address}: ${what} there`;
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
    openHost(await readHostConfig(file), { directory: dirname(file), ...hostParts(), clock }),
  );
  return { file, devices: { resolve: find, ...(wholeHost && { wholeHost }) } };
}

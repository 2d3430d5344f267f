// Knows a machine whose guests are processes of their own: dom0 and the hub are here, each guest connects to it. What a
// guest is started with lies in the state folder, so that a dom0 that was killed starts its guests again.

import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type MachineConfig, parseMachineConfig, printMachineConfig, type VscsiDialect } from "@pvscsi/config";
import { ToolstackError } from "@pvscsi/toolstack";
import { type DomainId, Xenstored } from "@pvscsi/xen";
import { Hub, SECRET_SIZE, serveXenbus, type XenbusServer } from "@pvscsi/xenbus";
import { connectControl, runThere } from "./control-client.js";
import { GuestProcess } from "./guest-process.js";
import { PAGES_PER_MIB, System, type SystemOptions } from "./system.js";
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

/** A guest, from its making to its end. */
interface Built {
  readonly config: MachineConfig;
  readonly secret: Buffer;
  process: GuestProcess | null;
}

/** What is kept of a guest for the next dom0. */
interface Kept {
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
    this.#server = await serveXenbus({ ...this.#options, hub: this.#hub });
    await super.start();
  }

  /** Starts the guests that the dom0 before had; one that does not start is told of, and kept. */
  async resume(): Promise<void> {
    for (const file of (await readdir(this.#folder)).filter((name) => name.endsWith(".json")).sort()) {
      const path = join(this.#folder, file);
      try {
        const { dialect, text } = JSON.parse(await readFile(path, "utf8")) as Kept;
        const config = parseMachineConfig(text, { file: path, dialect });
        await this.toolstack.create(config);
        this.#options.say(`${config.name} was started again`);
      } catch (error) {
        this.#options.say(`a guest was not started again: ${(error as Error).message}`);
      }
    }
  }

  override async close(): Promise<void> {
    this.#closing = true;
    await super.close();
    await this.#server?.close();
  }

  async build(config: MachineConfig): Promise<DomainId> {
    const id = this.takeDomainId();
    const secret = randomBytes(SECRET_SIZE);
    const memoryPages = config.memory * PAGES_PER_MIB;
    this.#hub.admit({ id, secret, memoryPages, ended: (reason) => this.#ended(id, reason) });
    this.#guests.set(id, { config, secret, process: null });
    await this.store.introduce(id, 1, 1);
    await writeFile(this.#file(config, "secret"), `${secret.toString("hex")}\n`, { mode: 0o600 });
    return id;
  }

  /** The first time it starts the guest's process, and waits until that is in. */
  async unpause(id: DomainId): Promise<void> {
    const built = this.#built(id);
    if (built.process !== null) return built.process.unpause();
    const { config, secret } = built;
    const { name } = config;
    const authority = this.#options.tls?.certificate ?? "";
    const socket = this.#socket(id);
    const settings = { name, domain: id, url: this.url, secret: secret.toString("hex"), socket, authority };
    built.process = await GuestProcess.start(settings, this.#file(config, "log"));
    void built.process.ended.then(() => this.#hub.expel(id, "its process has ended"));
    const failure = await built.process.running();
    if (failure !== null) throw new ToolstackError("FAIL", `domain '${name}' does not start: ${failure}`);
    const kept: Kept = { dialect: config.dialect, text: printMachineConfig(config) };
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
    const { config } = this.#built(id);
    const socket = await connectControl(this.#socket(id));
    if (socket === null) throw new ToolstackError("FAIL", `domain '${config.name}' takes no commands`);
    caller.signal.addEventListener("abort", () => socket.destroy(), { once: true });
    const { directory, program, print } = caller;
    return runThere(socket, `domain '${config.name}'`, { words, directory, program }, print);
  }

  protected guestIds(): DomainId[] {
    return [...this.#guests.keys()];
  }

  /** A guest that has ended by itself is destroyed, as xl does where nothing else was asked for. */
  #ended(id: DomainId, reason: string): void {
    const built = this.#guests.get(id);
    if (built === undefined) return;
    this.#options.say(`domain '${built.config.name}' has ended: ${reason}`);
    void this.toolstack.destroy(id).catch((error: Error) => this.#options.say(error.message));
  }

  #built(id: DomainId): Built {
    const built = this.#guests.get(id);
    if (built === undefined) throw new ToolstackError("NOTFOUND", `domain ${id} does not run here`);
    return built;
  }

  #socket(id: DomainId): string {
    return join(this.#folder, `${id}.sock`);
  }

  #file({ name }: MachineConfig, kind: "secret" | "log" | "json"): string {
    return join(this.#folder, `${encodeURIComponent(name)}.${kind}`);
  }
}

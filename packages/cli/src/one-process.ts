// Knows how the whole of Xen stands in one process: a dom0, and guests beside it.

import type { MachineConfig } from "@pvscsi/config";
import { ToolstackError } from "@pvscsi/toolstack";
import { connectInProcess, type Domain, type DomainId, Hypervisor, Xenstored } from "@pvscsi/xen";
import { RunningGuest } from "./running-guest.js";
import { PAGES_PER_MIB, System, type SystemOptions } from "./system.js";
import type { Caller, Outcome } from "./verb.js";

/** Everything that is running. */
export class OneProcess extends System {
  readonly guests = new Map<DomainId, RunningGuest>();
  readonly #options: SystemOptions;
  /** Domains that exist, whether they run already or not. */
  readonly #built = new Map<DomainId, { readonly config: MachineConfig; readonly domain: Domain }>();

  constructor(options: SystemOptions) {
    super(options, new Xenstored(options), new Hypervisor(options));
    this.#options = options;
  }

  async build(config: MachineConfig): Promise<DomainId> {
    const id = this.takeDomainId();
    const { scheduler, wrap } = this.#options;
    const session = connectInProcess(this.xenstored, { domain: id, privileged: false }, scheduler);
    const domain = this.hypervisor.createDomain({
      id,
      store: session,
      memoryPages: config.memory * PAGES_PER_MIB,
      disconnect: async () => session.close("the domain has closed"),
    });
    await this.store.introduce(id, 1, 1);
    this.#built.set(id, { config, domain: wrap?.(domain) ?? domain });
    return id;
  }

  async unpause(id: DomainId): Promise<void> {
    const built = this.#built.get(id);
    if (built === undefined) throw new ToolstackError("NOTFOUND", `domain ${id} was not built`);
    const { domain, config } = built;
    const running = new RunningGuest({ ...this.#options, name: config.name, domain });
    this.guests.set(id, running);
    await running.driver.start();
  }

  async destroy(id: DomainId): Promise<void> {
    const running = this.guests.get(id);
    const built = this.#built.get(id);
    if (built === undefined) return;
    this.guests.delete(id);
    this.#built.delete(id);
    await running?.close();
    await built.domain.close();
    await this.store.release(id);
  }

  /** The guest of a domain that runs here. */
  guest(id: DomainId): RunningGuest {
    const running = this.guests.get(id);
    if (running === undefined) throw new ToolstackError("NOTFOUND", `domain ${id} does not run here`);
    return running;
  }

  async runInGuest(id: DomainId, command: readonly string[], { directory }: Caller): Promise<Outcome> {
    return this.guest(id).run(command, directory);
  }

  protected guestIds(): DomainId[] {
    return [...this.#built.keys()];
  }
}

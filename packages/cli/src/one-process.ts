// Knows how the whole of Xen stands in one process: hypervisor, xenstored, a dom0 with scsiback, and guests with
// scsifront. It chooses the implementations; what time and chance are, it is given.

import type { MachineConfig } from "@pvscsi/config";
import { Guest } from "@pvscsi/guest";
import type { DeviceDirectory } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { type AdapterMessage, Scsifront } from "@pvscsi/scsifront";
import { type Launcher, type PhysicalDevices, Toolstack, ToolstackError, VscsiDevices } from "@pvscsi/toolstack";
import type { Clock, Probes, Scheduler } from "@pvscsi/wire";
import { connectInProcess, type Domain, type DomainId, Hypervisor, Xenstored, type XenstoreSession } from "@pvscsi/xen";

const DOM0 = 0;
const PAGES_PER_MIB = 256;

export interface OneProcessOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: Probes;
  readonly directory: DeviceDirectory;
  readonly devices: PhysicalDevices;
  /** Segments that scsiback offers in feature-sg-grant; null offers none. Linux' 128 when it is left out. */
  readonly indirectLimit?: number | null;
  /** Gives drivers their domain in a wrapping, e.g. one that fails now and then. */
  readonly wrap?: (domain: Domain) => Domain;
}

/** A guest that runs in this process. */
export interface RunningGuest {
  readonly domain: Domain;
  readonly guest: Guest;
  readonly driver: Scsifront;
  /** Ends of what uses the guest's disks from outside; run, the last one first, before the guest ends. */
  readonly services: (() => Promise<void>)[];
}

/** Everything that is running. */
export class OneProcess implements Launcher {
  readonly hypervisor: Hypervisor;
  readonly xenstored: Xenstored;
  readonly store: XenstoreSession;
  readonly scsiback: Scsiback;
  readonly vscsi: VscsiDevices;
  readonly toolstack: Toolstack;
  readonly guests = new Map<DomainId, RunningGuest>();
  readonly #options: OneProcessOptions;
  readonly #dom0: Domain;
  /** Domains that exist, whether they run already or not. */
  readonly #built = new Map<DomainId, { readonly config: MachineConfig; readonly domain: Domain }>();
  #nextDomain = DOM0 + 1;

  constructor(options: OneProcessOptions) {
    this.#options = options;
    this.hypervisor = new Hypervisor(options);
    this.xenstored = new Xenstored(options);
    this.store = connectInProcess(this.xenstored, { domain: DOM0, privileged: true }, options.scheduler);
    const dom0 = this.hypervisor.createDomain({ id: DOM0, store: this.store });
    this.#dom0 = dom0;
    this.scsiback = new Scsiback({ ...options, domain: options.wrap?.(dom0) ?? dom0 });
    this.vscsi = new VscsiDevices({ ...options, store: this.store, backend: DOM0 });
    this.toolstack = new Toolstack({ store: this.store, launcher: this, vscsi: this.vscsi });
  }

  /** Writes dom0's own nodes and starts the backend driver. */
  async start(): Promise<void> {
    await this.store.write("/local/domain/0/name", "Domain-0");
    await this.store.write("/local/domain/0/domid", "0");
    await this.scsiback.start();
  }

  /** Ends all guests, then the backend; nothing is left open. */
  async close(): Promise<void> {
    for (const domain of [...this.#built.keys()]) await this.toolstack.destroy(domain);
    await this.scsiback.close();
    await this.#dom0.close();
    this.store.close();
  }

  async build(config: MachineConfig): Promise<DomainId> {
    const id = this.#nextDomain++;
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
    const { clock, scheduler, probes } = this.#options;
    const guest = new Guest({ clock, scheduler, probes, name: config.name });
    const driver = new Scsifront({
      clock,
      scheduler,
      probes: logging(probes, guest),
      domain,
      attach: (adapter) => guest.attach(adapter),
    });
    this.guests.set(id, { domain, guest, driver, services: [] });
    await driver.start();
  }

  async destroy(id: DomainId): Promise<void> {
    const running = this.guests.get(id);
    const built = this.#built.get(id);
    if (built === undefined) return;
    this.guests.delete(id);
    this.#built.delete(id);
    for (const end of running?.services.reverse() ?? []) await end();
    await running?.driver.close();
    await built.domain.close();
    await this.store.release(id);
  }

  /** The guest of a domain that runs here. */
  guest(id: DomainId): RunningGuest {
    const running = this.guests.get(id);
    if (running === undefined) throw new ToolstackError("NOTFOUND", `domain ${id} does not run here`);
    return running;
  }
}

/** `probes`, with what a guest's driver says to people in the guest's log as well. */
function logging(probes: Probes, guest: Guest): Probes {
  return {
    get listening() {
      return probes.listening;
    },
    emit(name, subject) {
      probes.emit(name, subject);
      if (name !== "scsifront:message") return;
      const { device, text } = subject as AdapterMessage;
      guest.log.print(`vscsi ${device}: ${text}`);
    },
  };
}

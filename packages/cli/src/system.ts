// Knows what a machine's dom0 is made of, wherever its guests run: hypervisor, xenstored, scsiback, toolstack. It chooses
// the implementations; what time and chance are, it is given.

import type { MachineConfig } from "@pvscsi/config";
import type { DeviceDirectory, Library } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import {
  type Launcher,
  type PhysicalDevices,
  type Place,
  Toolstack,
  ToolstackError,
  VscsiDevices,
} from "@pvscsi/toolstack";
import type { Clock, ProbeHub, Scheduler } from "@pvscsi/wire";
import {
  connectInProcess,
  type Domain,
  type DomainId,
  type Hypervisor,
  type Xenstored,
  type XenstoreSession,
} from "@pvscsi/xen";
import { type Activity, activityOf, WAITING } from "./activity.js";
import { type HearMoment, recordRings } from "./ring-moments.js";
import type { Caller, Outcome } from "./verb.js";

export const DOM0 = 0;
export const PAGES_PER_MIB = 256;

export interface SystemOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly probes: ProbeHub;
  readonly directory: DeviceDirectory;
  readonly devices: PhysicalDevices;
  /** The library of a changer, for its operator; in words why there is none. Absent where there are no libraries. */
  readonly library?: (changer: string) => Promise<Library | string>;
  /** Segments that scsiback offers in feature-sg-grant; null offers none. Linux' 128 when it is left out. */
  readonly indirectLimit?: number | null;
  /** Gives drivers their domain in a wrapping, e.g. one that fails now and then. */
  readonly wrap?: (domain: Domain) => Domain;
}

/** A domain's process. */
export interface ProcessInfo {
  readonly name: string;
  readonly pid: number;
}

export abstract class System implements Launcher {
  readonly hypervisor: Hypervisor;
  readonly xenstored: Xenstored;
  readonly store: XenstoreSession;
  readonly scsiback: Scsiback;
  readonly vscsi: VscsiDevices;
  readonly toolstack: Toolstack;
  readonly #dom0: Domain;
  readonly #options: Pick<SystemOptions, "probes" | "clock" | "library">;
  #nextDomain = DOM0 + 1;

  constructor(options: SystemOptions, xenstored: Xenstored, hypervisor: Hypervisor) {
    this.#options = options;
    this.xenstored = xenstored;
    this.hypervisor = hypervisor;
    this.store = connectInProcess(xenstored, { domain: DOM0, privileged: true }, options.scheduler);
    const dom0 = hypervisor.createDomain({ id: DOM0, store: this.store });
    this.#dom0 = dom0;
    this.scsiback = new Scsiback({ ...options, domain: options.wrap?.(dom0) ?? dom0 });
    const driverDomain = (domain: DomainId) => this.driverDevices(domain);
    const awaited = (domain: DomainId) => this.awaited(domain);
    this.vscsi = new VscsiDevices({ ...options, store: this.store, backend: DOM0, driverDomain, awaited });
    this.toolstack = new Toolstack({ store: this.store, launcher: this, vscsi: this.vscsi });
  }

  /** The library of a changer. Throws `ToolstackError` where there is none. */
  async library(changer: string): Promise<Library> {
    const found = (await this.#options.library?.(changer)) ?? "no libraries here";
    if (typeof found === "string") throw new ToolstackError("NOTFOUND", found);
    return found;
  }

  /** Writes dom0's own nodes and starts the backend driver. */
  async start(): Promise<void> {
    await this.store.write("/local/domain/0/name", "Domain-0");
    await this.store.write("/local/domain/0/domid", "0");
    await this.scsiback.start();
  }

  /** Ends all guests, then the backend; nothing is left open. */
  async close(): Promise<void> {
    for (const domain of this.guestIds()) await this.toolstack.destroy(domain);
    await this.scsiback.close();
    await this.#dom0.close();
    this.store.close();
  }

  /** All that domains can leave behind: nodes of xenstore, and what domains have open. */
  things(): string {
    return `${this.xenstored.dump()}${JSON.stringify(this.hypervisor.describe(), null, 1)}`;
  }

  /** Hears of what passes over all rings until the function that it gives is called, and has ended. */
  async follow(heard: HearMoment): Promise<() => Promise<void>> {
    const { probes, clock } = this.#options;
    const stop = recordRings({ probes, now: () => clock.now(), domain: DOM0 }, heard);
    return async () => stop();
  }

  /** What a domain does at this moment; guests that share this process wait for it. */
  activity(domain: DomainId): Activity {
    return domain === DOM0 ? activityOf(process.pid) : WAITING;
  }

  /** The domains that are processes of their own. */
  processes(): readonly ProcessInfo[] {
    return [];
  }

  /** Makes a domain that somebody starts elsewhere; gives what to do there, in lines. */
  async createElsewhere(_config: MachineConfig): Promise<string> {
    throw new ToolstackError("INVAL", "all domains run here: only a dom0 of its own can be joined");
  }

  abstract build(config: MachineConfig, place: Place): Promise<DomainId>;
  abstract unpause(domain: DomainId): Promise<void>;
  abstract destroy(domain: DomainId): Promise<void>;

  /** Runs a command inside a guest, for whoever has typed it. */
  abstract runInGuest(domain: DomainId, command: readonly string[], caller: Caller): Promise<Outcome>;

  /** What a driver domain has; undefined for a domain that is none. */
  protected driverDevices(_domain: DomainId): PhysicalDevices | undefined {
    return undefined;
  }

  /** Whether a domain's process has still to come, from elsewhere. */
  protected awaited(_domain: DomainId): boolean {
    return false;
  }

  /** The guests there are, whether they run already or not. */
  protected abstract guestIds(): DomainId[];

  /** A number that no domain has had. */
  protected takeDomainId(): DomainId {
    return this.#nextDomain++;
  }

  /** Keeps a number for the domain that had it before this dom0. */
  protected reserveDomainId(id: DomainId): void {
    this.#nextDomain = Math.max(this.#nextDomain, id + 1);
  }
}

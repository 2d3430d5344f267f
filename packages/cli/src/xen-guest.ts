// Knows a guest in this process on a real Xen host: it drives the controllers of the domain that the process runs in, in the
// place of that domain's kernel.

import type { Guest } from "@pvscsi/guest";
import type { ScsifrontAdapter } from "@pvscsi/scsifront";
import { ToolstackError } from "@pvscsi/toolstack";
import { type Clock, ProbeHub, type Scheduler } from "@pvscsi/wire";
import { readState, XenbusState, xenbusStateName } from "@pvscsi/xen";
import { type HostCalls, HostFrontEnd, openHostDomain } from "@pvscsi/xenbus";
import { LeavingAdapter } from "./leaving-adapter.js";
import { RunningGuest } from "./running-guest.js";
import type { Outcome } from "./verb.js";

/** Milliseconds for back ends to connect: as long as Linux waits for one without saying so, and 5 s. */
const PATIENCE = 30_000;
const ROOT = "device/vscsi";

export interface XenGuestParts {
  readonly calls: HostCalls;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

export interface XenGuestOptions {
  /** The one controller to drive; null for all, those that come later as well. */
  readonly device: number | null;
  /** Whether it waits for controllers where there are none yet. */
  readonly waits: boolean;
}

export class XenGuest {
  readonly guest: Guest;
  readonly #running: RunningGuest;
  readonly #domain: HostFrontEnd;
  readonly #clock: Clock;

  /**
   * Begins to drive controllers, and waits for those that are there. Throws NoXenHost, and ToolstackError where there is no
   * such controller for us, or none of their back ends connects.
   */
  static async start(options: XenGuestOptions, parts: XenGuestParts): Promise<XenGuest> {
    const domain = await openFrontEnd(parts);
    const name = (await domain.store.read("name")) ?? String(domain.id);
    const guest = new XenGuest(domain, name, options, parts);
    try {
      await guest.#connect(options);
      return guest;
    } catch (error) {
      await guest.close();
      throw error;
    }
  }

  private constructor(
    domain: HostFrontEnd,
    name: string,
    { device }: XenGuestOptions,
    { clock, scheduler }: XenGuestParts,
  ) {
    const { store } = domain;
    this.#running = new RunningGuest({
      ...{ clock, scheduler, probes: new ProbeHub(), name, domain },
      drives: (id) => device === null || device === id,
      adapted: (adapter) => new LeavingAdapter(adapter, { store, clock }),
    });
    this.guest = this.#running.guest;
    this.#domain = domain;
    this.#clock = clock;
  }

  /** Controllers that are connected, `device/vscsi/ID`. */
  get controllers(): string[] {
    return this.#adapters.filter(isConnected).map(({ path }) => path);
  }

  /** Whether somebody uses its disks from outside. */
  get isServing(): boolean {
    return this.#running.services.length > 0;
  }

  /** Runs a command as at the guest's prompt; relative paths begin at `directory`. */
  run(command: readonly string[], directory: string): Promise<Outcome> {
    return this.#running.run(command, directory);
  }

  /** Parts from the devices, their caches written back, and gives everything back. */
  async close(): Promise<void> {
    await this.#running.endServices();
    // A controller may come meanwhile.
    while (this.guest.hosts.length > 0) await Promise.all(this.guest.hosts.map((host) => this.guest.detach(host)));
    await this.#running.close();
    await this.#domain.close();
  }

  get #adapters(): ScsifrontAdapter[] {
    return [...this.#running.driver.adapters.values()];
  }

  async #connect({ device, waits }: XenGuestOptions): Promise<void> {
    await this.#running.driver.start();
    await inTime(this.#settled(), this.#clock);
    if (this.controllers.length > 0) return;
    const [first] = (await this.#domain.store.list(ROOT)) ?? [];
    const path = device === null && first === undefined ? ROOT : `${ROOT}/${device ?? first}`;
    if (path !== ROOT) throw await this.#reason(path);
    if (!waits) throw new ToolstackError("NOTFOUND", `this domain has no ${ROOT}`);
  }

  /** Resolves when all controllers that are there have connected or failed. */
  async #settled(): Promise<void> {
    await this.#running.driver.idle();
    await Promise.all(this.#adapters.map(({ settled }) => settled));
  }

  /** Why a controller is not connected. */
  async #reason(path: string): Promise<ToolstackError> {
    const { store } = this.#domain;
    const adapter = this.#running.driver.adapters.get(path);
    const state = await readState(store, path);
    if (adapter?.backendPath === "") return new ToolstackError("INVAL", `${path} names no back end`);
    if (adapter !== undefined) {
      const [theirs, said] = [await readState(store, adapter.backendPath), this.guest.log.lines.at(-1) ?? ""];
      return new ToolstackError(
        "FAIL",
        `${adapter.backendPath} is ${xenbusStateName(theirs)} and does not connect; ${said}`,
      );
    }
    if (state === XenbusState.Unknown) return new ToolstackError("NOTFOUND", `this domain has no ${path}`);
    const reason = "its driver is another, or it has had one: the toolstack has to make it anew";
    return new ToolstackError("INVAL", `${path} is ${xenbusStateName(state)}: ${reason}`);
  }
}

async function openFrontEnd(parts: XenGuestParts): Promise<HostFrontEnd> {
  const host = await openHostDomain(parts);
  try {
    return new HostFrontEnd(host, parts.calls);
  } catch (error) {
    await host.close();
    throw error;
  }
}

function isConnected({ state }: ScsifrontAdapter): boolean {
  return state === XenbusState.Connected || state === XenbusState.Reconfiguring;
}

/** Resolves with `event`, or when there has been time enough. */
async function inTime(event: Promise<void>, clock: Clock): Promise<void> {
  let over = () => {};
  const timer = clock.after(PATIENCE, { run: () => over() });
  await Promise.race([event, new Promise<void>((resolve) => (over = resolve))]);
  clock.cancel(timer);
}

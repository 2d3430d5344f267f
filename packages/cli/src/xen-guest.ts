// Knows a guest in this process on a real Xen host: it drives one controller of the domain that the process runs in, in the
// place of that domain's kernel.

import { Guest, runGuestCommand } from "@pvscsi/guest";
import { type AdapterMessage, ScsifrontAdapter } from "@pvscsi/scsifront";
import { ToolstackError } from "@pvscsi/toolstack";
import { type Clock, ProbeHub, type Scheduler } from "@pvscsi/wire";
import { DomainIds, readState, scanNumber, XenbusState, type XenstoreClient, xenbusStateName } from "@pvscsi/xen";
import { type HostCalls, type HostDomain, HostFrontEnd, openHostDomain } from "@pvscsi/xenbus";
import { LeavingAdapter } from "./leaving-adapter.js";
import { filesIn } from "./node-files.js";
import type { Outcome } from "./verb.js";

/** Milliseconds for a back end to connect: as long as Linux waits for one without saying so, and 5 s. */
const PATIENCE = 30_000;

export interface XenGuestParts {
  readonly calls: HostCalls;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

/** Where a controller's two halves are. */
interface Controller {
  /** `device/vscsi/ID`, relative to the own domain. */
  readonly path: string;
  readonly backEnd: string;
  readonly backEndDomain: number;
}

export class XenGuest {
  readonly guest: Guest;
  readonly #domain: HostFrontEnd;
  readonly #adapter: ScsifrontAdapter;

  /**
   * Connects controller `device`. Throws NoXenHost, and ToolstackError where there is no such controller for us, or its back
   * end does not connect.
   */
  static async attach(device: number, parts: XenGuestParts): Promise<XenGuest> {
    const host = await openHostDomain(parts);
    const { domain, controller, name } = await openController(host, device, parts.calls).catch(async (error) => {
      await host.close();
      throw error;
    });
    const guest = new XenGuest(domain, controller, name, parts);
    try {
      await guest.#connect(controller, parts.clock);
      return guest;
    } catch (error) {
      await guest.close();
      throw error;
    }
  }

  private constructor(domain: HostFrontEnd, { path }: Controller, name: string, { clock, scheduler }: XenGuestParts) {
    const probes = new ProbeHub();
    this.guest = new Guest({ clock, scheduler, probes, name });
    this.#domain = domain;
    this.#adapter = new ScsifrontAdapter(path, { domain, clock, scheduler, probes });
    probes.listen((probe, subject) => {
      if (probe !== "scsifront:message") return;
      const { device, text } = subject as AdapterMessage;
      this.guest.log.print(`vscsi ${device}: ${text}`);
    });
  }

  /** Whether its controller is there still: a toolstack may take it away. */
  get isConnected(): boolean {
    return this.#adapter.state === XenbusState.Connected || this.#adapter.state === XenbusState.Reconfiguring;
  }

  /** Runs a command as at the guest's prompt; relative paths begin at `directory`. */
  async run(command: readonly string[], directory: string): Promise<Outcome> {
    const { output, status } = await runGuestCommand(this.guest, command, filesIn(directory));
    return { output, errors: "", status };
  }

  /** Parts from the devices, their caches written back, and gives everything back. */
  async close(): Promise<void> {
    for (const host of [...this.guest.hosts]) await this.guest.detach(host);
    await this.#adapter.close();
    await this.#domain.close();
  }

  async #connect({ path, backEnd }: Controller, clock: Clock): Promise<void> {
    const { store } = this.#domain;
    await this.#adapter.probe((adapter) => {
      this.guest.attach(new LeavingAdapter(adapter, { store, clock, path, backEnd }));
    });
    await inTime(this.#adapter.settled, clock);
    if (this.isConnected) return;
    const [state, said] = [await readState(store, backEnd), this.guest.log.lines.at(-1) ?? ""];
    throw new ToolstackError("FAIL", `${backEnd} is ${xenbusStateName(state)} and does not connect; ${said}`);
  }
}

async function openController(host: HostDomain, device: number, calls: HostCalls) {
  const controller = await findController(host.store, `device/vscsi/${device}`);
  const name = (await host.store.read("name")) ?? String(host.id);
  return { controller, name, domain: new HostFrontEnd(host, calls) };
}

async function findController(store: XenstoreClient, path: string): Promise<Controller> {
  const state = await readState(store, path);
  if (state === XenbusState.Unknown) throw new ToolstackError("NOTFOUND", `this domain has no ${path}`);
  if (state !== XenbusState.Initialising) {
    const reason = "its driver is another, or it has had one: the toolstack has to make it anew";
    throw new ToolstackError("INVAL", `${path} is ${xenbusStateName(state)}: ${reason}`);
  }
  const backEndDomain = scanNumber(await store.read(`${path}/backend-id`), DomainIds.firstReserved - 1);
  const backEnd = await store.read(`${path}/backend`);
  if (backEndDomain === null || backEnd === null) throw new ToolstackError("INVAL", `${path} names no back end`);
  return { path, backEnd, backEndDomain };
}

/** Resolves with `event`, or when there has been time enough. */
async function inTime(event: Promise<void>, clock: Clock): Promise<void> {
  let over = () => {};
  const timer = clock.after(PATIENCE, { run: () => over() });
  await Promise.race([event, new Promise<void>((resolve) => (over = resolve))]);
  clock.cancel(timer);
}

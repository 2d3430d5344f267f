// A front end in domain 1 before a hand-played back end in domain 0. Checks at the end that nothing is left.

import { type AdapterEvent, AdapterManagement, Command, type HostAdapter } from "@pvscsi/scsi";
import { type AdapterMessage, Scsifront, type ScsifrontAdapter } from "@pvscsi/scsifront";
import type { DomainDescription, InProcessDomain } from "@pvscsi/xen";
import { expect } from "chai";
import { ScriptedBack } from "../../support/scripted-back.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { XenWorld } from "../../support/xen-world.js";

export interface StandOptions {
  readonly grantFrames?: number;
  readonly seed?: number;
}

/** A command with how often it has completed. */
export class TestCommand extends Command {
  completions = 0;

  constructor(cdb: readonly number[] = [0, 0, 0, 0, 0, 0], fields: Partial<Command> = {}) {
    super();
    Object.assign(this, fields);
    this.cdb.set(cdb);
    this.cdbLength = cdb.length;
    this.completed = () => {
      this.completions += 1;
    };
  }
}

export class TestManagement extends AdapterManagement {
  completions = 0;

  constructor(fields: Partial<AdapterManagement>) {
    super();
    Object.assign(this, fields);
    this.completed = () => {
      this.completions += 1;
    };
  }
}

export class Stand {
  readonly messages: AdapterMessage[] = [];
  readonly events: AdapterEvent[] = [];
  readonly adapters: HostAdapter[] = [];
  /** What the listener answers. */
  accepts: (event: AdapterEvent) => Promise<boolean> = async () => true;
  #before: DomainDescription[] = [];
  readonly front: Scsifront;

  private constructor(
    readonly world: XenWorld,
    readonly dom0: InProcessDomain,
    readonly guest: InProcessDomain,
  ) {
    world.listen((name, subject) => {
      if (name === "scsifront:message") this.messages.push(subject as AdapterMessage);
    });
    const { simulation, probes } = world;
    const parts = { clock: simulation, scheduler: simulation, probes };
    this.front = new Scsifront({ ...parts, domain: guest, attach: (adapter) => this.#attach(adapter) });
  }

  static async make({ grantFrames = 64, seed = 1 }: StandOptions = {}): Promise<Stand> {
    const world = new XenWorld(seed);
    const guest = await world.createDomain(1, { memoryPages: 600, grantFrames });
    const stand = new Stand(world, await world.createDomain(0), guest);
    await world.done(stand.front.start());
    stand.#before = world.describe();
    return stand;
  }

  #attach(adapter: HostAdapter): void {
    this.adapters.push(adapter);
    adapter.listen((event) => {
      this.events.push(event);
      return this.accepts(event);
    });
  }

  get adapter(): ScsifrontAdapter {
    return this.adapters[this.adapters.length - 1] as ScsifrontAdapter;
  }

  nodes(virtual: readonly string[] = ["0:0:0:0"]): Promise<VscsiNodes> {
    return VscsiNodes.create(this.world, { guest: 1, luns: virtual.map((text) => ["p", text] as const) });
  }

  /** A connected back end that offers 128 indirect segments, unless told to offer something else. */
  async connected(nodes: { readonly [name: string]: string } = { "feature-sg-grant": "128" }): Promise<ScriptedBack> {
    const back = new ScriptedBack(this.world, this.dom0, await this.nodes());
    await back.connect(1, nodes);
    return back;
  }

  /** Queues commands, lets the world run, and checks that the back end sees as many requests. */
  async queue(...commands: Command[]): Promise<void> {
    for (const command of commands) this.adapter.queue(command);
    await this.world.settle();
  }

  /** The reason in the guest's error node. */
  reason(device = 0): Promise<string | null> {
    return this.world.read(`/local/domain/1/error/device/vscsi/${device}/error`);
  }

  /** Closes, as the back end's last state says, and checks that nothing is held any more. */
  async end(back: ScriptedBack): Promise<void> {
    if (back.page !== null) back.unmap();
    await back.write({ state: "6" });
    await this.world.advance(5000);
    expect(await this.world.read(`${back.nodes.front}/state`)).to.equal("6");
    await back.nodes.remove();
    await this.world.done(this.front.close());
    expect(this.world.describe()).to.deep.equal(this.#before);
  }
}

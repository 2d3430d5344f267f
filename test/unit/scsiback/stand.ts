// A back end in domain 0 with a disk, a unit that holds its tasks, and hand-played front ends. Checks at the end that
// nothing is left.

import { MemoryStore, type Task } from "@pvscsi/scsi";
import { type ControllerMessage, Scsiback, type ScsibackOptions } from "@pvscsi/scsiback";
import type { BackEndDomain, DomainDescription, InProcessDomain } from "@pvscsi/xen";
import type { HostDomain } from "@pvscsi/xenbus";
import { expect } from "chai";
import { type ResponseFields, ScriptedFront } from "../../support/scripted-front.js";
import { HoldingUnit, memoryDisk, TestDirectory } from "../../support/scsi-devices.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { openPlayedHost } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";

/** Disk at LUN 0, holding unit at LUN 1. */
export const LUNS = [
  ["disk", "0:0:0:0"],
  ["holding", "0:0:0:1"],
] as const;

export const read10 = (block: number, blocks: number): number[] => [0x28, 0, 0, 0, 0, block, 0, 0, blocks, 0];
export const write10 = (block: number, blocks: number): number[] => [0x2a, 0, 0, 0, 0, block, 0, 0, blocks, 0];

/** What the back end's domain is an object of: the hypervisor itself, or a process over the kernel's device nodes. */
const PLATFORMS = ["in process", "on a Xen host"] as const;
type Platform = (typeof PLATFORMS)[number];

/** Describes what holds on each of them. */
export function onEachPlatform(title: string, body: (platform: Platform) => void): void {
  for (const platform of PLATFORMS) describe(`scsiback ${platform}: ${title}`, () => body(platform));
}

export class Stand {
  readonly messages: ControllerMessage[] = [];
  readonly refusals: string[] = [];
  readonly store = new MemoryStore(1 << 20);
  readonly holding = new HoldingUnit();
  readonly directory = new TestDirectory({ disk: memoryDisk(this.store), holding: this.holding });
  readonly #fronts: ScriptedFront[] = [];
  #before: DomainDescription[] = [];

  private constructor(
    readonly world: XenWorld,
    readonly dom0: InProcessDomain,
    readonly guest: InProcessDomain,
  ) {}

  back!: Scsiback;
  #host: HostDomain | null = null;

  static async make(options: Partial<ScsibackOptions> = {}, platform: Platform = "in process"): Promise<Stand> {
    const world = new XenWorld();
    const stand = new Stand(world, await world.createDomain(0), await world.createDomain(1, { memoryPages: 400 }));
    world.listen((name, subject) => {
      if (name === "scsiback:message") stand.messages.push(subject as ControllerMessage);
      if (name === "scsiback:refuse") stand.refusals.push((subject as { reason: string }).reason);
    });
    const { simulation, probes } = world;
    const parts = { clock: simulation, scheduler: simulation, probes };
    if (platform === "on a Xen host") stand.#host = (await openPlayedHost(world, stand.dom0)).host;
    stand.back = new Scsiback({ ...parts, domain: stand.domain, directory: stand.directory, ...options });
    await world.done(stand.back.start());
    stand.#before = world.describe();
    return stand;
  }

  /** The back end's. */
  get domain(): BackEndDomain {
    return this.#host ?? this.dom0;
  }

  /** A device without a front end. */
  device(luns: ReadonlyArray<readonly [string, string]> = LUNS, device = 0): Promise<VscsiNodes> {
    return VscsiNodes.create(this.world, { guest: this.guest.id, device, luns });
  }

  /** A front end that has not connected yet. */
  front(nodes: VscsiNodes): ScriptedFront {
    const front = new ScriptedFront(this.world, this.guest, nodes);
    this.#fronts.push(front);
    return front;
  }

  /** A connected front end, whose unit attention for power on is taken off. */
  async connected(luns: ReadonlyArray<readonly [string, string]> = LUNS, device = 0): Promise<ScriptedFront> {
    const front = this.front(await this.device(luns, device));
    await this.world.settle();
    await front.connect();
    await front.write("state", "4");
    await this.world.settle();
    for (const [, virtual] of luns) await this.#takeAttentions(front, Number(virtual.split(":")[3]));
    this.refusals.length = 0;
    return front;
  }

  /** What a new LUN has to tell: power on, and that there are others. */
  async #takeAttentions(front: ScriptedFront, lun: number): Promise<void> {
    let [answer] = await front.send({ lun });
    expect(answer.rslt).to.equal(2);
    while (answer?.rslt === 2) [answer] = await front.send({ lun });
    if (answer === undefined) [answer] = await this.finish(front);
    expect(answer.rslt).to.equal(0);
    this.holding.seen.length = 0;
  }

  /** Ends the task that the holding unit has had longest, and returns the responses that came. */
  async finish(front: ScriptedFront, change?: (task: Task) => number): Promise<ResponseFields[]> {
    this.holding.end(change);
    await this.world.settle();
    return front.take();
  }

  /** The reason that stands in an error node. */
  reason(path: string): Promise<string | null> {
    return this.world.read(`/local/domain/0/error/${path}/error`);
  }

  /** Unplugs all devices and checks that nothing is held any more. */
  async end(): Promise<void> {
    this.holding.stubborn = false;
    for (const front of this.#fronts) {
      await front.write("state", "6");
      await front.nodes.remove();
    }
    await this.world.settle();
    for (const front of this.#fronts) front.leave();
    expect(this.world.describe()).to.deep.equal(this.#before);
    expect(this.directory.opened).to.deep.equal([]);
    await this.world.done(this.back.close());
    expect(this.back.controllers.size).to.equal(0);
    expect([this.#host?.lent ?? 0, this.#host?.grants.mapped ?? 0]).to.deep.equal([0, 0]);
    await this.#host?.close();
  }
}

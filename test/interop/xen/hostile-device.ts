// Knows a front end that a process of dom0 plays by hand, on grants and event channels of the real Xen: how its device comes, what
// it is asked and how it goes. Its half is where Linux' front end in the same dom0 does not look.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import type { XenstoreClient } from "@pvscsi/xen";
import { HostFrontEnd, hostCalls, openHostDomain } from "@pvscsi/xenbus";
import { nodeScheduler } from "pvscsi";
import {
  type FrontWorld,
  type RequestFields,
  type ResponseFields,
  ScriptedFront,
} from "../../support/scripted-front.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";

const HOME = "/local/domain/0";
const HALF = `${HOME}/hostile`;
const REASONS = `${HOME}/error/backend/vscsi/0/1`;
/** Behind Linux' own, which has device 0. */
const DEVICE = 1;
const POLL = 20;
/** Seconds for the back end, a process of the same emulated processor, to do what follows from something. */
const PATIENCE = 60;

/** Pages and ports of this process; what is closed goes back to the kernel. */
export async function openFrontEnd(): Promise<HostFrontEnd> {
  const calls = await hostCalls();
  return new HostFrontEnd(await openHostDomain({ calls, scheduler: nodeScheduler() }), calls);
}

/** Waits until `reached`; rejects, with what it was about, when it is not in time. */
export async function until(reached: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + PATIENCE * 1000; performance.now() < end; await setTimeout(POLL)) {
    if (await reached()) return;
  }
  throw new Error(`not in ${PATIENCE} s: ${what}`);
}

export class HostileDevice {
  readonly domain: HostFrontEnd;
  readonly nodes: VscsiNodes;
  /** The toolstack's connection to xenstored. */
  readonly tool: XenstoreClient;
  #front: ScriptedFront;
  #gone = false;

  private constructor(domain: HostFrontEnd, nodes: VscsiNodes, tool: XenstoreClient) {
    this.domain = domain;
    this.nodes = nodes;
    this.tool = tool;
    this.#front = new ScriptedFront(WORLD, domain, nodes);
  }

  /** Makes it, and connects: its disk has told what it has to tell. */
  static async connect(tool: XenstoreClient): Promise<HostileDevice> {
    const options = { guest: 0, device: DEVICE, front: `${HALF}/${DEVICE}`, luns: [["0:0:0:1", "0:0:0:0"]] } as const;
    const nodes = await VscsiNodes.create({ ...WORLD, tool }, options);
    const device = new HostileDevice(await openFrontEnd(), nodes, tool);
    await device.reach("2");
    await device.front.connect();
    await device.serves();
    return device;
  }

  get front(): ScriptedFront {
    return this.#front;
  }

  /** Comes with another ring and another port. The old ones are kept. */
  async comeAgain(): Promise<void> {
    this.#front = new ScriptedFront(WORLD, this.domain, this.nodes);
    await this.front.connect();
  }

  /** Waits until the back end is Connected, and sees that the disk answers. */
  async serves(): Promise<void> {
    await this.reach("4");
    await this.front.write("state", "4");
    await this.works();
  }

  /** A READ of its disk is answered; it may have to tell something first. */
  async works(): Promise<void> {
    const { gref, page } = this.front.grant("read-write");
    page.bytes.fill(0xa5);
    const read = { cdb: read10(0), direction: 2, segments: [[gref, 0, 512]] } as const;
    let [answer] = await this.ask(read);
    for (let i = 0; i < 2 && answer.rslt === 2; i++) [answer] = await this.ask(read);
    assert.equal(answer.rslt, 0, "the result of a READ");
    assert.deepEqual([page.bytes[0], page.bytes[511], page.bytes[512]], [0, 0, 0xa5]);
  }

  /** Asks, and gives as many answers. */
  async ask(...requests: readonly RequestFields[]): Promise<ResponseFields[]> {
    for (const request of requests) this.front.put(request);
    this.front.push();
    return await this.answers(requests.length);
  }

  async answers(count: number): Promise<ResponseFields[]> {
    const taken = this.front.take();
    await until(() => {
      taken.push(...this.front.take());
      return taken.length >= count;
    }, `${count} answers`);
    return taken;
  }

  /** Waits until the back end is in a state. */
  async reach(state: string): Promise<void> {
    const node = `${this.nodes.back}/state`;
    await until(async () => (await this.tool.read(node)) === state, `the back end's state ${state}`);
  }

  /** Closes, waits until the back end has as well, and comes again. */
  async reconnect(): Promise<void> {
    await this.close();
    await this.comeAgain();
    await this.serves();
  }

  async close(): Promise<void> {
    await this.front.write("state", "6");
    await this.reach("6");
  }

  /** The reason that the back end has given. */
  async reason(): Promise<string> {
    return (await this.tool.read(`${REASONS}/error`)) ?? "";
  }

  /** Gives pages and ports back to the kernel, without a word to the back end. */
  async vanish(): Promise<void> {
    this.#gone = true;
    await this.domain.close();
  }

  /** Unless it has vanished, its disk has to answer, and it is closed in order. Nodes are removed, what it had is given back. */
  async leave(): Promise<void> {
    if (!this.#gone) {
      await this.works();
      await this.nodes.unplug();
      await this.close();
    }
    await this.nodes.remove();
    for (const path of [HALF, REASONS]) await removeWithParents(this.tool, path);
    await this.domain.close();
  }
}

/** The back end does what it has to do in a process of its own, which takes its time. */
const WORLD: FrontWorld = { done: (promise) => promise, settle: async () => {} };

/** With parents that are empty then. */
async function removeWithParents(store: XenstoreClient, path: string): Promise<void> {
  const above = path.slice(0, path.lastIndexOf("/"));
  await store.remove(path);
  if (above !== HOME && (await store.list(above))?.length === 0) await removeWithParents(store, above);
}

export function read10(block: number): readonly number[] {
  return [0x28, 0, 0, 0, 0, block, 0, 0, 1, 0];
}

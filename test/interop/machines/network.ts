// Knows machines that cables join, each a network namespace of this one: nothing of one is to be reached from another but
// over its cable. Each namespace lasts as long as the program that holds it. Knows nothing of what runs on them.

import { mkdir, readlink } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";

/** The machines' network; its namespaces have no way to any other. */
const PREFIX = "10.23.0.";
/** The interface of each machine. */
const INTERFACE = "eth0";
/** Seconds after which a namespace is gone, whatever has become of the suite. */
const LIFE = 1800;
/** Milliseconds for a namespace to be there. */
const PATIENCE = 5000;

interface MachinePart {
  readonly holder: Child;
  readonly address: string;
  readonly folder: string;
}

/** Bytes that have passed a machine's interface. */
export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

export class Network<Name extends string> {
  readonly #context: SuiteContext;
  /** Its namespace has the bridge that all cables end in. */
  readonly #middle: Child;
  readonly #machines = new Map<Name, MachinePart>();

  private constructor(context: SuiteContext, middle: Child) {
    this.#context = context;
    this.#middle = middle;
  }

  /** Makes machines, a folder for each. Rejects where namespaces may not be made: root may. */
  static async open<Name extends string>(context: SuiteContext, names: readonly Name[]): Promise<Network<Name>> {
    const network = new Network<Name>(context, await holdNamespace(context));
    await network.#inMiddle("link", "add", "name", "bridge", "type", "bridge");
    await network.#inMiddle("link", "set", "bridge", "up");
    for (const [i, name] of names.entries()) await network.#add(name, `${PREFIX}${i + 1}`);
    return network;
  }

  address(name: Name): string {
    return this.#machine(name).address;
  }

  /** A path on a machine. */
  path(name: Name, file: string): string {
    return `${this.#machine(name).folder}/${file}`;
  }

  /** Starts a program on a machine, in its folder. */
  start(name: Name, ...words: readonly string[]): Child {
    return this.#context.start("nsenter", ...this.#entering(name), ...words);
  }

  /** Runs a program there to its end and gives its output; rejects unless its status is 0. */
  succeed(name: Name, ...words: readonly string[]): Promise<string> {
    return this.#context.succeed("nsenter", ...this.#entering(name), ...words);
  }

  /** Pulls a machine's cable out: what it and the others send is lost, and nobody is told. */
  async unplug(name: Name): Promise<void> {
    await this.#inMiddle("link", "set", name, "nomaster");
  }

  async plug(name: Name): Promise<void> {
    await this.#inMiddle("link", "set", name, "master", "bridge");
  }

  async traffic(name: Name): Promise<Traffic> {
    const text = await this.succeed(name, "ip", "-stats", "-json", "link", "show", "dev", INTERFACE);
    const [{ stats64 }] = JSON.parse(text) as [{ stats64: Record<"rx" | "tx", { readonly bytes: number }> }];
    return { sent: stats64.tx.bytes, received: stats64.rx.bytes };
  }

  async #add(name: Name, address: string): Promise<void> {
    const folder = this.#context.path(`machine-${name}`);
    await mkdir(folder);
    const holder = await holdNamespace(this.#context);
    this.#machines.set(name, { holder, address, folder });
    await this.#inMiddle("link", "add", name, "type", "veth", "peer", "name", INTERFACE, "netns", String(holder.pid));
    await this.#inMiddle("link", "set", name, "up");
    await this.plug(name);
    await this.succeed(name, "ip", "address", "add", `${address}/24`, "dev", INTERFACE);
    for (const device of [INTERFACE, "lo"]) await this.succeed(name, "ip", "link", "set", device, "up");
  }

  async #inMiddle(...words: readonly string[]): Promise<void> {
    await this.#context.succeed("nsenter", "--target", String(this.#middle.pid), "--net", "ip", ...words);
  }

  #entering(name: Name): string[] {
    const { holder, folder } = this.#machine(name);
    return ["--target", String(holder.pid), "--net", `--wd=${folder}`];
  }

  #machine(name: Name): MachinePart {
    return this.#machines.get(name) ?? expect.fail(`no machine ${name}`);
  }
}

/** Starts a program in a network namespace of its own, and waits until that is made. */
async function holdNamespace(context: SuiteContext): Promise<Child> {
  const holder = context.start("unshare", "--net", "sleep", String(LIFE));
  const own = await readlink("/proc/self/ns/net");
  for (const end = performance.now() + PATIENCE; performance.now() < end; await setTimeout(10)) {
    const theirs = await readlink(`/proc/${holder.pid}/ns/net`).catch(() => null);
    if (theirs === null) break;
    if (theirs !== own) return holder;
  }
  const { status, errors } = await Promise.race([
    holder.finished,
    setTimeout(PATIENCE, { status: "nothing", errors: "" }, { ref: false }),
  ]);
  throw new Error(`no network namespace can be made here (root may): unshare ended with ${status}: ${errors.trim()}`);
}

// Knows how the tests of this package put a toolstack over a simulated world with scripted drivers.

import { type MachineConfig, parseMachineConfig, parseVscsiWords, type VscsiDevice } from "@pvscsi/config";
import { type PhysicalDevices, ToolstackError, VscsiDevices } from "@pvscsi/toolstack";
import { expect } from "chai";
import { ScriptedDrivers } from "../../support/scripted-drivers.js";
import { XenWorld } from "../../support/xen-world.js";

export const GUEST = 1;
export const BACK = `/local/domain/0/backend/vscsi/${GUEST}`;
export const FRONT = `/local/domain/${GUEST}/device/vscsi`;

/** Every device there is, but those with "missing" in their name. */
export const devices: PhysicalDevices = {
  resolve: ({ text }) => (text.includes("missing") ? { reason: "no such device" } : { physicalDevice: `p-${text}` }),
  wholeHost: ({ text }) =>
    text.startsWith("5:")
      ? [0, 3].map((lun) => ({ host: 5, channel: 0, target: 1, lun }))
      : { reason: "no such host here" },
};

export class Stand {
  readonly world = new XenWorld();
  /** Domains whose process has still to come. */
  readonly awaited = new Set<number>();
  readonly vscsi = new VscsiDevices({
    store: this.world.tool,
    clock: this.world.simulation,
    devices,
    backend: 0,
    awaited: (domain) => this.awaited.has(domain),
  });
  readonly drivers = new ScriptedDrivers(this.world.tool, GUEST);

  /** A world with a guest, and with drivers that take everything. */
  static async make(): Promise<Stand> {
    const stand = new Stand();
    await stand.done(stand.world.tool.write("/local/domain/0/name", "Domain-0"));
    for (const name of ["device", "error"]) await stand.done(stand.world.tool.mkdir(`/local/domain/${GUEST}/${name}`));
    await stand.done(stand.drivers.start());
    return stand;
  }

  done<Value>(promise: Promise<Value>): Promise<Value> {
    return this.world.done(promise);
  }

  attach(...words: readonly string[]): Promise<void> {
    return this.done(this.vscsi.attach(GUEST, lun(...words)));
  }

  detach(virtual: string): Promise<void> {
    return this.done(this.vscsi.detach(GUEST, virtual));
  }

  /** How many milliseconds of the simulated clock something takes. */
  async time(action: () => Promise<unknown>): Promise<number> {
    const began = this.world.simulation.now();
    await action();
    return this.world.simulation.now() - began;
  }

  /** States of back end and front end, then of each LUN at both, by dev-N. */
  async states(devid = 0): Promise<string> {
    const read = async (path: string) => (await this.world.read(path)) ?? "-";
    const names = (await this.done(this.world.tool.list(`${BACK}/${devid}/vscsi-devs`))) ?? [];
    const parts = [`${await read(`${BACK}/${devid}/state`)}${await read(`${FRONT}/${devid}/state`)}`];
    for (const name of names) {
      const [back, front] = [BACK, FRONT].map((half) => `${half}/${devid}/vscsi-devs/${name}/state`);
      parts.push(`${name}:${await read(back)}${await read(front)}`);
    }
    return parts.join(" ");
  }

  dump(): string {
    return this.world.xenstored.dump();
  }
}

export function lun(...words: readonly string[]): VscsiDevice {
  const { device } = parseVscsiWords(words);
  if (device.kind !== "device") throw new Error(`${words.join(" ")} is no LUN`);
  return device;
}

export function config(text: string, dialect: "libxl" | "xend" = "libxl"): MachineConfig {
  return parseMachineConfig(text, { file: "domU.cfg", dialect });
}

/** The failure of a promise, which has to be a ToolstackError of that code. */
export async function refusal(promise: Promise<unknown>, code: ToolstackError["code"]): Promise<string> {
  const error = await failure(promise);
  expect(error).to.be.instanceOf(ToolstackError);
  expect((error as ToolstackError).code, (error as Error).message).to.equal(code);
  return (error as Error).message;
}

export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

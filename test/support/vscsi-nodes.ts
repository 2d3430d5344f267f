// Knows the nodes of a vscsi device as a toolstack writes them, and where its two halves are. Independent of the
// toolstack under test.

import type { XenstoreClient } from "@pvscsi/xen";

/** Who writes the nodes, e.g. a `XenWorld`. */
export interface Toolstack {
  readonly tool: XenstoreClient;
  /** Lets the world run until `promise` is fulfilled. */
  done<Value>(promise: Promise<Value>): Promise<Value>;
}

export interface VscsiDeviceOptions {
  readonly guest: number;
  readonly backend?: number;
  readonly device?: number;
  /** The path of the front end's half where it is not the one that Linux looks at. */
  readonly front?: string;
  /** Removes what is there, in the same transaction. */
  readonly replacing?: boolean;
  /** p-dev and v-dev of dev-0, dev-1 ... */
  readonly luns?: ReadonlyArray<readonly [physical: string, virtual: string]>;
}

/** The paths of a device's two halves. */
export class VscsiNodes {
  readonly front: string;
  readonly back: string;
  readonly guest: number;
  readonly backend: number;
  readonly #world: Toolstack;
  #luns = 0;

  private constructor(world: Toolstack, { guest, backend = 0, device = 0, front }: VscsiDeviceOptions) {
    this.#world = world;
    this.guest = guest;
    this.backend = backend;
    this.front = front ?? `/local/domain/${guest}/device/vscsi/${device}`;
    this.back = `/local/domain/${backend}/backend/vscsi/${guest}/${device}`;
  }

  /** Creates a device in one transaction, as libxl does. */
  static async create(world: Toolstack, options: VscsiDeviceOptions): Promise<VscsiNodes> {
    const { luns = [], replacing = false } = options;
    const nodes = new VscsiNodes(world, options);
    const { front, back, guest, backend } = nodes;
    await world.done(
      world.tool.transaction(async (transaction) => {
        for (const [path, permissions] of [
          [front, [`n${guest}`, `r${backend}`]],
          [back, [`n${backend}`, `r${guest}`]],
        ] as const) {
          if (replacing) await transaction.remove(path);
          await transaction.write(path, "");
          await transaction.setPermissions(path, permissions);
        }
        const values: Record<string, string> = {
          [`${front}/backend`]: back,
          [`${front}/backend-id`]: String(backend),
          [`${front}/state`]: "1",
          [`${back}/frontend`]: front,
          [`${back}/frontend-id`]: String(guest),
          [`${back}/online`]: "1",
          [`${back}/feature-host`]: "0",
        };
        for (const [physical, virtual] of luns) Object.assign(values, nodes.#lun(physical, virtual));
        values[`${back}/state`] = "1";
        for (const [path, value] of Object.entries(values)) await transaction.write(path, value);
      }),
    );
    return nodes;
  }

  /** Writes a LUN and asks the front end to look; returns its name, dev-N. */
  async attach(physical: string, virtual: string): Promise<string> {
    const name = `dev-${this.#luns}`;
    await this.#write({ ...this.#lun(physical, virtual), [`${this.back}/state`]: "7" });
    return name;
  }

  async detach(name: string): Promise<void> {
    await this.#write({ [`${this.back}/vscsi-devs/${name}/state`]: "5", [`${this.back}/state`]: "7" });
  }

  /** Asks both halves to close, unless they have, as libxl does. */
  async unplug(): Promise<void> {
    const state = `${this.back}/state`;
    const closed = (await this.#world.done(this.#world.tool.read(state))) === "6";
    await this.#write({ [`${this.back}/online`]: "0", ...(closed ? {} : { [state]: "5" }) });
  }

  async remove(): Promise<void> {
    await this.#world.done(this.#world.tool.remove(this.front));
    await this.#world.done(this.#world.tool.remove(this.back));
  }

  /** States: back end, front end, then each LUN's as the back end and the front end have it. */
  async states(): Promise<string> {
    const { tool } = this.#world;
    const read = async (path: string): Promise<string> => (await this.#world.done(tool.read(path))) ?? "-";
    const parts = [await read(`${this.back}/state`), await read(`${this.front}/state`)];
    for (let i = 0; i < this.#luns; i++) {
      const lun = `vscsi-devs/dev-${i}/state`;
      parts.push(`${await read(`${this.back}/${lun}`)}${await read(`${this.front}/${lun}`)}`);
    }
    return parts.join(" ");
  }

  async #write(nodes: { readonly [path: string]: string }): Promise<void> {
    await this.#world.done(
      this.#world.tool.transaction(async (transaction) => {
        for (const [path, value] of Object.entries(nodes)) await transaction.write(path, value);
      }),
    );
  }

  #lun(physical: string, virtual: string): { [path: string]: string } {
    const path = `${this.back}/vscsi-devs/dev-${this.#luns++}`;
    return {
      [`${path}/p-devname`]: physical,
      [`${path}/p-dev`]: physical,
      [`${path}/v-dev`]: virtual,
      [`${path}/state`]: "1",
    };
  }
}

// Knows the nodes of a vscsi device as a toolstack writes them, and where its two halves are. Independent of the
// toolstack under test.

import type { XenWorld } from "./xen-world.js";

export interface VscsiDeviceOptions {
  readonly guest: number;
  readonly backend?: number;
  readonly device?: number;
  /** p-dev and v-dev of dev-0, dev-1 ... */
  readonly luns?: ReadonlyArray<readonly [physical: string, virtual: string]>;
}

/** The paths of a device's two halves. */
export class VscsiNodes {
  readonly front: string;
  readonly back: string;
  readonly guest: number;
  readonly backend: number;
  readonly #world: XenWorld;
  #luns = 0;

  private constructor(world: XenWorld, guest: number, backend: number, device: number) {
    this.#world = world;
    this.guest = guest;
    this.backend = backend;
    this.front = `/local/domain/${guest}/device/vscsi/${device}`;
    this.back = `/local/domain/${backend}/backend/vscsi/${guest}/${device}`;
  }

  /** Creates a device in one transaction, as libxl does. */
  static async create(world: XenWorld, options: VscsiDeviceOptions): Promise<VscsiNodes> {
    const { guest, backend = 0, device = 0, luns = [] } = options;
    const nodes = new VscsiNodes(world, guest, backend, device);
    const { front, back } = nodes;
    await world.done(
      world.tool.transaction(async (transaction) => {
        for (const [path, permissions] of [
          [front, [`n${guest}`, `r${backend}`]],
          [back, [`n${backend}`, `r${guest}`]],
        ] as const) {
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
    await this.#world.write({ ...this.#lun(physical, virtual), [`${this.back}/state`]: "7" });
    return name;
  }

  async detach(name: string): Promise<void> {
    await this.#world.write({ [`${this.back}/vscsi-devs/${name}/state`]: "5", [`${this.back}/state`]: "7" });
  }

  /** Asks both halves to close. */
  async unplug(): Promise<void> {
    await this.#world.write({ [`${this.back}/online`]: "0", [`${this.back}/state`]: "5" });
  }

  async remove(): Promise<void> {
    await this.#world.done(this.#world.tool.remove(this.front));
    await this.#world.done(this.#world.tool.remove(this.back));
  }

  /** States: back end, front end, then each LUN's as the back end and the front end have it. */
  async states(): Promise<string> {
    const read = async (path: string): Promise<string> => (await this.#world.read(path)) ?? "-";
    const parts = [await read(`${this.back}/state`), await read(`${this.front}/state`)];
    for (let i = 0; i < this.#luns; i++) {
      const lun = `vscsi-devs/dev-${i}/state`;
      parts.push(`${await read(`${this.back}/${lun}`)}${await read(`${this.front}/${lun}`)}`);
    }
    return parts.join(" ");
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

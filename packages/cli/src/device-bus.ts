// Knows which devices stand at which targets and LUNs that a transport serves, and how they come and go. Knows no wire.

import { dirname, resolve } from "node:path";
import {
  behindPortGroups,
  type ConfigWarning,
  formatAddress,
  formatWarning,
  type HostConfig,
  hostOfLunWord,
  hostOfLunWords,
  type LunPortGroup,
  type ScsiAddress,
  vhostController,
} from "@pvscsi/config";
import { type Host, openHost, readSaveconfig } from "@pvscsi/host";
import { type LogicalUnit, MAX_LUNS, type OpenedDevice, type TargetPortGroups } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { TARGETS } from "@pvscsi/virtio";
import { hostParts } from "./host-parts.js";

/** Where a device is for the guest: on channel 0. */
export interface Place {
  readonly target: number;
  readonly lun: number;
}

/** One device of the bus. */
interface Occupant extends Place {
  readonly host: Host;
  /** Its name in `host`. */
  readonly name: string;
  readonly opened: OpenedDevice;
}

/** Where a device is to be, and its name. */
export interface PlannedPlace extends Place {
  readonly name: string;
}

/** What a bus has from the beginning. */
export interface BusPlan {
  /** The WWN of the vhost target, where it has one. */
  readonly name?: string;
  readonly devices: HostConfig;
  /** Relative paths of files begin here. */
  readonly directory: string;
  readonly places: readonly PlannedPlace[];
  /** What leads to the LUNs that come while it is served. */
  readonly portGroups?: readonly LunPortGroup[];
  /** For people. */
  readonly warnings: readonly string[];
}

/** Target 0 with a LUN for each word, from 0, behind target port groups where there are any. Throws `ConfigError`. */
export function planOfWords(words: readonly string[], portGroups: readonly LunPortGroup[] = []): BusPlan {
  const devices = behindPortGroups(hostOfLunWords(words), portGroups);
  const places = words.map((_, lun) => ({
    target: 0,
    lun,
    name: formatAddress({ host: 0, channel: 0, target: 0, lun }),
  }));
  return { devices, directory: ".", places, portGroups, warnings: [] };
}

/** The vhost target of a saveconfig.json; which one has to be told where there are several. Throws `ConfigError`. */
export async function planOfFile(file: string, wwn: string | undefined): Promise<BusPlan> {
  const { wwn: name, targets, devices, warnings } = vhostController(await readSaveconfig(file), wwn);
  return { ...planOfTargets(file, devices, targets, warnings), name };
}

/** Devices that stand at targets and LUNs of a saveconfig.json. */
export function planOfTargets(
  file: string,
  devices: HostConfig,
  targets: readonly {
    readonly target: number;
    readonly luns: readonly { readonly lun: number; readonly device: ScsiAddress }[];
  }[],
  warnings: readonly ConfigWarning[],
): BusPlan {
  const places = targets.flatMap(({ target, luns }) =>
    luns.map(({ lun, device }) => ({ target, lun, name: formatAddress(device) })),
  );
  return { devices, directory: dirname(file), places, warnings: warnings.map(formatWarning) };
}

/** `T:L` as tools write it; null for anything else. */
export function parsePlace(text: string): Place | null {
  const numbers = /^(\d{1,3}):(\d{1,5})$/.exec(text);
  const [target, lun] = [Number(numbers?.[1]), Number(numbers?.[2])];
  return numbers !== null && target < TARGETS && lun < MAX_LUNS ? { target, lun } : null;
}

export function formatPlace({ target, lun }: Place): string {
  return `${target}:${lun}`;
}

/** Where LUNs come and go: a target, or several that show the same ones. */
export interface LunPlaces {
  add(lun: number, unit: LogicalUnit): void;
  remove(lun: number): Promise<void>;
}

/** The targets of a transport by number, made when they are asked for. */
export interface BusTargets {
  at(target: number): LunPlaces;
}

export class DeviceBus<Targets extends BusTargets> {
  readonly targets: Targets;
  readonly #portGroups: readonly LunPortGroup[];
  readonly #occupants = new Map<string, Occupant>();

  private constructor(targets: Targets, portGroups: readonly LunPortGroup[]) {
    this.targets = targets;
    this.#portGroups = portGroups;
  }

  /** Opens everything of a plan. Throws ToolstackError for the first that cannot be, with the others closed again. */
  static open<Targets extends BusTargets>(
    { devices, directory, places, portGroups }: BusPlan,
    targets: Targets,
  ): Promise<DeviceBus<Targets>> {
    const host = openHost(devices, { directory, ...hostParts() });
    return DeviceBus.over(host, places, targets, portGroups);
  }

  /** The same with devices of a host that is there. */
  static async over<Targets extends BusTargets>(
    host: Host,
    places: readonly PlannedPlace[],
    targets: Targets,
    portGroups: readonly LunPortGroup[] = [],
  ): Promise<DeviceBus<Targets>> {
    const bus = new DeviceBus(targets, portGroups);
    try {
      for (const { name, ...place } of places) await bus.#add(place, host, name);
    } catch (error) {
      await bus.close();
      throw error;
    }
    return bus;
  }

  /** Opens what a LUN word names, whose paths begin at `directory`. Throws `ConfigError` and ToolstackError. */
  async attach(word: string, place: Place, directory: string): Promise<void> {
    const address = { host: 0, channel: 0, ...place };
    const devices = behindPortGroups(hostOfLunWord(word, address), this.#portGroups);
    await this.#add(place, openHost(devices, { directory, ...hostParts() }), formatAddress(address));
  }

  /** Takes a device out; resolves when the guest's commands there have ended and it is closed. */
  async detach(place: Place): Promise<void> {
    const occupant = this.#at(place);
    this.#occupants.delete(formatPlace(place));
    await this.targets.at(place.target).remove(place.lun);
    await occupant.opened.release();
  }

  /** Makes a device longer, in bytes. Throws ToolstackError saying why it cannot be. */
  async resize(place: Place, size: number): Promise<void> {
    const { host, name } = this.#at(place);
    const refused = await host.grow(name, size);
    if (refused !== null) throw new ToolstackError("INVAL", refused);
  }

  /** Puts the disc whose image is at a path, from `directory` on, into a CD/DVD drive. Throws ToolstackError saying why it cannot be. */
  async insert(place: Place, path: string, directory: string): Promise<void> {
    const { host, name } = this.#at(place);
    const refused = await host.insert(name, resolve(directory, path));
    if (refused !== null) throw new ToolstackError("FAIL", refused);
  }

  /** Takes the disc out of a CD/DVD drive. Throws ToolstackError saying why it cannot be. */
  async eject(place: Place): Promise<void> {
    const { host, name } = this.#at(place);
    const refused = await host.eject(name);
    if (refused !== null) throw new ToolstackError("FAIL", refused);
  }

  /** The target port groups of a device. Throws ToolstackError where there is none, or it has none. */
  portGroupsAt(place: Place): TargetPortGroups {
    const { portGroups } = this.#at(place).opened.logicalUnit;
    if (portGroups === undefined || portGroups === null) {
      throw new ToolstackError("NOTFOUND", `no target port groups lead to ${formatPlace(place)}`);
    }
    return portGroups;
  }

  /** All devices that target port groups lead to, by target and LUN. */
  listPortGroups(): (Place & { readonly portGroups: TargetPortGroups })[] {
    return this.#sorted().flatMap(({ target, lun, opened: { logicalUnit } }) => {
      const { portGroups } = logicalUnit;
      return portGroups === undefined || portGroups === null ? [] : [{ target, lun, portGroups }];
    });
  }

  /** The first LUN of target 0 where nothing is. */
  get free(): Place {
    let lun = 0;
    while (this.#occupants.has(formatPlace({ target: 0, lun }))) lun += 1;
    return { target: 0, lun };
  }

  /** All devices, by target and LUN. */
  list(): (Place & { readonly wwn: string; readonly vendor: string; readonly product: string })[] {
    return this.#sorted().flatMap(({ target, lun, host, name }) => {
      const device = host.find(name);
      return typeof device === "string" ? [] : [{ target, lun, ...device }];
    });
  }

  /** Takes everything out. */
  async close(): Promise<void> {
    await Promise.all([...this.#occupants.values()].map((occupant) => this.detach(occupant)));
  }

  #sorted(): Occupant[] {
    return [...this.#occupants.values()].sort((a, b) => a.target - b.target || a.lun - b.lun);
  }

  async #add(place: Place, host: Host, name: string): Promise<void> {
    const key = formatPlace(place);
    if (this.#occupants.has(key)) throw new ToolstackError("INVAL", `${key} is taken`);
    const opened = await host.open(name, { domain: 0, virtualDevice: `0:0:${key}` });
    if (typeof opened === "string") throw new ToolstackError("FAIL", opened);
    if (this.#occupants.has(key)) {
      await opened.release();
      throw new ToolstackError("INVAL", `${key} is taken`);
    }
    this.#occupants.set(key, { ...place, host, name, opened });
    this.targets.at(place.target).add(place.lun, opened.logicalUnit);
  }

  #at(place: Place): Occupant {
    const occupant = this.#occupants.get(formatPlace(place));
    if (occupant === undefined) throw new ToolstackError("NOTFOUND", `nothing is at ${formatPlace(place)}`);
    return occupant;
  }
}

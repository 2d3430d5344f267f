// Knows which target port groups lead to LIO's storage objects: what each group is, and which ports are in it. Knows no fabric.

import { ConfigError, type Position, quoted } from "./errors.js";
import type { LunPortGroup, PortGroupState } from "./port-group-config.js";
import type { AluaGroup, GroupLun, StorageObject } from "./saveconfig.js";
import { ALUA_STATES } from "./saveconfig-keys.js";

/** The group that LIO makes with every storage object, for whoever is put in no other. */
const DEFAULT_GROUP = "default_tg_pt_gp";

/** The ports that lead to the storage objects of a file, by the names of their groups. */
export class SavedPaths {
  readonly #file: string;
  readonly #ports = new Map<StorageObject, Map<number, string>>();

  constructor(file: string) {
    this.#file = file;
  }

  /** A LUN leads to an object by a port. Throws `ConfigError` where the same port does by another group. */
  add(object: StorageObject, port: number, { aluaGroup: name = DEFAULT_GROUP, at }: GroupLun): void {
    if (object.aluaGroups === undefined) return;
    const ports = this.#ports.get(object) ?? new Map<number, string>();
    const other = ports.get(port);
    if (other !== undefined && other !== name) {
      this.#fail(
        at,
        `${object.name} is led to by this portal group in ${quoted(other)} already, and in ${quoted(name)}`,
      );
    }
    if (name !== DEFAULT_GROUP && !object.aluaGroups.some((group) => group.name === name)) {
      this.#fail(at, `no target port group ${quoted(name)} of ${object.name} in this file`);
    }
    this.#ports.set(object, ports.set(port, name));
  }

  /** All groups of an object; none where the file says nothing of them. */
  groupsOf(object: StorageObject): LunPortGroup[] {
    const { aluaGroups } = object;
    if (aluaGroups === undefined) return [];
    const isThere = aluaGroups.some(({ name }) => name === DEFAULT_GROUP);
    const all = isThere ? aluaGroups : [{ name: DEFAULT_GROUP, id: 0, others: {}, at: object.at }, ...aluaGroups];
    const taken = new Set(all.map(({ id }) => id));
    return all.map((group) => this.#group(object, group, taken));
  }

  #group(object: StorageObject, group: AluaGroup, taken: Set<number | undefined>): LunPortGroup {
    const {
      name,
      state: code = 0,
      accessType = 3,
      preferred = false,
      transitionTime = 0,
      writeMetadata = false,
      at,
    } = group;
    const ports = [...(this.#ports.get(object) ?? [])].filter(([, of]) => of === name).map(([port]) => port);
    const state = ALUA_STATES.get(code) as PortGroupState;
    const supports = supportedBy(group);
    if (!supports.includes(state)) this.#fail(at, `${name} is in state ${code}, which it does not support`);
    const id = group.id ?? lowestFree(taken);
    taken.add(id);
    const types = { implicit: (accessType & 1) !== 0, explicit: (accessType & 2) !== 0 };
    return { id, name, ports, state, preferred, ...types, supports, transitionTime, keepsState: writeMetadata };
  }

  #fail(at: Position, reason: string): never {
    throw new ConfigError(this.#file, at, reason);
  }
}

/** LIO has all of them until one is switched off. */
function supportedBy(group: AluaGroup): PortGroupState[] {
  const { activeOptimized, activeNonOptimized, standby, unavailable, offline, transitioning } = group;
  const has: { readonly [State in PortGroupState]: boolean | undefined } = {
    "active-optimized": activeOptimized,
    "active-non-optimized": activeNonOptimized,
    standby,
    unavailable,
    offline,
    transitioning,
  };
  return [...ALUA_STATES.values()].filter((state) => has[state] ?? true);
}

function lowestFree(taken: ReadonlySet<number | undefined>): number {
  let id = 1;
  while (taken.has(id)) id += 1;
  return id;
}

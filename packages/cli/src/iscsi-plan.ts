// Knows which targets an iSCSI server has and by which portals they are reached: one of LUN words, or those of LIO's saveconfig.json.

import { type IscsiAcl, type IscsiChap, type IscsiGroup, type IscsiNode, iscsiNodes } from "@pvscsi/config";
import { readSaveconfig } from "@pvscsi/host";
import type { Admission, Authentication, ChapAccount, IscsiPortalGroup, IscsiTarget } from "@pvscsi/iscsi";
import type { Target } from "@pvscsi/scsi";
import { type BusPlan, type LunPlaces, planOfTargets } from "./device-bus.js";
import { type LunView, MappedLuns } from "./mapped-luns.js";

/** `[ADDR:]PORT[,TAG]`. */
export interface ListenWord {
  readonly host?: string;
  readonly port: number;
  readonly tag: number | undefined;
}

/** LUNs by number, for people. */
export interface ServedPlaces extends LunPlaces {
  readonly luns: readonly number[];
}

/** A portal group, and whose LUNs it has. */
export interface ServedGroup extends IscsiPortalGroup {
  readonly portals: readonly number[];
  /** Its number among the plan's places. */
  readonly place: number;
}

export interface ServedTarget extends IscsiTarget {
  readonly groups: readonly ServedGroup[];
}

/** What is served, where, and to whom. */
export interface IscsiPlan {
  readonly plan: BusPlan;
  /** The portals, by number. */
  readonly listen: readonly Pick<ListenWord, "host" | "port">[];
  /** Where LUNs come and go, by the numbers of the plan's targets. */
  readonly places: readonly ServedPlaces[];
  readonly targets: readonly ServedTarget[];
}

/** IANA's port for iSCSI targets. */
const PORT = 3260;
const DEFAULT_LISTEN: readonly ListenWord[] = [{ host: "127.0.0.1", port: PORT, tag: undefined }];

/** The portals that were named, and their groups in the order of the tags: each has a port of its own, from 1. */
export function portalsOf(words = DEFAULT_LISTEN): {
  readonly listen: IscsiPlan["listen"];
  readonly groups: readonly { readonly tag: number; readonly port: number; readonly portals: readonly number[] }[];
} {
  const tags = words.map(({ tag = 1 }) => tag);
  const groups = [...new Set(tags)]
    .sort((a, b) => a - b)
    .map((tag, index) => ({
      tag,
      port: index + 1,
      portals: tags.flatMap((each, portal) => (each === tag ? [portal] : [])),
    }));
  return { listen: words, groups };
}

/**
 * The iSCSI targets of a file, at the portals that were named; where none were at the file's own, and where that has none at the
 * default one. A portal without a tag leads to the first group of each target. Throws `ConfigError`.
 */
export async function iscsiPlanOfFile(file: string, words?: readonly ListenWord[]): Promise<IscsiPlan> {
  const { targets, devices, warnings } = iscsiNodes(await readSaveconfig(file));
  const portals = new Portals(targets, words);
  const all = targets.flatMap(({ groups }) => groups);
  const numbered = all.map(({ luns }, target) => ({ target, luns }));
  const places = targets.flatMap(({ groups }, number) => {
    return groups.map(
      () =>
        new MappedLuns(
          `0:${number}`,
          groups.map(({ port }) => port),
        ),
    );
  });
  return {
    plan: planOfTargets(file, devices, numbered, warnings),
    listen: portals.listen,
    places,
    targets: targets.map(({ name, groups }) => ({
      name,
      groups: groups.map((group, index) => {
        const place = all.indexOf(group);
        return { ...admissions(group, places[place]), portals: portals.of(group, index === 0), place };
      }),
    })),
  };
}

/** The portals of a file's groups, each address once. */
class Portals {
  readonly listen: Pick<ListenWord, "host" | "port">[] = [];
  readonly #words: readonly ListenWord[] | undefined;
  readonly #numbers = new Map<string, number>();

  constructor(targets: readonly IscsiNode[], words: readonly ListenWord[] | undefined) {
    const own = targets.flatMap(({ groups }) => groups.flatMap(({ portals }) => portals));
    this.#words = words ?? (own.length === 0 ? DEFAULT_LISTEN : undefined);
    for (const at of this.#words ?? own) this.#numberOf(at, this.#words !== undefined);
  }

  /** Those that lead to a group, by number. */
  of({ tag, portals }: IscsiGroup, isFirst: boolean): number[] {
    if (this.#words === undefined) return portals.map((at) => this.#numberOf(at, false));
    const leads = ({ tag: wanted }: ListenWord): boolean => (wanted === undefined ? isFirst : wanted === tag);
    return this.#words.flatMap((word, number) => (leads(word) ? [number] : []));
  }

  /** Free ports that were asked for are each another one. */
  #numberOf(at: Pick<ListenWord, "host" | "port">, isNew: boolean): number {
    const key = `${at.host} ${at.port}`;
    const known = isNew ? undefined : this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.listen.length);
    return this.listen.push(at) - 1;
  }
}

/** Who finds what by a group. */
function admissions(group: IscsiGroup, places: MappedLuns): Omit<ServedGroup, "portals" | "place"> {
  const { tag, port, depth, initiators, others } = group;
  const found = (target: Target, chap: IscsiChap | null): Admission => {
    return { target, authentication: authenticationOf(chap) };
  };
  const named = [...initiators].map(([who, { chap, luns }]) => [who, found(places.view(mapped(luns)), chap)] as const);
  return {
    tag,
    targetPort: port,
    ...(depth === undefined ? {} : { depth }),
    initiators: new Map(named),
    others:
      others === null
        ? null
        : found(
            places.view((lun) => [{ lun, protected: others.readOnly }]),
            others.chap,
          ),
  };
}

/** Where an ACL shows the group's LUNs. One that comes later is not among them. */
function mapped(luns: IscsiAcl["luns"]): (lun: number) => readonly LunView[] {
  return (wanted) => {
    const own = luns.filter(({ groupLun }) => groupLun === wanted);
    return own.map(({ lun, readOnly }) => ({ lun, protected: readOnly }));
  };
}

function authenticationOf(chap: IscsiChap | null): Authentication | null {
  if (chap === null) return null;
  const { user, password, mutual } = chap;
  const initiators = [account(user, password)];
  return mutual === null ? { initiators } : { initiators, target: account(mutual.user, mutual.password) };
}

function account(name: string, password: string): ChapAccount {
  return { name, secret: Buffer.from(password, "utf8") };
}

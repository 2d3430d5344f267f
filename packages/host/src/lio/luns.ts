// Knows the LUNs of a portal group: each leads to a storage object.

import { lunsOf, pathOf, removeLun } from "./backstores.js";
import { addTo, type LioObject, listIn, lowestFree } from "./dump.js";
import type { InGroup } from "./fabrics.js";
import {
  booleanWord,
  count,
  groupOf,
  type LioCommand,
  LioError,
  type LioNode,
  type LioWork,
  numberWord,
  type Place,
} from "./node.js";

const MOST = 65535;

export function luns(inside: InGroup): LioNode {
  const { work, group } = inside;
  return {
    name: "luns",
    commands: [create(inside), remove(group)],
    groups: [],
    summary: () => count("LUNs", listIn(group, "luns").length),
    children: () => listIn(group, "luns").map((lun) => lunNode(work, lun)),
  };
}

function lunNode({ dump }: LioWork, lun: LioObject): LioNode {
  const object = objectOf(dump, lun);
  const dev = object?.dev === undefined ? "" : ` (${object.dev})`;
  const text = `${backstoreOf(lun)}${dev} (${lun.alua_tg_pt_gp_name ?? "default_tg_pt_gp"})`;
  return {
    name: `lun${lun.index}`,
    object: lun,
    commands: [],
    groups: [groupOf("alua", lun, { type: "string", names: ["alua_tg_pt_gp_name"] })],
    summary: () => (object === undefined ? { text: "BROKEN STORAGE LINK", healthy: false } : { text, healthy: true }),
    children: () => [],
  };
}

/** `PLUGIN/NAME`. */
export function backstoreOf(lun: LioObject): string {
  return String(lun.storage_object).replace(/^\/backstores\//, "");
}

function objectOf(dump: LioObject, lun: LioObject): LioObject | undefined {
  return listIn(dump, "storage_objects").find((object) => pathOf(object) === lun.storage_object);
}

function create({ group }: InGroup): LioCommand {
  return {
    name: "create",
    parameters: ["storage_object", "lun?", "add_mapped_luns?"],
    summary: "makes a LUN of a storage object, and maps it for every initiator that has an ACL",
    run: (work, given, here) => {
      const maps = booleanWord(given.add_mapped_luns, work.preferences.auto_add_mapped_luns);
      const object = storageObject(work, given.storage_object ?? "", here);
      if (lunsOf(work.dump, object).some((each) => each.group === group)) {
        throw new LioError(`lun for storage object ${object.plugin}/${object.name} already exists`);
      }
      const lun = addLun(work, group, object, given.lun);
      if (maps) for (const acl of listIn(group, "node_acls")) mapFor(work, acl, Number(lun.index));
      work.made(`${here.path}/lun${lun.index}`);
    },
  };
}

/** The storage object that a path leads to; throws `LioError` where it leads to none. */
export function storageObject(work: LioWork, path: string, here: Place): LioObject {
  const found = placeOf(work, path, here)?.node.object;
  if (found?.plugin === undefined) throw new LioError("storage object or path not valid");
  return found;
}

function placeOf(work: LioWork, path: string, here: Place): Place | null {
  try {
    return work.find(path, here);
  } catch (error) {
    if (error instanceof LioError) return null;
    throw error;
  }
}

/** Makes a LUN with a number, else the first that is free. */
export function addLun(work: LioWork, group: LioObject, object: LioObject, word?: string): LioObject {
  const all = listIn(group, "luns");
  const range = `LUN must be 0 to ${MOST}`;
  const index = word === undefined ? lowestFree(all, "index", 0) : numberWord(word.replace(/^lun/i, ""), range);
  if (index > MOST) throw new LioError(range);
  if (all.some((lun) => lun.index === index)) throw new LioError("This LUN already exists in configFS");
  const names = { alias: work.names.alias(), alua_tg_pt_gp_name: "default_tg_pt_gp" };
  const lun: LioObject = { index, storage_object: pathOf(object), ...names };
  addTo(group, "luns", lun);
  work.say(`Created LUN ${index}.`);
  return lun;
}

function mapFor(work: LioWork, acl: LioObject, lun: number): void {
  const mapped = listIn(acl, "mapped_luns");
  const index = mapped.some((each) => each.index === lun) ? lowestFree(mapped, "index", 0) : lun;
  addTo(acl, "mapped_luns", { index, tpg_lun: lun, write_protect: false, alias: work.names.alias() });
  work.say(`Created LUN ${lun}->${index} mapping in node ACL ${acl.node_wwn}`);
}

function remove(group: LioObject): LioCommand {
  return {
    name: "delete",
    parameters: ["lun"],
    summary: "deletes a LUN, and whatever is mapped to it",
    run: (work, { lun: word = "" }) => {
      const number = word.replace(/^lun/i, "");
      const lun = listIn(group, "luns").find(({ index }) => String(index) === number);
      if (lun === undefined) throw new LioError("Invalid LUN");
      removeLun(group, lun);
      work.say(`Deleted LUN ${number}.`);
    },
  };
}

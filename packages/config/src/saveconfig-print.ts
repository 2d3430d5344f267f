// Knows how to write LIO's configuration as rtslib saves it.

import { type Json, printJson } from "./json-print.js";
import type { OtherKeys, PortalGroup, Saveconfig, SavedTarget, StorageObject } from "./saveconfig.js";
import {
  ALUA_KEYS,
  ATTRIBUTE_KEYS,
  GROUP_KEYS,
  GROUP_LUN_KEYS,
  type SaveKeys,
  STORAGE_KEYS,
  TARGET_KEYS,
} from "./saveconfig-keys.js";

/** The text of a saveconfig.json; reading it gives an equal `Saveconfig` but for its positions. */
export function printSaveconfig({ storageObjects, targets, others }: Saveconfig): string {
  return printJson({ ...others, storage_objects: storageObjects.map(storageJson), targets: targets.map(targetJson) });
}

function storageJson(object: StorageObject): Json {
  const attributes = fieldsJson(object.attributes, ATTRIBUTE_KEYS, object.otherAttributes);
  const fields = { ...fieldsJson(object, STORAGE_KEYS, object.others), attributes };
  if (object.aluaGroups === undefined) return fields;
  const groups = object.aluaGroups.map((group) => fieldsJson(group, ALUA_KEYS, group.others));
  return { ...fields, alua_tpgs: groups };
}

function targetJson(target: SavedTarget): Json {
  return { ...fieldsJson(target, TARGET_KEYS, target.others), tpgs: target.groups.map(groupJson) };
}

function groupJson(group: PortalGroup): Json {
  const luns = group.luns.map((lun) => fieldsJson(lun, GROUP_LUN_KEYS, lun.others));
  return { ...fieldsJson(group, GROUP_KEYS, group.others), luns };
}

/** The fields that are given, under their keys in the file, beside `others`. */
function fieldsJson<Fields extends object>(
  fields: Readonly<Partial<Fields>>,
  keys: SaveKeys<Fields>,
  others: OtherKeys,
): OtherKeys {
  const printed: { [key: string]: Json } = { ...others };
  for (const name of Object.keys(keys) as (keyof Fields & string)[]) {
    const value = fields[name];
    if (value !== undefined) printed[keys[name].key] = keys[name].print(value as Fields[typeof name]);
  }
  return printed;
}

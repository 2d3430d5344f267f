// Knows LIO's configuration while it is edited: the dump that rtslib saves, with everything in it that means nothing here. Knows no command.

import { type Json, parseJsonTree, parseSaveconfig, plainJson, printJson } from "@pvscsi/config";

export type LioValue = string | number | bigint | boolean | null | LioValue[] | LioObject;

export interface LioObject {
  [key: string]: LioValue;
}

/** A configuration with nothing in it. */
export function emptyDump(): LioObject {
  return { fabric_modules: [], storage_objects: [], targets: [] };
}

/** Reads a saveconfig.json; `file` is its name in errors. Throws `ConfigError` at the first fault of what has a meaning here. */
export function readDump(text: string, file: string): LioObject {
  parseSaveconfig(text, file);
  return structuredClone(plainJson(parseJsonTree(text, file))) as LioObject;
}

/** The text of a saveconfig.json, as rtslib writes it. */
export function printDump(dump: LioObject): string {
  return printJson(dump as Json);
}

/** The list of objects under a key; an empty one of its own where there is none. */
export function listIn(object: LioObject, key: string): LioObject[] {
  const value = object[key];
  return Array.isArray(value) ? (value as LioObject[]) : [];
}

/** Puts one at the end of the list under a key, which is made where there is none. */
export function addTo(object: LioObject, key: string, item: LioObject): void {
  object[key] = [...listIn(object, key), item];
}

/** Takes one out of the list under a key. */
export function removeFrom(object: LioObject, key: string, item: LioObject): void {
  object[key] = listIn(object, key).filter((each) => each !== item);
}

/** The object under a key; an empty one of its own where there is none. */
export function objectIn(object: LioObject, key: string): LioObject {
  const value = object[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

/** Whether Python would take it for true, and configfs' 0 and 1 as numbers or texts. */
export function isOn(value: LioValue | undefined): boolean {
  return value === true || value === 1 || value === "1";
}

/** The lowest number from `first` that none of these has under a key. */
export function lowestFree(list: readonly LioObject[], key: string, first: number): number {
  let number = first;
  while (list.some((object) => object[key] === number)) number += 1;
  return number;
}

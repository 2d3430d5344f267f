// Knows the text that a C program printed about Xen's public headers, and how a struct table is compared with it.

import { membersInC, type StructInC } from "./c-names.js";

export interface AbiField {
  readonly offset: number;
  readonly size: number;
}

export interface AbiStruct {
  readonly size: number;
  /** By the header's own names; members of members are joined by a dot (`source.domid`). */
  readonly fields: ReadonlyMap<string, AbiField>;
}

export interface AbiDump {
  /** By the header's own names: structs, unions, and types without a tag (`grant_entry_v1_t`). */
  readonly structs: ReadonlyMap<string, AbiStruct>;
  /** Macros and enumerators by name, error numbers by theirs (`EINVAL`), and `__CONST_RING_SIZE(vscsiif,4096)`. */
  readonly constants: ReadonlyMap<string, number>;
  /** The values of the node `protocol`, by machine: `x86_64` is `x86_64-abi`. */
  readonly protocols: ReadonlyMap<string, string>;
}

/** Parses the dump (test/golden/abi-dump-x86_64.txt). Throws on a line it does not know, so nothing is passed over. */
export function parseAbiDump(text: string): AbiDump {
  const structs = new Map<string, { size: number; fields: Map<string, AbiField> }>();
  const constants = new Map<string, number>();
  const protocols = new Map<string, string>();
  let struct = { size: 0, fields: new Map<string, AbiField>() };
  const begin = (name: string, size: string) => {
    struct = { size: Number(size), fields: new Map() };
    structs.set(name, struct);
  };
  const rows: [RegExp, (name: string, first: string, second: string) => void][] = [
    [/^(?:struct |union )?(\S+) sizeof=(\d+) align=\d+$/, begin],
    [/^ {2}(\S+) +off= *(\d+) size= *(\d+)$/, (name, offset, size) => struct.fields.set(name, place(offset, size))],
    // An array whose length is decided at run time: its size here is what the struct has left.
    [/^ {2}(\S+) off=(\d+)$/, (name, offset) => struct.fields.set(name, place(offset, struct.size - Number(offset)))],
    [/^ {2}(\S+) += (-?\d+) \(0x[0-9a-f]+\)$/, (name, value) => constants.set(name, Number(value))],
    [/^ {2}err\[\d+\] (\S+)=(\d+)$/, (name, value) => constants.set(name, Number(value))],
    [/^sizeof (.*)$/, (rings) => pairs(rings, begin)],
    [/^proto (.*)$/, (machines) => pairs(machines, (machine, protocol) => protocols.set(machine, protocol))],
  ];
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const row = rows.find(([pattern]) => pattern.test(line));
    if (row === undefined) throw new Error(`a line of the dump that is not understood: ${line}`);
    const [, name, first, second] = row[0].exec(line) as RegExpExecArray;
    row[1](name, first, second);
  }
  return { structs, constants, protocols };
}

/**
 * Compares a struct table with the dump and returns one line for each difference, none when they agree: the size, and
 * every member of either side.
 */
export function layoutDifferences(dump: AbiDump, row: StructInC): string[] {
  const { struct } = row;
  const expected = dump.structs.get(struct.structName);
  if (expected === undefined) return [`${struct.structName} is not in the dump`];
  const differences: string[] = [];
  if (struct.size !== expected.size)
    differences.push(`${struct.structName}: ${struct.size} bytes, not ${expected.size}`);
  const missing = new Map(expected.fields);
  for (const [name, ours] of membersInC(row)) {
    const theirs = expected.fields.get(name);
    missing.delete(name);
    if (placeOf(ours) !== placeOf(theirs)) {
      differences.push(`${struct.structName}.${name}: ${placeOf(ours)}, not ${placeOf(theirs)}`);
    }
  }
  for (const [name, field] of missing) differences.push(`${struct.structName}: no ${name} ${placeOf(field)}`);
  return differences;
}

function place(offset: string, size: string | number): AbiField {
  return { offset: Number(offset), size: Number(size) };
}

/** `a=1 b=2`, pair by pair. */
function pairs(text: string, each: (name: string, value: string) => void): void {
  for (const [, name, value] of text.matchAll(/(\S+)=(\S+)/g)) each(name, value);
}

function placeOf(field: AbiField | undefined): string {
  return field === undefined ? "nothing" : `${field.offset}+${field.size}`;
}

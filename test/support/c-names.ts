// Knows how a table of ours is called in a C header: which member each field is, which name each constant has. Knows no header.

import type { Cursor, StructClass } from "@pvscsi/wire";

export interface StructInC {
  readonly struct: StructClass<Cursor>;
  /** `struct NAME` unless told otherwise. */
  readonly type?: string;
  /**
   * Members whose names are more than another spelling of ours; fields that follow each other and are one member there. Padding
   * is left out unless it is a member.
   */
  readonly members?: { readonly [ours: string]: string };
  /** An expression for the size, where ours is only the beginning. */
  readonly size?: string;
}

export interface ConstantsInC {
  readonly table: { readonly [name: string]: number | bigint };
  readonly prefix: string;
  readonly spelling: "UPPER_CASE" | "lower_case" | "same";
  /** Whole names that differ by more than spelling. */
  readonly names?: { readonly [ours: string]: string };
}

export interface MemberInC {
  readonly offset: number;
  readonly size: number;
}

/** By their names in C: where our table has its members, and of what size. */
export function membersInC({ struct, members = {} }: StructInC): Map<string, MemberInC> {
  const found = new Map<string, MemberInC>();
  for (const [ours, { kind, offset, size }] of Object.entries(struct.fields)) {
    if (kind === "pad" && members[ours] === undefined) continue;
    const name = members[ours] ?? snakeCase(ours);
    const before = found.get(name);
    found.set(name, before === undefined ? { offset, size } : { offset: before.offset, size: before.size + size });
  }
  return found;
}

/** By their names in C: the values that ours have. */
export function constantsInC({ table, prefix, spelling, names = {} }: ConstantsInC): Map<string, bigint> {
  const spelled = (name: string) => {
    if (spelling === "same") return name;
    return spelling === "UPPER_CASE" ? snakeCase(name).toUpperCase() : snakeCase(name);
  };
  return new Map(
    Object.entries(table).map(([ours, value]) => [names[ours] ?? `${prefix}${spelled(ours)}`, BigInt(value)]),
  );
}

/** `cmdLen` is `cmd_len`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

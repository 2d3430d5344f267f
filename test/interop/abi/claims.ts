// Knows what tables claim of C headers: expressions of C, each with the value that it is to have, and the program that lets a
// compiler say what they have. Knows no header.

import { type ConstantsInC, constantsInC, membersInC, type StructInC } from "../../support/c-names.js";

export interface Claim {
  readonly expression: string;
  readonly value: bigint;
}

export function claim(expression: string, value: number | bigint): Claim {
  return { expression, value: BigInt(value) };
}

/** Its size, and where each member is and how large. */
export function layoutClaims(row: StructInC): Claim[] {
  const { struct, type = `struct ${struct.structName}`, size = `sizeof(${type})` } = row;
  const members = [...membersInC(row)].flatMap(([name, place]) => memberClaims(type, name, place.offset, place.size));
  return [claim(size, struct.size), ...members];
}

export function memberClaims(type: string, name: string, offset: number, size: number): Claim[] {
  return [claim(`offsetof(${type}, ${name})`, offset), claim(`sizeof(((${type} *)0)->${name})`, size)];
}

export function constantClaims(row: ConstantsInC): Claim[] {
  return [...constantsInC(row)].map(([name, value]) => claim(name, value));
}

/** That a string is another one. */
export function textClaim(expression: string, text: string): Claim {
  return claim(`strcmp(${expression}, "${text}")`, 0);
}

/** C that prints the value of each, a line each. */
export function programOf(headers: readonly string[], claims: readonly Claim[]): string {
  const includes = ["stddef.h", "stdint.h", "stdio.h", "string.h", ...headers].map((header) => `#include <${header}>`);
  const prints = claims.map(({ expression }) => `  printf("%lld\\n", (long long)(${expression}));`);
  return [...includes, "int main(void) {", ...prints, "  return 0;", "}", ""].join("\n");
}

/** A line for each that is otherwise, by what the program has printed. */
export function differences(claims: readonly Claim[], printed: string): string[] {
  const values = printed.trim().split("\n").map(BigInt);
  if (values.length !== claims.length) return [`${values.length} values of ${claims.length}`];
  return claims.flatMap(({ expression, value }, i) =>
    values[i] === value ? [] : [`${expression} is ${values[i]}, not ${value}`],
  );
}

// Knows how a value is written as JSON, in the shape Python gives it with sorted names and two blanks. Knows no file format.

import type { JsonValue } from "./json-tree.js";

/** A value without the places it came from. */
export type Json = string | number | bigint | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What was read, without its places. */
export function plainJson(value: JsonValue): Json {
  switch (value.kind) {
    case "atom":
      return value.value;
    case "array":
      return value.values.map(plainJson);
    case "object":
      return Object.fromEntries([...value.entries].map(([name, entry]) => [name, plainJson(entry.value)]));
  }
}

/** The text of a value, with a newline at its end; names are in the order of their characters. */
export function printJson(value: Json): string {
  return `${textOf(value, "\n")}\n`;
}

/** `newline` is a newline and the blanks that begin the line the value stands in. */
function textOf(value: Json, newline: string): string {
  if (typeof value !== "object" || value === null) {
    return typeof value === "bigint" ? String(value) : JSON.stringify(value);
  }
  const inner = `${newline}  `;
  if (isArray(value)) {
    return bracketed(
      "[",
      "]",
      newline,
      value.map((item) => textOf(item, inner)),
    );
  }
  const names = Object.keys(value).sort((a, b) => (a < b ? -1 : 1));
  return bracketed(
    "{",
    "}",
    newline,
    names.map((name) => `${JSON.stringify(name)}: ${textOf(value[name], inner)}`),
  );
}

/** `Array.isArray` tells the compiler nothing of a readonly array. */
function isArray(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

function bracketed(open: string, close: string, newline: string, items: readonly string[]): string {
  if (items.length === 0) return open + close;
  return `${open}${newline}  ${items.join(`,${newline}  `)}${newline}${close}`;
}

// Knows how the values of a YAML tree are asked for: as tables of known keys, lists, texts, with a ConfigError at the first that is
// something else. Knows no format that is written in YAML.

import { ConfigError, formatPosition, type Position, quoted } from "./errors.js";
import { LUN_KEYS, type LunKey } from "./lun-keys.js";
import type { YamlEntry, YamlTable, YamlText, YamlValue } from "./yaml-tree.js";

/** What readers of formats begin with; every method throws `ConfigError`. */
export abstract class YamlReader {
  /** Its name in errors. */
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  /** A table with none but these keys. */
  table(value: YamlValue, what: string, keys: readonly string[]): YamlTable {
    if (value.kind !== "table") this.fail(value.at, `expected ${what}: a table with ${keys.join(", ")}`);
    for (const [key, { at }] of value.entries) {
      if (!keys.includes(key)) this.fail(at, `unknown key ${quoted(key)}, expected one of ${keys.join(", ")}`);
    }
    return value;
  }

  /** The values of a list. */
  list(table: YamlTable, key: string): readonly YamlValue[] {
    const { value } = this.entry(table, key);
    if (value.kind !== "list")
      this.fail(value.at, `${key} is no list, expected "${key}:" and lines that begin with "- "`);
    return value.values;
  }

  /** What stands under a key, which has to be there. */
  entry(table: YamlTable, key: string): YamlEntry {
    return table.entries.get(key) ?? this.fail(table.at, `no ${key}, expected the key ${key}`);
  }

  /** The text under a key, which has to be there. */
  required(table: YamlTable, key: string): YamlText {
    return this.text(this.entry(table, key).value, key);
  }

  /** A value that is to be one text. */
  text(value: YamlValue, key: string): YamlText {
    if (value.kind !== "text") this.fail(value.at, `${key} is a ${value.kind}, expected a single value`);
    return value;
  }

  /** The text under a key, undefined where it is not there. */
  matching(table: YamlTable, key: string, pattern: RegExp, expecting: string): string | undefined {
    if (!table.entries.has(key)) return undefined;
    const text = this.required(table, key);
    if (!pattern.test(text.text)) this.invalid(key, text, expecting);
    return text.text;
  }

  /** true or false, false where it is not there. */
  flag(table: YamlTable, key: string): boolean {
    if (!table.entries.has(key)) return false;
    const text = this.required(table, key);
    const row: LunKey<boolean> = LUN_KEYS.readOnly;
    return row.parse(text.text) ?? this.invalid(key, text, row.expecting);
  }

  /** Notes a name, which is to be given once. */
  once(seen: Map<string, Position>, name: string, at: Position): void {
    const first = seen.get(name);
    if (first !== undefined) this.fail(at, `${name} is given twice, first at ${formatPosition(first)}`);
    seen.set(name, at);
  }

  invalid(key: string, value: YamlText, expecting: string): never {
    this.fail(value.at, `invalid ${key} ${quoted(value.text)}, expected ${expecting}`);
  }

  fail(at: Position, reason: string): never {
    throw new ConfigError(this.file, at, reason);
  }
}

// Knows how sg3_utils' commands take their options: short ones with the value behind them, long ones with `=` or not.

/** An option by its long name, its letter, and what its value is called; null for one without a value. */
export interface OptionRow {
  readonly long: string;
  readonly short: string;
  readonly value: string | null;
}

export interface ParsedOptions {
  readonly values: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

/** Splits words into options, by long name, and the rest; or says what is wrong. Words behind the first other are the rest. */
export function parseOptions(
  command: string,
  rows: readonly OptionRow[],
  words: readonly string[],
): ParsedOptions | string {
  const values = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (!word.startsWith("-") || word === "-") return { values, rest: words.slice(i) };
    const long = word.startsWith("--");
    const name = long ? word.slice(2).split("=", 1)[0] : word[1];
    const row = rows.find((each) => (long ? each.long === name : each.short === name));
    if (row === undefined) {
      return long ? `${command}: unrecognized option '--${name}'` : `${command}: invalid option -- '${name}'`;
    }
    const attached = word.slice(long ? name.length + 3 : 2);
    if (row.value === null) values.set(row.long, "");
    else if (attached !== "") values.set(row.long, attached);
    else if (i + 1 < words.length) values.set(row.long, words[++i]);
    else return `${command}: option '--${row.long}' requires an argument`;
  }
  return { values, rest: [] };
}

/** ` [--request=RLEN|-r RLEN]` for each option, as a usage line has them. */
export function optionUsage(rows: readonly OptionRow[]): string {
  return rows
    .map(({ long, short, value }) =>
      value === null ? `[--${long}|-${short}]` : `[--${long}=${value}|-${short} ${value}]`,
    )
    .join(" ");
}

// Knows how commands read numbers from their words: decimal or 0x, with a multiplier behind it.

const MULTIPLIERS: { readonly [suffix: string]: number } = {
  "": 1,
  c: 1,
  w: 2,
  b: 512,
  k: 1024,
  K: 1024,
  KiB: 1024,
  kB: 1000,
  KB: 1000,
  M: 1024 ** 2,
  m: 1024 ** 2,
  MiB: 1024 ** 2,
  MB: 1000 ** 2,
  G: 1024 ** 3,
  g: 1024 ** 3,
  GiB: 1024 ** 3,
  GB: 1000 ** 3,
  T: 1024 ** 4,
  TiB: 1024 ** 4,
  TB: 1000 ** 4,
};

/** `4k`, `0x1000`, `1M`; null when it is no number, or one too large to count with. */
export function readNumber(word: string): number | null {
  const found = /^(0x[0-9a-f]{1,13}|\d{1,16})([a-zA-Z]*)$/i.exec(word);
  if (found === null || !Object.hasOwn(MULTIPLIERS, found[2])) return null;
  const value = Number(found[1]) * MULTIPLIERS[found[2]];
  return Number.isSafeInteger(value) ? value : null;
}

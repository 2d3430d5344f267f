// Knows how an amount of bytes is written by people: 512, 64M, 1GiB.

const UNITS = ["", "K", "M", "G", "T"] as const;

/** What `parseSize` reads, for messages. */
export const SIZE_EXPECTED = "a size in bytes or such as 64M or 1GiB";

/** Bytes of a size above 0; `K`, `KiB` and so on up to `T` are powers of 1024. Undefined when it is no such size. */
export function parseSize(text: string): number | undefined {
  const found = /^(\d{1,16})(?:([KMGT])(?:iB)?)?$/i.exec(text);
  if (found === null) return undefined;
  const power = UNITS.indexOf((found[2] ?? "").toUpperCase() as (typeof UNITS)[number]);
  const bytes = Number(found[1]) * 1024 ** power;
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes in the largest unit that says them exactly. */
export function formatSize(bytes: number): string {
  let power = 0;
  while (power < UNITS.length - 1 && bytes > 0 && bytes % 1024 ** (power + 1) === 0) power += 1;
  return power === 0 ? String(bytes) : `${bytes / 1024 ** power}${UNITS[power]}iB`;
}

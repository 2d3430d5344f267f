// Knows that a MODE SELECT list means the same to two targets only where it differs in the same bits from the pages that
// each of them has.

/** Mode pages as a target began with them, with their headers. */
export type Pages = readonly Uint8Array[];

/** The list of a MODE SELECT that was made for `from`, as `to` takes it: its first page, if it is one of those. */
export function adaptModeList(cdb: Uint8Array, data: Uint8Array, from: Pages, to: Pages): Uint8Array {
  const header = cdb[0] === 0x15 ? 4 : 8;
  if (data.length < header) return data;
  const at = header + data[header - 1];
  const [own, other] = [from, to].map((pages) =>
    pages.find((page) => page[0] === data[at] && page[1] === data[at + 1]),
  );
  if (own === undefined || other === undefined || at + own.length > data.length) return data;
  const adapted = Uint8Array.from(data);
  for (let i = 2; i < own.length; i++) adapted[at + i] ^= own[i] ^ other[i];
  return adapted;
}

// Knows how to copy from one list of places to another.

import { copyBytes, type Places } from "@pvscsi/wire";

/** Copies `length` bytes from byte `from` of `source` to byte `to` of `target`; both have room. */
export function copyPlaces(source: Places, from: number, target: Places, to: number, length: number): void {
  let i = 0;
  let j = 0;
  while (from >= source.size(i) && length > 0) from -= source.size(i++);
  while (to >= target.size(j) && length > 0) to -= target.size(j++);
  for (let left = length; left > 0; ) {
    const take = Math.min(source.size(i) - from, target.size(j) - to, left);
    copyBytes(source.page(i), source.offset(i) + from, target.page(j), target.offset(j) + to, take);
    left -= take;
    from += take;
    to += take;
    if (from === source.size(i)) {
      from = 0;
      i++;
    }
    if (to === target.size(j)) {
      to = 0;
      j++;
    }
  }
}

// Knows how the holes of a file are told as extents, of which each is all data or all zeros.

import type { FileHoles } from "@pvscsi/native";
import type { Extent } from "@pvscsi/scsi";
import { codeOf } from "./file-errors.js";

/** Makes and finds holes. */
export type Holes = Pick<FileHoles, "punch" | "seek">;

/** Extents of one answer: who wants more asks again. */
const MAX_EXTENTS = 256;

/** Finds the extents of a range, from its first byte on. Where a file system cannot tell, all that is left is data. */
export function findExtents(
  holes: Holes,
  descriptor: number,
  { offset, length }: { readonly offset: number; readonly length: number },
  found: (extents: readonly Extent[]) => void,
): void {
  const extents: Extent[] = [];
  const end = offset + length;
  let at = offset;
  const add = (to: number, state: Extent["state"]): void => {
    const next = Math.min(to, end);
    if (next > at) extents.push({ offset: at, length: next - at, state });
    at = next;
  };
  const next = (wanted: "data" | "hole"): void => {
    if (at === end || extents.length === MAX_EXTENTS) return found(extents);
    holes.seek(descriptor, at, wanted, (error, result) => {
      const behind = wanted === "data" ? "hole" : "data";
      if (error === null) add(result, behind);
      else add(end, codeOf(error) === "ENXIO" ? "hole" : "data");
      next(behind);
    });
  };
  next("data");
}

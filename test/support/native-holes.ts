// Knows what this machine has for files that Node has not, as on any machine without it: nothing.

import type { Holes, ReadCache } from "@pvscsi/host";
import { loadNative, NativeMissing } from "@pvscsi/native";

/** Null where koffi is missing. */
export async function nativeFiles(): Promise<{ readonly holes: Holes; readonly cache: ReadCache } | null> {
  try {
    return await loadNative();
  } catch (error) {
    if (error instanceof NativeMissing) return null;
    throw error;
  }
}

export async function nativeHoles(): Promise<Holes | null> {
  return (await nativeFiles())?.holes ?? null;
}

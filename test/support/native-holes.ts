// Knows what makes holes in files on this machine, as on any machine without it: nothing.

import type { Holes } from "@pvscsi/host";
import { loadNative, NativeMissing } from "@pvscsi/native";

/** Null where koffi is missing. */
export async function nativeHoles(): Promise<Holes | null> {
  try {
    return (await loadNative()).holes;
  } catch (error) {
    if (error instanceof NativeMissing) return null;
    throw error;
  }
}

// Knows how it is told that this machine is no Xen host, or that something to reach one is missing. Knows no verb.

import { NativeMissing } from "@pvscsi/native";
import { ToolstackError } from "@pvscsi/toolstack";
import { NoXenHost } from "@pvscsi/xenbus";

/** The option that means this Xen host, and no dom0 of ours. */
export const XEN_OPTION = "--xen";

/** Gives what `body` gives. Rejects with a ToolstackError where it finds no Xen host. */
export async function onXenHost<Result>(body: () => Promise<Result>): Promise<Result> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof NativeMissing || error instanceof NoXenHost)) throw error;
    throw new ToolstackError("FAIL", error.message);
  }
}

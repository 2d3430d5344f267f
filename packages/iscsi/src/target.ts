// Knows what an iSCSI target node is: a name, who may log in to it and how they prove it, and the SCSI target behind it.

import type { Target } from "@pvscsi/scsi";

/** A name and what only its owner and we know (RFC 7143 12.1). */
export interface ChapAccount {
  readonly name: string;
  readonly secret: Uint8Array;
}

/** How the two sides of a login prove who they are. */
export interface Authentication {
  /** One of these an initiator has to be. */
  readonly initiators: readonly ChapAccount[];
  /** Who the target is, where an initiator asks; without it asking is refused. */
  readonly target?: ChapAccount;
}

export interface IscsiTarget {
  /** `iqn.`, `eui.` or `naa.`, in lower case. */
  readonly name: string;
  /** For people. */
  readonly alias?: string;
  readonly target: Target;
  /** Null where nothing has to be proved. */
  readonly authentication: Authentication | null;
  /** The names of initiators that may log in; null where all may. */
  readonly initiators: ReadonlySet<string> | null;
}

/** Characters of a name (RFC 7143 4.2.7.2). */
export const MAX_NAME = 223;

/** A name as it is compared: without regard to case; null where it is none. */
export function normalName(text: string): string | null {
  return text.length <= MAX_NAME && /^[\p{L}\p{N}.:_-]+$/u.test(text) ? text.toLowerCase() : null;
}

/** Whether an initiator may log in to a target, whatever it has to prove. */
export function admits({ initiators }: IscsiTarget, initiator: string): boolean {
  return initiators === null || initiators.has(initiator);
}

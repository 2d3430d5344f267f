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
  /** What whoever logs in has to prove, where `initiators` is null; null where nothing. */
  readonly authentication: Authentication | null;
  /** The initiators that may log in, by name, and what each has to prove; null where all may. */
  readonly initiators: ReadonlyMap<string, Authentication | null> | null;
}

/** Characters of a name (RFC 7143 4.2.7.2). */
export const MAX_NAME = 223;

/** A name as it is compared: without regard to case; null where it is none. */
export function normalName(text: string): string | null {
  return text.length <= MAX_NAME && /^[\p{L}\p{N}.:_-]+$/u.test(text) ? text.toLowerCase() : null;
}

/** What an initiator that may log in has to prove. */
export function authenticationFor(
  { authentication, initiators }: IscsiTarget,
  initiator: string,
): Authentication | null {
  return initiators === null ? authentication : (initiators.get(initiator) ?? null);
}

/** Whether an initiator may log in to a target, whatever it has to prove. */
export function admits({ initiators }: IscsiTarget, initiator: string): boolean {
  return initiators === null || initiators.has(initiator);
}

// Knows what an iSCSI target node is: a name and its portal groups, who may log in by each and how they prove it, and which SCSI
// target they find.

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

/** What an initiator that may log in finds: LUNs, and what it has to prove before. */
export interface Admission {
  readonly target: Target;
  /** Null where nothing has to be proved. */
  readonly authentication: Authentication | null;
}

/** A target portal group (RFC 7143 4.4.1): the portals that lead to one SCSI target port. */
export interface IscsiPortalGroup {
  /** 0 to 65535, unique in its target. */
  readonly tag: number;
  /** By number; every portal of the server where it is not said. No two groups of a target have a portal in common. */
  readonly portals?: readonly number[];
  /** Which port of its SCSI targets it is; their first where it is not said. */
  readonly targetPort?: number;
  /** Commands that a session by it may have under way; as many as the server's limits say where it is not said. */
  readonly depth?: number;
  /** Who may log in, by name. */
  readonly initiators: ReadonlyMap<string, Admission>;
  /** Whoever has no name there; null where nobody else may. */
  readonly others: Admission | null;
}

export interface IscsiTarget {
  /** `iqn.`, `eui.` or `naa.`, in lower case. */
  readonly name: string;
  /** For people. */
  readonly alias?: string;
  readonly groups: readonly IscsiPortalGroup[];
}

/** What somebody logs in to. */
export interface Destination extends Admission {
  readonly name: string;
  readonly alias: string | undefined;
  readonly group: IscsiPortalGroup;
}

/** A group for whoever comes, at every portal. */
export function openGroup(target: Target, authentication: Authentication | null = null): IscsiPortalGroup {
  return { tag: 1, initiators: new Map(), others: { target, authentication } };
}

/** Characters of a name (RFC 7143 4.2.7.2). */
export const MAX_NAME = 223;

/** A name as it is compared: without regard to case; null where it is none. */
export function normalName(text: string): string | null {
  return text.length <= MAX_NAME && /^[\p{L}\p{N}.:_-]+$/u.test(text) ? text.toLowerCase() : null;
}

/** What an initiator finds by a group; null where it may not log in. */
export function admission({ initiators, others }: IscsiPortalGroup, initiator: string): Admission | null {
  return initiators.get(initiator) ?? others;
}

/** Whether a group is reached by a portal. */
export function isReachedBy({ portals }: IscsiPortalGroup, portal: number): boolean {
  return portals === undefined || portals.includes(portal);
}

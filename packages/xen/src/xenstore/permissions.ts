// Knows permission lists: their text, and what they let a domain do. Knows no nodes.

/** What a list grants, as bits. */
export const Access = { read: 1, write: 2, owner: 4 } as const;

const LETTERS = "nrwb";
/** A letter, and a number as C's strtol takes it in any base. */
const TEXT = /^([nrwb])[ \t\n\v\f\r]*([+-]?)(?:0([0-7]+)|(0[xX][0-9A-Fa-f]+|0|[1-9]\d*))$/;
/** What strtol gives at most; one less below zero. */
const LONGEST = 0x7fff_ffff_ffff_ffffn;

/** One entry: what `domain` may do. In the first entry `domain` is the owner, and `access` is for all not listed. */
export interface Permission {
  readonly domain: number;
  /** Bits of Access: read, write, both or none. */
  readonly access: number;
  /** It was for a domain that is gone: it is shown, and says nothing of one that has the same id later. */
  readonly void?: true;
}

export type Permissions = readonly Permission[];

/** Who asks. */
export interface Asker {
  readonly domain: number;
  /** Is refused nothing (domain 0). */
  readonly privileged: boolean;
  /** The domain on whose behalf this one may act (SET_TARGET), or null. */
  readonly target: number | null;
}

/** Nobody but the tools. */
export const TOOLS_ONLY: Permissions = [{ domain: 0, access: 0 }];

/** The bits of Access that `permissions` give to `asker`. */
export function accessOf(permissions: Permissions, { domain, privileged, target }: Asker): number {
  const concerns = (entry: Permission): boolean =>
    entry.void === undefined && (entry.domain === domain || entry.domain === target);
  if (privileged || concerns(permissions[0])) return Access.read | Access.write | Access.owner;
  for (let i = 1; i < permissions.length; i++) {
    if (concerns(permissions[i])) return permissions[i].access;
  }
  return permissions[0].access;
}

export function mayRead(permissions: Permissions, asker: Asker): boolean {
  return (accessOf(permissions, asker) & Access.read) !== 0;
}

/** A new node's list: its parent's, except that what a guest makes is the guest's. */
export function inherited(parent: Permissions, asker: Asker): Permissions {
  return asker.privileged ? parent : [{ ...parent[0], domain: asker.domain }, ...parent.slice(1)];
}

/** The list after the end of `domain`, who is not the owner; the same one where it is not in it. */
export function outlived(permissions: Permissions, domain: number): Permissions {
  const concerns = (entry: Permission, index: number): boolean => index > 0 && entry.domain === domain;
  if (!permissions.some(concerns)) return permissions;
  return permissions.map((entry, index) => (concerns(entry, index) ? { ...entry, void: true } : entry));
}

/** Entries such as `n0`, `r5`; null when one of them is none. */
export function parsePermissions(texts: readonly string[]): Permissions | null {
  const permissions: Permission[] = [];
  for (const text of texts) {
    const match = TEXT.exec(text);
    if (match === null) return null;
    const [, letter, sign, octal, number] = match;
    const size = BigInt(octal === undefined ? number : `0o${octal}`);
    permissions.push({ access: LETTERS.indexOf(letter), domain: idOf(sign === "-" ? -size : size) });
  }
  return permissions;
}

/** 4.17 cuts what is too long, first to a long, then to an int. No domain has a negative id, nor one of more than 15 bits. */
function idOf(number: bigint): number {
  const long = number > LONGEST ? LONGEST : number < -LONGEST ? -LONGEST - 1n : number;
  return Number(BigInt.asIntN(32, long));
}

export function printPermission({ domain, access }: Permission): string {
  return `${LETTERS[access]}${domain}`;
}

// Knows how SCSI devices are named: H:C:T:L, naa.WWN:LUN, /dev/..., sdX. Knows no device that exists.

import type { LunType } from "./lun-keys.js";

/** host:channel:target:lun. Of a virtual device the host is the vHOST. */
export interface ScsiAddress {
  readonly host: number;
  readonly channel: number;
  readonly target: number;
  readonly lun: number;
}

/** A p-dev: what a person wrote for a physical device. `text` is as written, which is what goes to xenstore. */
export type PhysicalDevice =
  | { readonly kind: "address"; readonly text: string; readonly address: ScsiAddress }
  | { readonly kind: "wwn"; readonly text: string; readonly wwn: string; readonly lun: number }
  | { readonly kind: "path"; readonly text: string }
  | { readonly kind: "kernel-name"; readonly text: string; readonly name: string }
  | { readonly kind: "scsi-id"; readonly text: string };

export type PhysicalDeviceKind = PhysicalDevice["kind"];

/** The largest host number: a devid is an int in every toolstack, and xend makes it from the vHOST. */
export const MAX_HOST = 0x7fffffff;
/** channel, id and lun of a vscsiif request are 16 bits wide. */
export const MAX_RING_FIELD = 0xffff;

/** `host:channel:target:lun`. */
export function formatAddress(address: ScsiAddress): string {
  return `${address.host}:${address.channel}:${address.target}:${address.lun}`;
}

/** Four decimal numbers joined by ':' and nothing else; undefined when it is anything else or one is above 2^53. */
export function parseAddress(text: string): ScsiAddress | undefined {
  if (!/^\d{1,16}:\d{1,16}:\d{1,16}:\d{1,16}$/.test(text)) return undefined;
  const [host, channel, target, lun] = text.split(":").map(Number);
  if (![host, channel, target, lun].every(Number.isSafeInteger)) return undefined;
  return { host, channel, target, lun };
}

/** By host, channel, target and LUN: the order in which Linux finds them. */
export function compareAddresses(a: ScsiAddress, b: ScsiAddress): number {
  return a.host - b.host || a.channel - b.channel || a.target - b.target || a.lun - b.lun;
}

/** A v-dev, or in the field's words what is wrong with it. */
export function parseVirtualDevice(text: string): ScsiAddress | string {
  const address = parseAddress(text);
  if (address === undefined) return `invalid '${text}', expecting hst:chn:tgt:lun`;
  if (address.host > MAX_HOST) return `invalid '${text}', expecting hst:chn:tgt:lun with hst at most ${MAX_HOST}`;
  if (Math.max(address.channel, address.target, address.lun) > MAX_RING_FIELD) {
    return `invalid '${text}', expecting hst:chn:tgt:lun with chn, tgt and lun at most ${MAX_RING_FIELD}`;
  }
  return address;
}

/** The forms of a p-dev, tried in this order. One table: the parser reads it, and the message of what was expected. */
const FORMS: ReadonlyArray<{
  readonly kind: PhysicalDeviceKind;
  readonly expecting: string;
  parse(text: string): PhysicalDevice | undefined;
}> = [
  { kind: "path", expecting: "/dev/...", parse: parsePath },
  { kind: "wwn", expecting: "naa.<16 hex digits>:<lun>", parse: parseWwn },
  { kind: "address", expecting: "hst:chn:tgt:lun", parse: parsePhysicalAddress },
  { kind: "kernel-name", expecting: "sdX, srN, stN, nstN, schN or sgN", parse: parseKernelName },
  { kind: "scsi-id", expecting: "a scsi_id", parse: parseScsiId },
];

/** What Linux' driver of each type puts before the number, or the letters, of a device: sd.c, st.c, sr.c and ch.c. */
export const NODE_PREFIXES = {
  disk: "sd",
  tape: "st",
  cdrom: "sr",
  changer: "sch",
  enclosure: "bsg",
  controller: "bsg",
} as const satisfies Record<LunType, string>;

/** Every form of a p-dev. */
export const ALL_FORMS: readonly PhysicalDeviceKind[] = FORMS.map((form) => form.kind);

/** A p-dev in one of the `allowed` forms, or what is wrong with it. */
export function parsePhysicalDevice(text: string, allowed: readonly PhysicalDeviceKind[]): PhysicalDevice | string {
  const forms = FORMS.filter((form) => allowed.includes(form.kind));
  for (const form of forms) {
    const found = form.parse(text);
    if (found !== undefined) return found;
  }
  const expecting = forms.map((form) => form.expecting);
  return `invalid '${text}', expecting ${expecting.slice(0, -1).join(", ")} or ${expecting.at(-1)}`;
}

/** `naa.` and 16 hex digits in lower case, from the ways a WWN is written: with `naa.`, with `0x`, bare. */
export function parseWorldWideName(text: string): string | undefined {
  const digits = /^(?:naa\.|0x)?([0-9a-f]{16})$/i.exec(text)?.[1];
  return digits === undefined ? undefined : `naa.${digits.toLowerCase()}`;
}

/** The name of a logical unit: 16 hex digits as above, or 32 of an NAA 6 name. */
export function parseLunName(text: string): string | undefined {
  const long = /^(?:naa\.|0x)?(6[0-9a-f]{31})$/i.exec(text)?.[1];
  return long === undefined ? parseWorldWideName(text) : `naa.${long.toLowerCase()}`;
}

function parsePath(text: string): PhysicalDevice | undefined {
  return /^\/dev\/[!-~]+$/.test(text) ? { kind: "path", text } : undefined;
}

function parseWwn(text: string): PhysicalDevice | undefined {
  const found = /^naa\.([0-9a-f]{16}):(\d{1,16})$/i.exec(text);
  const lun = Number(found?.[2]);
  if (found === null || !Number.isSafeInteger(lun)) return undefined;
  return { kind: "wwn", text, wwn: `naa.${found[1].toLowerCase()}`, lun };
}

function parsePhysicalAddress(text: string): PhysicalDevice | undefined {
  const address = parseAddress(text);
  return address && { kind: "address", text, address };
}

/** xend takes a partition number off a disk's name: the device is what it lies on. */
function parseKernelName(text: string): PhysicalDevice | undefined {
  const name = /^(?:(sd[a-z]+)(?:[1-9]|1[0-5])?|((?:s[rgt]|nst|sch)\d+))$/.exec(text);
  return name === null ? undefined : { kind: "kernel-name", text, name: name[1] ?? name[2] };
}

/** As `scsi_id -gu` prints it: the first character is the type of the designator in VPD page 83h, S for a serial number. */
function parseScsiId(text: string): PhysicalDevice | undefined {
  return /^[0-8S][0-9A-Za-z_.+-]{7,}$/.test(text) ? { kind: "scsi-id", text } : undefined;
}

// Knows how SCSI names an initiator port: TransportIDs byte by byte (SPC-4 7.6.4), and what they look like to people.
// Knows no transport: whoever makes a nexus says whose it is.

import { assert, bytesOfHex, hexDigits } from "@pvscsi/wire";
import { put16 } from "./big-endian.js";

/** An initiator port, always the same bytes and the same text for the same port. */
export interface TransportId {
  readonly bytes: Uint8Array;
  /** `naa.5000c50012345678`, `iqn.2026-11.example:a,i,0x00023d000001` (bytes of UTF-8), `srp.` or `fc.` and hex digits. */
  readonly text: string;
}

/** An initiator device of iSCSI, which stands for all of its ports: it appears in parameter lists only. */
export interface IscsiDevice {
  readonly iscsiName: string;
}

/** Protocols whose TransportIDs are 24 bytes with one name in them (SPC-4 tables 500, 503, 507). */
const FIXED_SIZE = 24;
const FIXED: { readonly [protocol: number]: { readonly word: string; readonly at: number; readonly length: number } } =
  {
    0: { word: "fc", at: 8, length: 8 },
    4: { word: "srp", at: 8, length: 16 },
    6: { word: "naa", at: 4, length: 8 },
  };
const SAS = 6;

const ISCSI = 5;
const PORT_FORMAT = 0x40;
const SEPARATOR = ",i,0x";
const ISID_DIGITS = 12;
const LONGEST_ISCSI_NAME = 223;
/** ADDITIONAL LENGTH is at least this (SPC-4 7.6.4.6). */
const SHORTEST_ISCSI = 20;

/** The port of a SAS address: 16 hex digits. */
export function sasTransportId(address: string): TransportId {
  assert(/^[0-9a-f]{16}$/i.test(address), `SAS address ${address}`);
  return fixedTransportId(SAS, bytesOfHex(address));
}

/**
 * A port of a wire that has no names of its own, as a locally assigned SAS address that is always the same for `place`: what the
 * port is, in words.
 */
export function localTransportId(place: string): TransportId {
  return sasTransportId(localNaa(place));
}

/** 16 hex digits of an NAA 3 (locally assigned) name that is always the same for a text: FNV-1a of 60 bits. */
export function localNaa(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const c of text) hash = BigInt.asUintN(64, (hash ^ BigInt(c.charCodeAt(0))) * 0x100000001b3n);
  return `3${(hash >> 4n).toString(16).padStart(15, "0")}`;
}

/** The port of an iSCSI session: the initiator's name, and its ISID in 12 hex digits (RFC 7143 11.12.5). */
export function iscsiTransportId(name: string, isid: string): TransportId {
  assert(/^[0-9a-f]{12}$/i.test(isid), `ISID ${isid}`);
  return iscsiPort(utf8(name.toLowerCase()), isid.toLowerCase());
}

/** The name in an iSCSI TransportID's text; null for other ports. */
export function iscsiNameOf({ bytes, text }: TransportId): string | null {
  return (bytes[0] & 0x0f) === ISCSI ? text.slice(0, text.indexOf(SEPARATOR)) : null;
}

function iscsiPort(name: string, isid: string): TransportId {
  const text = `${name}${SEPARATOR}${isid}`;
  const bytes = new Uint8Array(4 + Math.max(SHORTEST_ISCSI, (text.length + 4) & ~3));
  bytes[0] = PORT_FORMAT | ISCSI;
  put16(bytes, 2, bytes.length - 4);
  for (let i = 0; i < text.length; i++) bytes[4 + i] = text.charCodeAt(i);
  return { bytes, text };
}

function fixedTransportId(protocol: number, name: Uint8Array): TransportId {
  const { word, at } = FIXED[protocol];
  const bytes = new Uint8Array(FIXED_SIZE);
  bytes[0] = protocol;
  bytes.set(name, at);
  return { bytes, text: `${word}.${hexDigits(name)}` };
}

/** One TransportID of a parameter list, and how many bytes of the list it is. */
export interface ReadTransportId {
  readonly id: TransportId | IscsiDevice;
  readonly length: number;
}

/** Reads the TransportID at `at`, which ends before `end`; null when it is cut, or none that is known here. */
export function readTransportId(bytes: Uint8Array, at: number, end: number): ReadTransportId | null {
  if (end - at < FIXED_SIZE) return null;
  const protocol = bytes[at] & 0x0f;
  const format = bytes[at] & 0xc0;
  if (protocol === ISCSI) return readIscsi(bytes, at, end, format);
  const fixed = Object.hasOwn(FIXED, protocol) && format === 0 ? FIXED[protocol] : undefined;
  if (fixed === undefined) return null;
  const name = bytes.slice(at + fixed.at, at + fixed.at + fixed.length);
  return { id: fixedTransportId(protocol, name), length: FIXED_SIZE };
}

/** The first null ends the text, whatever the length says. */
function readIscsi(bytes: Uint8Array, at: number, end: number, format: number): ReadTransportId | null {
  const additional = (bytes[at + 2] << 8) | bytes[at + 3];
  if (additional < SHORTEST_ISCSI || additional % 4 !== 0 || additional > end - at - 4) return null;
  const length = 4 + additional;
  const field = bytes.subarray(at + 4, at + length);
  const nul = field.indexOf(0);
  const text = lowerCase(String.fromCharCode(...field.subarray(0, nul < 0 ? field.length : nul)));
  if (format === 0) return isIscsiName(text) ? { id: { iscsiName: text }, length } : null;
  const [name, isid] = format === PORT_FORMAT ? text.split(SEPARATOR) : [];
  if (name === undefined || !isIscsiName(name) || !/^[0-9a-f]{1,12}$/.test(isid ?? "")) return null;
  return { id: iscsiPort(name, isid.padStart(ISID_DIGITS, "0")), length };
}

/** A name that can be told from what stands behind it; what RFC 3722 forbids beyond that is the initiator's affair. */
function isIscsiName(text: string): boolean {
  return text.length <= LONGEST_ISCSI_NAME && /^(iqn|eui|naa)\.[^\0- ,\x7f]+$/.test(text);
}

/** The bytes of UTF-8 as characters. */
function utf8(text: string): string {
  return encodeURIComponent(text).replaceAll(/%(..)/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** Letters of ASCII alone: the bytes of others are parts of them. */
function lowerCase(bytes: string): string {
  return bytes.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

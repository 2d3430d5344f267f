// Knows the messages of the log-in, as MessagePack, and checks what comes by shape and size. Knows no socket.

import { ProtocolError } from "@pvscsi/wire";
import { Packr } from "msgpackr";
import { XENBUS_VERSION } from "./abi/messages.js";
import type { DomainLimits } from "./outside-domain.js";

/** Bytes of a domain's secret. */
export const SECRET_SIZE = 32;

/** The client's first words. */
export interface Hello {
  readonly version: number;
  readonly domain: number;
  readonly secret: Uint8Array;
}

/** The hub's answer: who the client is, and how large. */
export interface Welcome extends DomainLimits {
  readonly version: number;
  readonly domain: number;
}

type Kind = "number" | "bytes";

const HELLO = { version: "number", domain: "number", secret: "bytes" } as const;
const WELCOME = {
  version: "number",
  domain: "number",
  memoryPages: "number",
  grantFrames: "number",
  maptrackEntries: "number",
} as const;

const packr = new Packr({ useRecords: false, int64AsType: "number" });

export function encodeHello(domain: number, secret: Uint8Array): Uint8Array {
  return packr.pack({ version: XENBUS_VERSION, domain, secret });
}

export function encodeWelcome(domain: number, limits: DomainLimits): Uint8Array {
  const { memoryPages, grantFrames, maptrackEntries } = limits;
  return packr.pack({ version: XENBUS_VERSION, domain, memoryPages, grantFrames, maptrackEntries });
}

/** Throws ProtocolError for anything else than a hello of this version. */
export function decodeHello(payload: Uint8Array): Hello {
  return checked(payload, "hello", HELLO) as unknown as Hello;
}

/** Throws ProtocolError for anything else than a welcome of this version. */
export function decodeWelcome(payload: Uint8Array): Welcome {
  return checked(payload, "welcome", WELCOME) as unknown as Welcome;
}

/** The version first: another one may have another shape. */
function checked(payload: Uint8Array, name: string, shape: Readonly<Record<string, Kind>>): Record<string, unknown> {
  const value = unpack(payload, name);
  if (value.version !== XENBUS_VERSION) {
    throw new ProtocolError(`a ${name} of version ${String(value.version)}; this is version ${XENBUS_VERSION}`);
  }
  if (Object.keys(value).length !== Object.keys(shape).length) throw new ProtocolError(`a ${name} of another shape`);
  for (const [key, kind] of Object.entries(shape)) {
    const right = kind === "number" ? isNatural(value[key]) : value[key] instanceof Uint8Array;
    if (!Object.hasOwn(value, key) || !right) throw new ProtocolError(`a ${name} without a ${key}`);
  }
  return value;
}

function unpack(payload: Uint8Array, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = packr.unpack(payload);
  } catch {
    throw new ProtocolError(`a ${name} that is no MessagePack`);
  }
  const prototype = value === null || typeof value !== "object" ? null : Object.getPrototypeOf(value);
  if (prototype !== Object.prototype) throw new ProtocolError(`a ${name} that is no map`);
  return value as Record<string, unknown>;
}

function isNatural(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

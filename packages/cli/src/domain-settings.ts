// Knows what dom0 tells the process of a domain on a file descriptor that nobody else has, and what it hears back: one
// line of JSON each way.

import { Socket } from "node:net";
import { ProtocolError } from "@pvscsi/wire";
import { readLines } from "./control-wire.js";

/** The file descriptor of a domain's process. */
export const SETTINGS_FD = 3;
const LONGEST = 64 * 1024;

/** All that a domain's process has to know. */
export interface DomainSettings {
  readonly name: string;
  readonly domain: number;
  /** The hub's. */
  readonly url: string;
  /** In hexadecimal digits. */
  readonly secret: string;
  /** Where it takes commands, by path. */
  readonly socket: string;
  /** For a driver domain: its devices, as a host.yaml by path. Empty for a guest. */
  readonly host: string;
  /** PEM of whom to trust for wss; empty where the hub is not on TLS. */
  readonly authority: string;
}

/** What the process has come to: null when it runs, else why not. */
export interface DomainStarted {
  readonly failure: string | null;
}

export function settingsLine(value: DomainSettings | DomainStarted): string {
  return `${JSON.stringify(value)}\n`;
}

/** The domain's end of it. */
export function settingsSocket(): Socket {
  return new Socket({ fd: SETTINGS_FD });
}

/** Reads the settings. Throws ProtocolError where somebody else than dom0 has started the process. */
export async function readSettings(socket: Socket): Promise<DomainSettings> {
  const settings = (await firstLine(socket)) as Partial<DomainSettings> | null;
  const texts = [
    settings?.name,
    settings?.url,
    settings?.secret,
    settings?.socket,
    settings?.authority,
    settings?.host,
  ];
  if (texts.some((text) => typeof text !== "string") || typeof settings?.domain !== "number") {
    throw new ProtocolError("settings of another shape");
  }
  return settings as DomainSettings;
}

/** Waits until a domain's process runs; gives why it does not, or null. */
export async function readStarted(socket: Socket): Promise<string | null> {
  const started = (await firstLine(socket)) as Partial<DomainStarted> | null;
  if (started === null) return "its process has ended";
  return started.failure ?? null;
}

async function firstLine(socket: Socket): Promise<unknown> {
  const { value } = await readLines(socket, LONGEST).next();
  return value === undefined ? null : JSON.parse(value);
}

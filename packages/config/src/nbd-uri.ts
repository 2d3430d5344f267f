// Knows how an export of an NBD server is written in one line, by the NBD URI specification: `nbd://HOST[:PORT]/EXPORT` and
// `nbd+unix:///EXPORT?socket=PATH`, with %XX for what has a meaning.

import { argumentOrigin, ConfigError, type Origin, quoted } from "./errors.js";

/** What a URI says. */
export interface NbdUri {
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
  /** The empty name is the server's default export. */
  readonly exportName: string;
}

const EXPECTED = "nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH";
const DEFAULT_PORT = 10809;
const TCP = /^nbd:\/\/(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?(?:\/([^?#]*))?$/;
const UNIX = /^nbd\+unix:\/\/\/([^?#]*)\?socket=([^&#]+)$/;
const SCHEME = /^nbds?(\+[a-z]+)?:/;

/** Whether a text is meant as an NBD URI. */
export const isNbdUri = (text: string): boolean => SCHEME.test(text);

/** Reads a URI; throws `ConfigError`. */
export function parseNbdUri(text: string, origin: Origin = argumentOrigin("--lun")): NbdUri {
  const uri = unixUri(text) ?? tcpUri(text);
  if (uri !== null) return uri;
  throw new ConfigError(origin.file, origin.at(0), `invalid NBD URI ${quoted(text)}, expected ${EXPECTED}`);
}

/** The URI that `parseNbdUri` reads the same from. */
export function formatNbdUri({ address, exportName }: NbdUri): string {
  const name = encodeURIComponent(exportName);
  if ("path" in address)
    return `nbd+unix:///${name}?socket=${encodeURI(address.path).replace(/[?#&]/g, encodeURIComponent)}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `nbd://${host}${address.port === DEFAULT_PORT ? "" : `:${address.port}`}/${name}`;
}

function tcpUri(text: string): NbdUri | null {
  const parts = TCP.exec(text);
  const exportName = decoded(parts?.[4] ?? "");
  if (parts === null || exportName === null) return null;
  const port = parts[3] === undefined ? DEFAULT_PORT : Number(parts[3]);
  return port === 0 || port > 65535 ? null : { address: { host: parts[1] ?? parts[2], port }, exportName };
}

function unixUri(text: string): NbdUri | null {
  const parts = UNIX.exec(text);
  if (parts === null) return null;
  const [exportName, path] = [decoded(parts[1]), decoded(parts[2])];
  return exportName === null || path === null ? null : { address: { path }, exportName };
}

/** Null where a % begins nothing, or a NUL comes of it. */
function decoded(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    return plain.includes("\0") ? null : plain;
  } catch {
    return null;
  }
}

// Knows how it is told, in one line, that a hub could not be joined. Knows no socket.

import { ToolstackError } from "@pvscsi/toolstack";

/** By the code of what Node throws; what is not here says itself what it is. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the host's name cannot be looked up now",
  EHOSTUNREACH: "there is no way to that host",
  ENETUNREACH: "there is no way to that host",
  EPROTO: "no TLS is spoken there: perhaps it is ws, not wss",
  ECONNRESET: "the connection was ended before anything was said: perhaps it is wss, not ws",
};

/** OpenSSL's names for a chain that does not end at somebody who is trusted (node's tls documentation). */
const UNTRUSTED: readonly string[] = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

export function joinFailure(url: string, error: unknown): ToolstackError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new ToolstackError("FAIL", `${url}: ${reasonOf(code, message)}`);
}

function reasonOf(code: string, message: string): string {
  if (UNTRUSTED.includes(code)) {
    return `its certificate is not trusted (${message}): name it, or whoever has signed it, with --certificate`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `its certificate is for another host (${message.replace(/^.*altnames: /, "")})`;
  }
  return REASONS[code] ?? message;
}

// Knows how a connection to a portal is made, by TCP or by what a test gives instead, and how a portal's address is written.

import { connect } from "node:net";
import { type ByteSink, receiveBuffer, SocketSink } from "@pvscsi/wire";

/** Where a target is reached. */
export interface PortalAddress {
  /** A name or an address; an IPv6 one without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What is behind a connection that was dialled. */
export interface Dialled {
  /** The connection is there: bytes may be sent from now on. */
  connected(): void;
  /** Tells whether all bytes were taken; else they are lent until that is so. */
  receive(bytes: Uint8Array): boolean;
  /** It has ended, or never was: the last call. */
  closed(reason: string): void;
}

/** Begins a connection; `dialled` hears of it, never before this returns. */
export type Dial = (portal: PortalAddress, dialled: Dialled) => ByteSink;

/** IANA's port of iSCSI. */
export const ISCSI_PORT = 3260;
const KEEP_ALIVE = 30_000;

/** By TCP, into one buffer that is used again. */
export const dialTcp: Dial = ({ host, port }, dialled) => {
  const onread = receiveBuffer((bytes) => dialled.receive(bytes));
  const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE, onread });
  const sink = new SocketSink(socket, () => {});
  let reason = "the target has closed the connection";
  socket.once("connect", () => dialled.connected());
  socket.once("error", (error: Error) => {
    reason = error.message;
  });
  sink.feed({ receive() {}, closed: () => dialled.closed(reason) });
  return sink;
};

const ADDRESS = /^(?:\[([\da-fA-F:.]+(?:%[\w.-]+)?)\]|([\w.-]+))(?::(\d{1,5}))?(?:,\d{1,5})?$/;

/** `HOST[:PORT][,TAG]`, as TargetAddress has it (RFC 7143 13.8); null where it is none. */
export function parsePortal(text: string): PortalAddress | null {
  const parts = ADDRESS.exec(text);
  if (parts === null) return null;
  const port = parts[3] === undefined ? ISCSI_PORT : Number(parts[3]);
  return port === 0 || port > 65535 ? null : { host: parts[1] ?? parts[2], port };
}

/** `HOST:PORT`. */
export function formatPortal({ host, port }: PortalAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

// Knows how a connection to an NBD server is made: by TCP, or by a Unix socket. Knows no message.

import { connect } from "node:net";
import { type ByteSink, receiveBuffer, SocketSink } from "@pvscsi/wire";

/** Where a server listens: a name or an address, an IPv6 one without brackets, and a port; or a Unix socket's path. */
export type NbdAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** IANA's port of NBD. */
export const NBD_PORT = 10809;

/** What is behind a connection that was dialled. */
export interface NbdDialled {
  /** Tells whether all bytes were taken; else they are lent until that is so. */
  receive(bytes: Uint8Array): boolean;
  /** It has ended, or never was: the last call. All that was lent to it is given back by then. */
  closed(reason: string): void;
}

/** Begins a connection; `dialled` hears of it, never before this returns. */
export type NbdDial = (address: NbdAddress, dialled: NbdDialled) => ByteSink;

const KEEP_ALIVE = 10_000;

/** By a socket, into one buffer that is used again. */
export const dialNbd: NbdDial = (address, dialled) => {
  const onread = receiveBuffer((bytes) => dialled.receive(bytes));
  const options = "path" in address ? address : { ...address, noDelay: true, keepAlive: true };
  const socket = connect({ ...options, keepAliveInitialDelay: KEEP_ALIVE, onread });
  const sink = new SocketSink(socket, () => {});
  let reason = "the server has closed the connection";
  socket.once("error", (error: Error) => {
    reason = error.message;
  });
  sink.feed({ receive() {}, closed: () => dialled.closed(reason) });
  return sink;
};

// Knows how an accepted socket receives into memory that is used again. Node does so for sockets that connect (`onread`); for each read
// of an accepted one it takes 64 KiB from the heap, which costs more than what is done with them. Knows no PDU.

import { Socket, type SocketConstructorOpts } from "node:net";

/** Bytes that are received at once, as many as a data segment has. Those that nobody ever sends take no memory. */
const SIZE = 256 * 1024;

/** A socket's own part of Node, which no declaration has. */
interface Handled {
  _handle?: object | null;
}

/**
 * The same connection as another socket, which calls `receive` instead of "data" listeners with what has come. That tells whether all of it was
 * taken; else the memory is its own from then on. Where Node has no handle to give, it is the socket itself, with "data".
 */
export function withReceiveBuffer(accepted: Socket, receive: (bytes: Uint8Array) => boolean): Socket {
  const owner = accepted as Handled;
  const handle = owner._handle;
  if (handle === undefined || handle === null) return accepted.resume();
  let buffer = new Uint8Array(SIZE);
  const options = {
    handle,
    onread: {
      buffer: () => buffer,
      callback: (length: number, bytes: Uint8Array) => {
        if (!receive(length === SIZE ? bytes : bytes.subarray(0, length))) buffer = new Uint8Array(SIZE);
        return true;
      },
    },
  };
  owner._handle = null;
  accepted.destroy();
  return new Socket(options as SocketConstructorOpts);
}

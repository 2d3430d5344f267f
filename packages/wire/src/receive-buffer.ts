// Knows how a stream socket that was accepted receives into memory that is used again. Node does so for sockets that connect (`onread`); for
// each read of an accepted one it takes 64 KiB from the heap, which costs more than what is done with them. Knows no message; sockets are given.

/** Bytes that are received at once. Those that nobody ever sends take no memory. */
const SIZE = 256 * 1024;

/** `Socket` of `node:net`, accepted and paused (`pauseOnConnect`). Its handle is its own part of Node, which no declaration has. */
export interface AcceptedSocket {
  readonly _handle?: object | null;
  resume(): unknown;
  destroy(): unknown;
}

/** Where a socket puts what comes, and what it calls then. */
export interface ReceiveBuffer {
  readonly buffer: () => Uint8Array;
  readonly callback: (length: number, bytes: Uint8Array) => boolean;
}

/** What makes a socket around a handle: the class itself. */
export type SocketClass<Made> = new (options: object) => Made;

/**
 * The same connection as another socket, which calls `receive` instead of "data" listeners with what has come. That tells whether all of it was
 * taken; else the memory is its own from then on. Where Node has no handle to give, it is the socket itself, with "data".
 */
export function withReceiveBuffer<Made extends AcceptedSocket>(
  Class: SocketClass<Made>,
  accepted: Made,
  receive: (bytes: Uint8Array) => boolean,
): Made {
  const owner: { _handle?: object | null } = accepted;
  const handle = owner._handle;
  if (handle === undefined || handle === null) {
    accepted.resume();
    return accepted;
  }
  owner._handle = null;
  accepted.destroy();
  return new Class({ handle, onread: receiveBuffer(receive) });
}

/** Node's `onread` of a socket: what comes is given to `receive`, out of memory that is used again where all of it was taken. */
export function receiveBuffer(receive: (bytes: Uint8Array) => boolean): ReceiveBuffer {
  let buffer = new Uint8Array(SIZE);
  return {
    buffer: () => buffer,
    callback(length, bytes) {
      if (!receive(length === SIZE ? bytes : bytes.subarray(0, length))) buffer = new Uint8Array(SIZE);
      return true;
    },
  };
}

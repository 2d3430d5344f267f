// Knows Unix stream sockets that carry descriptors (unix(7), SCM_RIGHTS), which Node's own do not.

import { rmSync } from "node:fs";
import type { Call, Calls } from "./calls.js";
import type { MappedMemory } from "./mapped-memory.js";
import type { Native, Poll } from "./native.js";

/** Values of sys/socket.h that are the same on every Linux that koffi knows. */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const EAGAIN = 11;
const BACKLOG = 16;
const TYPE = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

/** Struct sockaddr_un: the family, and a path that ends with a zero. */
const ADDRESS_SIZE = 110;
/** Descriptors that one message can carry (SCM_MAX_FD). */
const MOST_DESCRIPTORS = 253;
/** Struct cmsghdr on 64 bits. */
const CONTROL_HEADER = 16;

/** Where things lie in the memory that the kernel reads and writes: struct msghdr, one iovec, control data, bytes. */
const MESSAGE = 0;
const MESSAGE_SIZE = 56;
const VECTOR = 64;
const CONTROL = 128;
const CONTROL_SIZE = CONTROL_HEADER + 4 * MOST_DESCRIPTORS;
const DATA = 4096;
const DATA_SIZE = 64 * 1024;

/** One end of a connection. */
export interface UnixConnection {
  /**
   * Reads up to `target.length` bytes, and appends the descriptors that came with them, which are the caller's to close.
   * Returns how many bytes those were: 0 at the end of the stream, -1 while there is nothing. Throws SystemCallError.
   */
  receive(target: Uint8Array, descriptors: number[]): number;
  /** Sends bytes, at most 64 KiB, with descriptors; returns how many went, -1 for none now. Throws SystemCallError. */
  send(bytes: Uint8Array, descriptors?: readonly number[]): number;
  /** Calls `readable` from the loop for as long as there is something to receive, until `ignore`. */
  listen(readable: () => void): void;
  ignore(): void;
  close(): void;
}

export interface UnixListener {
  /** Takes no more connections and removes the socket from its folder. A second time it does nothing. */
  close(): void;
}

export class UnixSockets {
  readonly #calls: SocketCalls;
  readonly #native: Pick<Native, "poll" | "close">;

  constructor(calls: Calls, native: Pick<Native, "poll" | "close" | "allocate">) {
    this.#native = native;
    this.#calls = new SocketCalls(calls, native);
  }

  /** Listens at a path where nothing is. Throws SystemCallError, e.g. EADDRINUSE. */
  listen(path: string, accepted: (connection: UnixConnection) => void): UnixListener {
    const descriptor = this.#calls.socket(AF_UNIX, TYPE, 0);
    try {
      this.#calls.bind(descriptor, addressOf(path), ADDRESS_SIZE);
      this.#calls.listen(descriptor, BACKLOG);
    } catch (error) {
      this.#native.close(descriptor);
      throw error;
    }
    const poll = this.#native.poll(descriptor, () => {
      for (let peer = this.#calls.accept(descriptor); peer >= 0; peer = this.#calls.accept(descriptor)) {
        accepted(this.#connection(peer));
      }
    });
    let open = true;
    return {
      close: () => {
        if (!open) return;
        open = false;
        poll.close();
        this.#native.close(descriptor);
        rmSync(path, { force: true });
      },
    };
  }

  /** Connects to who listens at a path. Throws SystemCallError: ENOENT, or ECONNREFUSED where nobody does any more. */
  connect(path: string): UnixConnection {
    const descriptor = this.#calls.socket(AF_UNIX, TYPE, 0);
    try {
      this.#calls.connect(descriptor, addressOf(path), ADDRESS_SIZE);
    } catch (error) {
      this.#native.close(descriptor);
      throw error;
    }
    return this.#connection(descriptor);
  }

  /** Both ends of a connection. Throws SystemCallError. */
  pair(): [UnixConnection, UnixConnection] {
    const ends = new Int32Array(2);
    this.#calls.socketpair(AF_UNIX, TYPE, 0, new Uint8Array(ends.buffer));
    return [this.#connection(ends[0]), this.#connection(ends[1])];
  }

  #connection(descriptor: number): UnixConnection {
    return new Connection(descriptor, this.#calls, this.#native);
  }
}

class Connection implements UnixConnection {
  readonly #descriptor: number;
  readonly #calls: SocketCalls;
  readonly #native: Pick<Native, "poll" | "close">;
  #poll: Poll | null = null;
  #open = true;

  constructor(descriptor: number, calls: SocketCalls, native: Pick<Native, "poll" | "close">) {
    this.#descriptor = descriptor;
    this.#calls = calls;
    this.#native = native;
  }

  receive(target: Uint8Array, descriptors: number[]): number {
    return this.#open ? this.#calls.receive(this.#descriptor, target, descriptors) : 0;
  }

  send(bytes: Uint8Array, descriptors: readonly number[] = []): number {
    return this.#open ? this.#calls.send(this.#descriptor, bytes, descriptors) : -1;
  }

  listen(readable: () => void): void {
    if (this.#open) this.#poll ??= this.#native.poll(this.#descriptor, readable);
  }

  ignore(): void {
    this.#poll?.close();
    this.#poll = null;
  }

  /** A second time it does nothing: the number may be another file's by then. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.ignore();
    this.#native.close(this.#descriptor);
  }
}

/** The calls, and the memory that messages are put together in; one message at a time is. */
class SocketCalls {
  readonly socket: Call;
  readonly bind: Call;
  readonly listen: Call;
  readonly connect: Call;
  readonly socketpair: Call;
  readonly #calls: Calls;
  readonly #accept: Call;
  readonly #recvmsg: Call;
  readonly #sendmsg: Call;
  readonly #memory: MappedMemory;
  readonly #view: DataView;

  constructor(calls: Calls, native: Pick<Native, "allocate">) {
    this.#calls = calls;
    this.socket = calls.checked("socket", "int socket(int domain, int type, int protocol)");
    this.bind = calls.checked("bind", "int bind(int fd, void *address, unsigned int length)");
    this.listen = calls.checked("listen", "int listen(int fd, int backlog)");
    this.connect = calls.checked("connect", "int connect(int fd, void *address, unsigned int length)");
    this.socketpair = calls.checked("socketpair", "int socketpair(int domain, int type, int protocol, void *ends)");
    this.#accept = calls.raw("int accept4(int fd, uintptr_t address, uintptr_t length, int flags)");
    this.#recvmsg = calls.raw("intptr_t recvmsg(int fd, uintptr_t message, int flags)");
    this.#sendmsg = calls.raw("intptr_t sendmsg(int fd, uintptr_t message, int flags)");
    this.#memory = native.allocate(DATA + DATA_SIZE);
    this.#view = new DataView(this.#memory.bytes.buffer);
  }

  /** The next connection; negative when there is none, or it has gone again. */
  accept(descriptor: number): number {
    return this.#accept(descriptor, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
  }

  receive(descriptor: number, target: Uint8Array, descriptors: number[]): number {
    const length = Math.min(target.length, DATA_SIZE);
    this.#describe(length, CONTROL_SIZE);
    const received = this.#recvmsg(descriptor, this.#memory.address + MESSAGE, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0) return this.#notNow("recvmsg");
    this.#takeDescriptors(descriptors);
    target.set(this.#memory.bytes.subarray(DATA, DATA + received));
    return received;
  }

  send(descriptor: number, bytes: Uint8Array, descriptors: readonly number[]): number {
    const length = Math.min(bytes.length, DATA_SIZE);
    const control = descriptors.length === 0 ? 0 : CONTROL_HEADER + 4 * descriptors.length;
    this.#memory.bytes.set(bytes.subarray(0, length), DATA);
    this.#view.setBigUint64(CONTROL, BigInt(control), true);
    this.#view.setInt32(CONTROL + 8, SOL_SOCKET, true);
    this.#view.setInt32(CONTROL + 12, SCM_RIGHTS, true);
    for (const [i, passed] of descriptors.entries())
      this.#view.setInt32(CONTROL + CONTROL_HEADER + 4 * i, passed, true);
    // The kernel wants the length rounded up to the next header's place (CMSG_SPACE).
    this.#describe(length, Math.ceil(control / 8) * 8);
    const sent = this.#sendmsg(descriptor, this.#memory.address + MESSAGE, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? this.#notNow("sendmsg") : sent;
  }

  #describe(length: number, control: number): void {
    const { address } = this.#memory;
    this.#memory.bytes.fill(0, MESSAGE, MESSAGE + MESSAGE_SIZE);
    this.#view.setBigUint64(MESSAGE + 16, BigInt(address + VECTOR), true);
    this.#view.setBigUint64(MESSAGE + 24, 1n, true);
    this.#view.setBigUint64(MESSAGE + 32, BigInt(control === 0 ? 0 : address + CONTROL), true);
    this.#view.setBigUint64(MESSAGE + 40, BigInt(control), true);
    this.#view.setBigUint64(VECTOR, BigInt(address + DATA), true);
    this.#view.setBigUint64(VECTOR + 8, BigInt(length), true);
  }

  #takeDescriptors(descriptors: number[]): void {
    const end = CONTROL + Number(this.#view.getBigUint64(MESSAGE + 40, true));
    for (let at = CONTROL; at + CONTROL_HEADER <= end; ) {
      const length = Number(this.#view.getBigUint64(at, true));
      const rights =
        this.#view.getInt32(at + 8, true) === SOL_SOCKET && this.#view.getInt32(at + 12, true) === SCM_RIGHTS;
      for (let one = at + CONTROL_HEADER; rights && one + 4 <= at + length; one += 4) {
        descriptors.push(this.#view.getInt32(one, true));
      }
      at += Math.max(CONTROL_HEADER, Math.ceil(length / 8) * 8);
    }
  }

  #notNow(call: string): -1 {
    if (this.#calls.errno === EAGAIN) return -1;
    throw this.#calls.failure(call);
  }
}

/** Throws RangeError for a path that is longer than an address can be, or is none. */
function addressOf(path: string): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_SIZE);
  const encoded = new TextEncoder().encode(path);
  const most = ADDRESS_SIZE - 3;
  if (encoded.length === 0 || encoded.length > most) {
    throw new RangeError(`a path of ${encoded.length} bytes, expected 1 to ${most} for a socket`);
  }
  bytes[0] = AF_UNIX;
  bytes.set(encoded, 2);
  return bytes;
}

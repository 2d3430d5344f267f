// Knows the system calls of Linux that Node does not have, as koffi reaches them: mmap(2), ioctl(2), and poll(2) by
// Node's own loop. Knows no device.

import { closeSync, fstatSync, ftruncateSync } from "node:fs";
import { type Call, Calls, type LaterCall } from "./calls.js";
import { EventDescriptors } from "./event-descriptors.js";
import { FileHoles } from "./file-holes.js";
import { type Koffi, type KoffiPoll, loadKoffi } from "./koffi.js";
import { MappedMemory, type MemoryCalls } from "./mapped-memory.js";
import { PageCache } from "./page-cache.js";
import { UnixSockets } from "./unix-sockets.js";

/** Whom a file that can be read is told to; the loop goes on for as long as it is open. */
export interface Poll {
  close(): void;
}

export type MapAccess = "read-only" | "read-write";

export interface Native {
  /**
   * ioctl(2) with a struct that the kernel reads and writes in place. Returns what the call returned, which is not
   * negative. Throws SystemCallError.
   */
  ioctl(descriptor: number, request: number, argument: Uint8Array): number;
  /** The same in another thread, for what may take long: `done` follows, never before this returns. The struct is lent until then. */
  ioctlLater(descriptor: number, request: number, argument: Uint8Array, done: (error: Error | null) => void): void;
  /**
   * Maps `length` bytes of a file at `offset`, shared. A write to what is mapped to be read only ends the process. Throws
   * SystemCallError.
   */
  map(descriptor: number, offset: number, length: number, access: MapAccess): MappedMemory;
  /**
   * The same, for reading and writing, of a file that somebody else has given: one that is too short is refused by a
   * RangeError, as touching what is behind its end would end the process. Whoever gives it can cut it short later.
   */
  mapFile(descriptor: number, offset: number, length: number): MappedMemory;
  /** A file of `length` zeros that has no name in any folder (memfd_create(2)); the descriptor is the caller's. */
  newMemory(name: string, length: number): number;
  close(descriptor: number): void;
  readonly events: EventDescriptors;
  readonly sockets: UnixSockets;
  readonly holes: FileHoles;
  readonly cache: PageCache;
  /** Zeroed memory whose address stays what it is. Throws SystemCallError. */
  allocate(length: number): MappedMemory;
  /** Calls `readable`, from the loop, as long as there is something to read: it has to read that. */
  poll(descriptor: number, readable: () => void): Poll;
}

const IOCTL = "int ioctl(int fd, unsigned long request, void *argument)";
/** Values of sys/mman.h that are the same on every Linux that koffi knows. */
const PROTECTION = { "read-only": 1, "read-write": 3 } as const;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MFD_CLOEXEC = 1;
const NO_FILE = -1;
/** Bytes of one view: V8 of Node 20 ends the process for more. */
const LONGEST_VIEW = 2 ** 32;

/** Loads what this machine has. Rejects with NativeMissing, which says what is missing. */
export async function loadNative(): Promise<Native> {
  return new KoffiNative(await loadKoffi());
}

class KoffiNative implements Native, MemoryCalls {
  readonly events: EventDescriptors;
  readonly sockets: UnixSockets;
  readonly holes: FileHoles;
  readonly cache: PageCache;
  readonly #koffi: Koffi;
  readonly #calls: Calls;
  readonly #ioctl: Call;
  readonly #ioctlLater: LaterCall;
  readonly #mmap: Call;
  readonly #munmap: Call;
  readonly #memfd: Call;
  /** koffi closes a poll that nobody has. */
  readonly #polls = new Set<KoffiPoll>();

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    this.#calls = new Calls(koffi);
    const calls = this.#calls;
    this.#ioctl = calls.checked("ioctl", IOCTL);
    this.#ioctlLater = calls.later("ioctl", IOCTL);
    this.#mmap = calls.raw(
      "intptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)",
    );
    this.#munmap = calls.checked("munmap", "int munmap(uintptr_t address, size_t length)");
    this.#memfd = calls.checked("memfd_create", "int memfd_create(const char *name, unsigned int flags)");
    this.events = new EventDescriptors(calls);
    this.sockets = new UnixSockets(calls, this);
    this.holes = new FileHoles(calls);
    this.cache = new PageCache(calls, this);
  }

  ioctl(descriptor: number, request: number, argument: Uint8Array): number {
    return this.#ioctl(descriptor, request, argument);
  }

  ioctlLater(descriptor: number, request: number, argument: Uint8Array, done: (error: Error | null) => void): void {
    this.#ioctlLater([descriptor, request, argument], done);
  }

  map(descriptor: number, offset: number, length: number, access: MapAccess): MappedMemory {
    return this.#mapped(length, PROTECTION[access], MAP_SHARED, descriptor, offset);
  }

  mapFile(descriptor: number, offset: number, length: number): MappedMemory {
    const { size, blksize } = fstatSync(descriptor);
    if (!(offset + length <= size)) throw new RangeError(`${offset}+${length} of a file of ${size} bytes`);
    return this.#mapped(length, PROTECTION["read-write"], MAP_SHARED, descriptor, offset, blksize);
  }

  newMemory(name: string, length: number): number {
    const descriptor = this.#memfd(name, MFD_CLOEXEC);
    ftruncateSync(descriptor, length);
    return descriptor;
  }

  close(descriptor: number): void {
    closeSync(descriptor);
  }

  allocate(length: number): MappedMemory {
    return this.#mapped(length, PROTECTION["read-write"], MAP_PRIVATE | MAP_ANONYMOUS, NO_FILE, 0);
  }

  poll(descriptor: number, readable: () => void): Poll {
    const poll = this.#koffi.node.poll(descriptor, { readable: true }, () => {
      try {
        readable();
      } catch (error) {
        // koffi would swallow it.
        void Promise.reject(error);
      }
    });
    this.#polls.add(poll);
    return {
      close: () => {
        if (this.#polls.delete(poll)) poll.close();
      },
    };
  }

  replace(address: number, length: number): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (this.#mmap(address, length, PROTECTION["read-write"], flags, NO_FILE, 0) !== address)
      throw this.#calls.failure("mmap");
  }

  unmap(address: number, length: number): void {
    this.#munmap(address, length);
  }

  /** Maps whole pages of `page` bytes: what lies in huge ones (hugetlbfs) cannot be ended in part. */
  #mapped(
    length: number,
    protection: number,
    flags: number,
    descriptor: number,
    offset: number,
    page = 1,
  ): MappedMemory {
    if (!(length > 0 && length <= LONGEST_VIEW)) throw new RangeError(`a mapping of ${length} bytes`);
    const mapped = Math.ceil(length / page) * page;
    const address = this.#mmap(0, mapped, protection, flags, descriptor, offset);
    if (address === -1) throw this.#calls.failure("mmap");
    return new MappedMemory(this.#koffi.view(address, length), address, mapped, this);
  }
}

// Knows what the adapter of a real SCSI device asks the kernel for. Knows no command.

import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { type MappedMemory, type Native, SystemCallError } from "@pvscsi/native";

/** The kernel, as far as it is used here. Real, or played by a test. */
export interface SgCalls {
  /** Opens a device node to read and write, and never to wait. Throws an error of Node's. */
  open(path: string): number;
  /** ioctl(2) with a struct that is read and written in place. Throws SystemCallError. */
  ioctl(descriptor: number, request: number, argument: Uint8Array): number;
  /** The same in another thread: a reset may take long. `done` follows, never before this returns. */
  ioctlLater(descriptor: number, request: number, argument: Uint8Array, done: (error: Error | null) => void): void;
  /** Whether there was something to read; reads all of `target` then. Throws an error of Node's. */
  read(descriptor: number, target: Uint8Array): boolean;
  /** Writes all of it. Throws an error of Node's. */
  write(descriptor: number, bytes: Uint8Array): void;
  poll(descriptor: number, readable: () => void): { close(): void };
  allocate(length: number): Pick<MappedMemory, "bytes" | "address" | "release">;
  close(descriptor: number): void;
}

/** This machine's. */
export function sgCalls(native: Native): SgCalls {
  return {
    open: (path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK),
    ioctl: (descriptor, request, argument) => native.ioctl(descriptor, request, argument),
    ioctlLater: (descriptor, request, argument, done) => native.ioctlLater(descriptor, request, argument, done),
    read: readNow,
    write: (descriptor, bytes) => {
      if (writeSync(descriptor, bytes) !== bytes.length) throw new SystemCallError("write", EIO);
    },
    poll: (descriptor, readable) => native.poll(descriptor, readable),
    allocate: (length) => native.allocate(length),
    close: closeSync,
  };
}

const EIO = 5;

function readNow(descriptor: number, target: Uint8Array): boolean {
  try {
    return readSync(descriptor, target) === target.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return false;
    throw error;
  }
}

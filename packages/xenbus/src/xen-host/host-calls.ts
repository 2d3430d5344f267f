// Knows what a driver of a Xen host asks its kernel for, and which device nodes there have to be. Knows no protocol.

import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { loadNative, type MapAccess, type MappedMemory, type Native, SystemCallError } from "@pvscsi/native";

/** Memory that was mapped, and may end: see `MappedMemory`. */
export type HostMemory = Pick<MappedMemory, "bytes" | "address" | "release">;

/** The kernel, as far as it is used here: its calls, and files that never block. Real, or played by a test. */
export interface HostCalls extends Pick<Native, "ioctl" | "poll"> {
  map(descriptor: number, offset: number, length: number, access: MapAccess): HostMemory;
  allocate(length: number): HostMemory;
  /** Opens a device node to read and write. */
  open(path: string): number;
  /** How many bytes were read; 0 when there are none now. */
  read(descriptor: number, target: Uint8Array): number;
  /** Writes all of it, or throws. */
  write(descriptor: number, bytes: Uint8Array): void;
  close(descriptor: number): void;
}

/** Why this machine cannot be a Xen host, in words for a person. */
export class NoXenHost extends Error {
  override readonly name = "NoXenHost";
}

/** The kernel lets processes have no more pages to grant. */
export class OutOfPages extends RangeError {
  override readonly name = "OutOfPages";

  constructor(had: number) {
    super(`no page to grant besides ${had}: /sys/module/xen_gntalloc/parameters/limit is for all processes together`);
  }
}

/** This machine's. Rejects with NativeMissing where koffi is not installed. */
export async function hostCalls(): Promise<HostCalls> {
  const native = await loadNative();
  return {
    ioctl: (descriptor, request, argument) => native.ioctl(descriptor, request, argument),
    poll: (descriptor, readable) => native.poll(descriptor, readable),
    map: (descriptor, offset, length, access) => native.map(descriptor, offset, length, access),
    allocate: (length) => native.allocate(length),
    open: openNode,
    read: readNow,
    write: (descriptor, bytes) => {
      if (writeSync(descriptor, bytes) !== bytes.length) throw new SystemCallError("write", EIO);
    },
    close: closeSync,
  };
}

const EIO = 5;

function openNode(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = REASONS[code ?? ""] ?? (error as Error).message;
    throw new NoXenHost(`${path}: ${reason}`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT:
    "no such device: this is no domain of Xen, or its modules xen-evtchn, xen-gntdev, xen-gntalloc and xenfs are not loaded",
  ENXIO: "no such device: this is no domain of Xen",
  ENODEV: "no such device: this is no domain of Xen",
  EACCES: "not permitted: root may",
};

function readNow(descriptor: number, target: Uint8Array): number {
  try {
    return readSync(descriptor, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw error;
  }
}

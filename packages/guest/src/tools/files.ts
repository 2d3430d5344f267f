// Knows the seam through which commands of the guest reach files: what the caller lends, and the guest's own devices.

import { posix } from "node:path";
import { type ByteStore, type StoreOperation, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import type { BlockDevice } from "../block-device.js";
import type { Guest } from "../guest.js";

/** A file that is open; errors are strerror's words, e.g. `Input/output error`. */
export interface OpenFile {
  /** Reads at most `target.length` bytes at byte `offset`; 0 at the end. */
  read(target: Uint8Array, offset: number): Promise<number | string>;
  /** Writes at byte `offset`; fewer bytes than asked for mean that the file is full. */
  write(source: Uint8Array, offset: number): Promise<number | string>;
  /** Makes what was written durable; null when it is. */
  sync(): Promise<string | null>;
  close(): Promise<void>;
}

/** strerror's words for a store's failures that are no I/O errors. */
const FAILURE_TEXT: { readonly [failure: string]: string } = {
  "no-space": "No space left on device",
  "no-memory": "Cannot allocate memory",
};

export type FileAccess = "read" | "write";

/** Where commands find files. */
export interface Files {
  /**
   * Opens a file, or says why not in strerror's words. A null path is standard input or output. A file that is written
   * is made where there is none, and cut to `truncate` bytes unless that is null.
   */
  open(path: string | null, access: FileAccess, truncate: number | null): Promise<OpenFile | string>;
}

/** No files at all. */
export const noFiles: Files = {
  open: async () => "No such file or directory",
};

/** The guest's own devices, and for all other paths the files that were lent. Nothing else in /dev is ever opened. */
export function guestFiles(guest: Guest, lent: Files): Files {
  return {
    async open(name, access, truncate) {
      const path = name === null ? null : posix.normalize(name);
      if (path === null || !path.startsWith("/dev/")) return lent.open(name, access, truncate);
      if (path === "/dev/zero") return zeros;
      if (path === "/dev/null") return nothing;
      const disk = guest.disk(path);
      return disk === undefined ? "No such file or directory" : new DiskFile(disk, guest.store(disk));
    },
  };
}

const nothing: OpenFile = {
  read: async () => 0,
  write: async (source) => source.length,
  sync: async () => null,
  close: async () => {},
};

const zeros: OpenFile = {
  ...nothing,
  read: async (target) => target.fill(0).length,
};

/** A disk as a file. Errors have the errno the kernel gives for what became of the request. */
class DiskFile implements OpenFile {
  readonly #disk: BlockDevice;
  readonly #store: ByteStore;

  constructor(disk: BlockDevice, store: ByteStore) {
    this.#disk = disk;
    this.#store = store;
  }

  async read(target: Uint8Array, offset: number): Promise<number | string> {
    const length = Math.max(0, Math.min(target.length, this.#store.size - offset));
    return this.#transfer("read", target.subarray(0, length), offset);
  }

  async write(source: Uint8Array, offset: number): Promise<number | string> {
    if (this.#disk.parameters.readOnly) return "Operation not permitted";
    const length = Math.max(0, Math.min(source.length, this.#store.size - offset));
    if (length === 0 && source.length > 0) return "No space left on device";
    return this.#transfer("write", source.subarray(0, length), offset);
  }

  async sync(): Promise<string | null> {
    const error = await this.#submit("flush", new Uint8Array(0), 0);
    return error === null ? null : "Input/output error";
  }

  async close(): Promise<void> {}

  async #transfer(operation: "read" | "write", bytes: Uint8Array, offset: number): Promise<number | string> {
    if (bytes.length === 0) return 0;
    return (await this.#submit(operation, bytes, offset)) ?? bytes.length;
  }

  #submit(operation: StoreOperation, bytes: Uint8Array, offset: number): Promise<string | null> {
    return new Promise((resolve) => {
      const request = new StoreRequest();
      request.operation = operation;
      request.offset = offset;
      request.length = bytes.length;
      request.places = new Places();
      if (bytes.length > 0) request.places.add(bytes, 0, bytes.length);
      request.completed = ({ error }) => resolve(error && (FAILURE_TEXT[error.failure] ?? "Input/output error"));
      this.#store.submit(request);
    });
  }
}

// Knows how an open file or block device is read and written as a store. Knows neither names nor SCSI.
// Node has no fallocate, no lseek(SEEK_HOLE) and no per-write RWF_DSYNC: so FUA is a write and then fdatasync, and where nothing native is
// given there is no discard that gives space back, and no extent is known to be a hole.

import { fdatasync, ftruncate, read, readv, write, writev } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { PageCache } from "@pvscsi/native";
import { type GrowableStore, StoreError, type StoreFeatures, type StoreRequest } from "@pvscsi/scsi";
import { Places, Pool } from "@pvscsi/wire";
import { codeOf, storeError } from "./file-errors.js";
import { findExtents, type Holes } from "./file-extents.js";
import { ZeroRange } from "./zero-range.js";

/** Reads what is in memory, and says how much that is. */
export type ReadCache = Pick<PageCache, "bytes" | "read">;

export interface OpenFile {
  /** For messages. */
  readonly path: string;
  /** The store's own from now on. */
  readonly handle: FileHandle;
  readonly size: number;
  /** False for a block device, whose size is somebody else's. */
  readonly growable: boolean;
  readonly readOnly: boolean;
  /** False when the descriptor is O_DSYNC. */
  readonly writeBack: boolean;
  /** Absent where its file system has no holes, or nothing makes them. */
  readonly holes?: Holes | null;
  readonly cache?: ReadCache | null;
  sizeNow(): Promise<number>;
  /** Called once, when the descriptor is closed. */
  closed(): void;
}

const PAGE = 4096;

/** A store over a descriptor. Reads and writes go straight between the file and the places of the request. */
export class FileStore implements GrowableStore {
  readonly features: StoreFeatures;
  resized: (() => void) | null = null;
  readonly #file: OpenFile;
  readonly #descriptor: number;
  readonly #holes: Holes | null;
  /** Null as well once the file system was found not to tell what is in memory. */
  #cache: ReadCache | null;
  readonly #operations = new Pool(() => this.#makeOperation());
  readonly #active = new Set<Operation>();
  #size: number;
  #closing = false;
  #idle: (() => void) | null = null;
  /** While the file is made longer its size is not looked at: it is told when it is durable, not before. */
  #growing: Promise<void> | null = null;
  /** Written since the last fdatasync began. */
  #dirty = false;
  /** The operations the running fdatasync is for, and those for the next one. */
  #syncing: Operation[] = [];
  #waiting: Operation[] = [];
  #syncRunning = false;
  /** Linux reports lost writes once and then forgets them: after that no flush of this descriptor can be believed. */
  #lost: StoreError | null = null;

  constructor(file: OpenFile) {
    this.#file = file;
    this.#descriptor = file.handle.fd;
    this.#size = file.size;
    const { readOnly, writeBack, holes = null, cache = null } = file;
    this.#holes = holes;
    this.#cache = cache;
    this.features = { readOnly, writeBack, discard: holes !== null, optimalIo: PAGE };
  }

  get size(): number {
    return this.#size;
  }

  submit(request: StoreRequest): void {
    const { operation, offset, length } = request;
    const refused = this.#refusal(request);
    if (refused !== null) return request.end(refused);
    switch (operation) {
      case "flush":
        if (!this.#dirty && !this.#syncRunning) return request.end(this.#lost);
        return this.#sync(this.#take(request));
      case "extents":
        if (this.#holes !== null && length > 0) return this.#findExtents(this.#take(request), this.#holes);
        request.extents = [{ offset, length, state: "data" }];
        return request.end(null);
      case "read":
        if (length === 0 || this.#readCached(request)) return request.end(null);
        return this.#transfer(this.#take(request));
      case "write":
        if (length === 0) return request.end(null);
        return this.#transfer(this.#take(request));
      case "discard":
        if (length === 0) return request.end(null);
        return this.#discard(this.#take(request));
      case "write-zeroes":
        if (length === 0) return request.end(null);
        return this.#zero(this.#take(request));
    }
  }

  /** Stops before the next piece of a long request; what the kernel has is not taken back. */
  cancel(request: StoreRequest): void {
    for (const operation of this.#active) {
      if (operation.request === request) operation.cancelled = true;
    }
  }

  /** Looks whether the file has another size now; calls `resized` if so. */
  async refresh(): Promise<void> {
    if (this.#closing || this.#growing !== null) return;
    const before = this.#size;
    const size = await this.#file.sizeNow();
    // What was asked before it grew may be answered afterwards.
    if (this.#growing === null && this.#size === before) this.#tell(size);
  }

  #tell(size: number): void {
    if (size === this.#size || this.#closing) return;
    this.#size = size;
    this.resized?.();
  }

  /** One at a time: who grows it while it is growing is refused. */
  async grow(size: number): Promise<void> {
    const refused = (reason: string) => new StoreError("hardware", `${this.#file.path}: ${reason}`);
    if (this.#closing) throw refused("it was closed");
    if (!this.#file.growable) throw refused("it is a block device, which grows by other means and is then noticed");
    if (this.features.readOnly) throw new StoreError("read-only", `${this.#file.path} is open read-only`);
    if (this.#growing !== null) throw refused("its size is being changed already");
    this.#growing = this.#lengthen(size);
    try {
      await this.#growing;
    } finally {
      this.#growing = null;
    }
    this.#tell(size);
  }

  async #lengthen(size: number): Promise<void> {
    const { path, handle } = this.#file;
    const before = await this.#file.sizeNow();
    // Somebody else may have made it longer since it was looked at: truncate would cut that off.
    if (before > size) throw new StoreError("hardware", `${path}: it has ${before} bytes by now`);
    try {
      await handle.truncate(size);
    } catch (error) {
      throw storeError(error, `growing ${path}`);
    }
    try {
      await handle.sync();
    } catch (error) {
      this.#lost ??= storeError(error, `flush of ${path}`);
      await handle.truncate(before).catch(() => {});
      throw storeError(error, `growing ${path}`);
    }
  }

  /** Bytes that are in the file, for one that has other room than its size. Rejects with `StoreError`. */
  async written(): Promise<number> {
    try {
      return (await this.#file.handle.stat()).size;
    } catch (error) {
      throw storeError(error, `the size of ${this.#file.path}`);
    }
  }

  /** Cuts the file off behind `length` bytes, durably. The store's size stays: nothing else may be under way. */
  cut(length: number, done: (error: StoreError | null) => void): void {
    const failed = (error: Error): void => done(storeError(error, `cutting ${this.#file.path}`));
    ftruncate(this.#descriptor, length, (error) => {
      if (error !== null) return failed(error);
      fdatasync(this.#descriptor, (lost) => {
        if (lost === null) return done(null);
        this.#lost ??= storeError(lost, `flush of ${this.#file.path}`);
        done(this.#lost);
      });
    });
  }

  /** Throws `StoreError` when what was written could not be made durable; the descriptor is closed all the same. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#active.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#growing?.catch(() => {});
    try {
      if (this.#dirty) await this.#file.handle.datasync();
    } catch (error) {
      this.#lost ??= storeError(error, `flush of ${this.#file.path}`);
    }
    try {
      await this.#file.handle.close();
    } catch (error) {
      // Network file systems tell only now what they could not write.
      this.#lost ??= storeError(error, `close of ${this.#file.path}`);
    }
    this.#file.closed();
    if (this.#lost !== null) throw this.#lost;
  }

  #refusal({ operation, offset, length }: StoreRequest): StoreError | null {
    if (this.#closing) return new StoreError("hardware", `${operation} after close of ${this.#file.path}`);
    if (operation === "flush") return null;
    if (offset < 0 || offset + length > this.#size) {
      return new StoreError("out-of-range", `${operation} of ${offset}+${length} in ${this.#size} bytes`);
    }
    const writes = operation === "write" || operation === "write-zeroes" || operation === "discard";
    return writes && this.features.readOnly
      ? new StoreError("read-only", `${this.#file.path} is open read-only`)
      : null;
  }

  #makeOperation(): Operation {
    const operation = new Operation();
    operation.transferred = (error, count) => this.#transferred(operation, error, count);
    operation.zeroed = (error) => this.#written(operation, error);
    return operation;
  }

  #take(request: StoreRequest): Operation {
    const operation = this.#operations.take();
    operation.request = request;
    operation.done = 0;
    operation.cancelled = false;
    this.#active.add(operation);
    return operation;
  }

  /** Whether all of a read is there without waiting: a thread would take longer than that, twice over. */
  #readCached({ offset, length, places }: StoreRequest): boolean {
    const cache = this.#cache;
    if (cache === null || length > cache.bytes.length) return false;
    const count = cache.read(this.#descriptor, offset, length);
    if (count < 0) this.#cache = null;
    if (count !== length) return false;
    places.write(cache.bytes);
    return true;
  }

  /** Begins what is left of a read or write. One piece goes without a list: that is the cheaper call. */
  #transfer(operation: Operation): void {
    const { request, done } = operation;
    const reads = request.operation === "read";
    let { places } = request;
    if (done > 0) {
      operation.rest.select(places, done, request.length - done);
      places = operation.rest;
    }
    const position = request.offset + done;
    if (places.count === 1) {
      const [page, offset, size] = [places.page(0), places.offset(0), places.size(0)];
      if (reads) read(this.#descriptor, page, offset, size, position, operation.transferred);
      else write(this.#descriptor, page, offset, size, position, operation.transferred);
      return;
    }
    operation.views.length = places.count;
    for (let i = 0; i < places.count; i++) operation.views[i] = places.view(i);
    const call = reads ? readv : writev;
    call(this.#descriptor, operation.views, position, operation.transferred);
  }

  #transferred(operation: Operation, error: Error | null, count: number): void {
    const { request } = operation;
    const writes = request.operation === "write";
    if (writes) this.#dirty = this.features.writeBack;
    const at = request.offset + operation.done;
    // libuv repeats every call that a signal interrupts, but not reads.
    if (codeOf(error) === "EINTR" && !operation.cancelled) return this.#transfer(operation);
    if (error !== null) return this.#end(operation, storeError(error, this.#what(request, at), at));
    if (count === 0) return this.#ended(operation, at);
    operation.done += count;
    if (operation.done < request.length) {
      if (operation.cancelled) return this.#end(operation, new StoreError("cancelled", this.#what(request, at)));
      return this.#transfer(operation);
    }
    if (writes) this.#written(operation, null);
    else this.#end(operation, null);
  }

  /** Someone made the file shorter than it was when its size was read. */
  #ended(operation: Operation, at: number): void {
    this.#end(
      operation,
      new StoreError("medium", `${this.#what(operation.request, at)}: the file ends there`, { offset: at }),
    );
  }

  #zero(operation: Operation): void {
    operation.zeroes ??= new ZeroRange();
    operation.zeroes.begin(this.#descriptor, operation, operation.zeroed);
  }

  #discard(operation: Operation): void {
    if (this.#holes === null) return this.#zero(operation);
    const { offset, length } = operation.request;
    this.#holes.punch(this.#descriptor, offset, length, (error) => {
      if (codeOf(error) === "EINTR" && !operation.cancelled) return this.#discard(operation);
      // O_DSYNC is of writes only.
      if (error === null && !this.features.writeBack) return this.#sync(operation);
      this.#written(operation, error);
    });
  }

  #findExtents(operation: Operation, holes: Holes): void {
    findExtents(holes, this.#descriptor, operation.request, (extents) => {
      operation.request.extents = extents;
      this.#end(operation, null);
    });
  }

  /** A write, write-zeroes or discard has come to its end: durable now, or after one more fdatasync. */
  #written(operation: Operation, error: Error | null): void {
    const { request } = operation;
    this.#dirty = this.features.writeBack;
    if (error instanceof StoreError) return this.#end(operation, error);
    if (error !== null)
      return this.#end(operation, storeError(error, this.#what(request, request.offset), request.offset));
    if (request.fua && this.features.writeBack) this.#sync(operation);
    else this.#end(operation, null);
  }

  /** Joins the next fdatasync: one that runs already may have begun before this operation's writes completed. */
  #sync(operation: Operation): void {
    this.#waiting.push(operation);
    if (!this.#syncRunning) this.#beginSync();
  }

  #beginSync(): void {
    const next = this.#syncing;
    this.#syncing = this.#waiting;
    this.#waiting = next;
    this.#syncRunning = true;
    this.#dirty = false;
    fdatasync(this.#descriptor, this.#synced);
  }

  readonly #synced = (error: Error | null): void => {
    if (error !== null) this.#lost ??= storeError(error, `flush of ${this.#file.path}`);
    for (const operation of this.#syncing) this.#end(operation, this.#lost);
    this.#syncing.length = 0;
    this.#syncRunning = false;
    if (this.#waiting.length > 0) this.#beginSync();
  };

  #end(operation: Operation, error: StoreError | null): void {
    const { request } = operation;
    operation.forget();
    this.#active.delete(operation);
    this.#operations.giveBack(operation);
    request.end(error);
    if (this.#idle !== null && this.#active.size === 0) this.#idle();
  }

  #what({ operation }: StoreRequest, at: number): string {
    return `${operation} at byte ${at} of ${this.#file.path}`;
  }
}

/** One request under way, with the callbacks that are made once. */
class Operation {
  pooled = true;
  request!: StoreRequest;
  /** Bytes moved so far. */
  done = 0;
  cancelled = false;
  readonly rest = new Places();
  readonly views: Uint8Array[] = [];
  zeroes: ZeroRange | null = null;
  transferred: (error: Error | null, count: number) => void = () => {};
  zeroed: (error: Error | null) => void = () => {};

  /** Lets go of the pages it pointed to. */
  forget(): void {
    this.views.length = 0;
    this.rest.clear();
  }
}

// Knows the seam between a logical unit and what keeps its bytes. Knows neither SCSI nor files.

import type { Places } from "@pvscsi/wire";
import { noPlaces } from "./task.js";

/** "change-key" leaves nothing of the bytes that can be read, and only a store that says so takes it. */
export type StoreOperation = "read" | "write" | "flush" | "discard" | "write-zeroes" | "extents" | "change-key";

/** Why a store could not do it; the logical unit turns it into sense data in one place. */
export type StoreFailure =
  | "medium" // these bytes cannot be read or written
  | "hardware" // the store itself fails
  | "no-space" // a thin store is full
  | "no-memory" // nothing is wrong with the store: there was no memory for the request
  | "read-only"
  | "out-of-range"
  | "cancelled";

/** A failed request. `offset` is the first byte it could not serve, where that is known. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly failure: StoreFailure;
  readonly offset: number | undefined;

  constructor(failure: StoreFailure, message: string, options: { offset?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.failure = failure;
    this.offset = options.offset;
  }
}

/** A run of bytes that are all backed, or all not (reading those gives zeros). */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly state: "data" | "hole";
}

/** One operation on a store, as a pooled record that comes back by `completed`, perhaps before `submit` returns. */
export class StoreRequest {
  pooled = true;
  operation: StoreOperation = "read";
  /** Bytes from the start of the store; unused by "flush" and "change-key". */
  offset = 0;
  /** Bytes; for "read" and "write" the same as `places.length`. */
  length = 0;
  /** Where the data goes to or comes from; lent until `completed`. */
  places: Places = noPlaces;
  /** For "write", "write-zeroes" and "discard": completed means durable. */
  fua = false;
  /** The answer to "extents": in order, without gaps, from `offset` on; at least one. It may stop before the end. */
  extents: readonly Extent[] = [];
  /** Null when it succeeded. */
  error: StoreError | null = null;
  completed: (request: StoreRequest) => void = () => {};
  /** The submitter's own record for this request. */
  context: unknown = null;

  /** Ends it; stores call this exactly once. */
  end(error: StoreError | null): void {
    this.error = error;
    this.completed(this);
  }
}

export interface StoreFeatures {
  readonly readOnly: boolean;
  /** True when a completed write may be lost by a power failure until a flush. */
  readonly writeBack: boolean;
  /** "discard" gives space back; what was discarded reads as zeros. */
  readonly discard: boolean;
  /** The size of write that is natural to it, in bytes; 0 when it has none. */
  readonly optimalIo: number;
  /**
   * The longest "write", in bytes, of which whoever reads sees all or nothing: meanwhile, when it fails or is cancelled, and
   * after a loss of power. Absent where none is promised.
   */
  readonly atomicWrite?: number;
  /** "change-key": all bytes are encrypted, and by another key nobody reads what was written; zeros of holes stay. */
  readonly changesKey?: boolean;
}

/**
 * Bytes that can be read and written. Requests may complete in any order and at any time, also inside `submit`;
 * only "flush" orders: it covers every write that completed before it was submitted.
 */
export interface ByteStore {
  /** Bytes; changes only together with a call of `resized`. */
  readonly size: number;
  readonly features: StoreFeatures;
  /** Called after `size` has changed; set by the one who uses the store. */
  resized: (() => void) | null;
  submit(request: StoreRequest): void;
  /** Asks that a request end soon, with "cancelled" where it has not begun. It still ends exactly once. */
  cancel(request: StoreRequest): void;
  /** Ends when everything under way has ended and all is durable. */
  close(): Promise<void>;
}

/** A store that can be made longer while it is used. */
export interface GrowableStore extends ByteStore {
  /**
   * Makes it `size` bytes long, which is not less than it has; the new ones read as zeros. They are there durably before
   * `size` changes. Throws `StoreError`, and has the size it had then.
   */
  grow(size: number): Promise<void>;
}

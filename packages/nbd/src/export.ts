// Knows what is exported: a store under a name, with the flags and block sizes a client is told.

import { type ByteStore, type StoreError, type StoreFailure, StoreRequest } from "@pvscsi/scsi";
import { assert, heapPages, PagePool, type PageSource, Pool } from "@pvscsi/wire";
import { MAX_STRING } from "./abi/handshake.js";
import { ERRORS, type NbdError, TransmissionFlag } from "./abi/transmission.js";
import { NbdRequest } from "./request.js";
import { encodeText } from "./text.js";

export interface NbdExportOptions {
  readonly name: string;
  readonly store: ByteStore;
  /** A line for people who list the exports. */
  readonly description?: string;
  /** Refuses writes although the store could take them. */
  readonly readOnly?: boolean;
  /** Offsets and lengths are multiples of this many bytes, a power of two up to 65536; 1 by default. */
  readonly minimumBlock?: number;
  /** The longest read or write in bytes; 32 MiB by default, which every client may assume. */
  readonly maximumPayload?: number;
  /** Where the data of requests lies; the heap by default. */
  readonly memory?: PageSource;
}

/** A payload up to here is never taken for an attack ("Size constraints"). */
export const CUSTOMARY_PAYLOAD = 32 * 1024 * 1024;
const CUSTOMARY_BLOCK = 4096;

/** A store as clients see it, with the pools its requests live in; shared by all connections to it. */
export class NbdExport {
  readonly name: string;
  readonly description: string;
  readonly store: ByteStore;
  readonly readOnly: boolean;
  readonly minimumBlock: number;
  readonly maximumPayload: number;
  readonly pages: PagePool;
  readonly requests: Pool<NbdRequest>;

  constructor(options: NbdExportOptions) {
    this.name = options.name;
    this.description = options.description ?? "";
    this.store = options.store;
    this.readOnly = (options.readOnly ?? false) || options.store.features.readOnly;
    this.minimumBlock = options.minimumBlock ?? 1;
    this.maximumPayload = options.maximumPayload ?? CUSTOMARY_PAYLOAD;
    this.pages = new PagePool(options.memory ?? heapPages);
    this.requests = new Pool(() => new NbdRequest(new StoreRequest()));
    assert(encodeText(this.name).length <= MAX_STRING, "the name of an export is at most 4096 bytes");
    assert(isPowerOfTwo(this.minimumBlock) && this.minimumBlock <= 65536, `minimum block ${this.minimumBlock}`);
    assert(this.maximumPayload >= this.preferredBlock, `maximum payload ${this.maximumPayload}`);
  }

  /** Bytes a client can reach: whole minimum blocks. */
  get size(): number {
    return this.store.size - (this.store.size % this.minimumBlock);
  }

  /** A power of two, at least the minimum block and 512. */
  get preferredBlock(): number {
    const optimal = this.store.features.optimalIo;
    const fits = isPowerOfTwo(optimal) && optimal >= 512 && optimal <= this.maximumPayload;
    return Math.max(this.minimumBlock, fits ? optimal : CUSTOMARY_BLOCK);
  }

  /** The transmission flags for a client that has, or has not, negotiated structured replies. */
  flags(structured: boolean): number {
    const flag = TransmissionFlag;
    // All connections share one store, and its flush covers every write that completed before: several are safe.
    let flags = flag.hasFlags | flag.canMultiConn | flag.sendFlush | flag.sendFua | flag.sendCache;
    if (structured) flags |= flag.sendDf;
    if (this.readOnly) return flags | flag.readOnly;
    flags |= flag.sendWriteZeroes | flag.sendFastZero;
    return this.store.features.discard ? flags | flag.sendTrim : flags;
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

/** What a client is told when the store failed. */
const STORE_FAILURES: { readonly [Failure in StoreFailure]: NbdError } = {
  medium: ERRORS.EIO,
  hardware: ERRORS.EIO,
  "no-space": ERRORS.ENOSPC,
  "no-memory": ERRORS.ENOMEM,
  "read-only": ERRORS.EPERM,
  "out-of-range": ERRORS.EINVAL,
  cancelled: ERRORS.ESHUTDOWN,
};

export function nbdError(error: StoreError): NbdError {
  return STORE_FAILURES[error.failure];
}

// Knows the bytes of NBD's transmission phase, and the tables of its commands, flags and errors. All fields are big
// endian. Cookies are opaque, and offsets come from a peer and may be above 2^53: both are halves of 32 bits here.

import { struct, u16be, u32be, u64be } from "@pvscsi/wire";

export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

export const Request = struct("nbd_request", 28, {
  magic: u32be(0),
  flags: u16be(4), // CommandFlag
  type: u16be(6), // COMMANDS
  cookieHigh: u32be(8),
  cookieLow: u32be(12),
  offsetHigh: u32be(16),
  offsetLow: u32be(20),
  length: u32be(24),
});

export const SimpleReply = struct("nbd_simple_reply", 16, {
  magic: u32be(0),
  error: u32be(4), // ERRORS
  cookieHigh: u32be(8),
  cookieLow: u32be(12),
});

export const StructuredReply = struct("nbd_structured_reply", 20, {
  magic: u32be(0),
  flags: u16be(4), // ChunkFlag
  type: u16be(6), // ChunkType
  cookieHigh: u32be(8),
  cookieLow: u32be(12),
  length: u32be(16), // bytes of payload
});

/** Payload of an OFFSET_DATA chunk; the data follows. */
export const OffsetData = struct("nbd_reply_offset_data", 8, {
  offset: u64be(0),
});

/** Payload of a BLOCK_STATUS chunk; one or more descriptors follow. */
export const BlockStatus = struct("nbd_reply_block_status", 4, {
  contextId: u32be(0),
});

export const BlockDescriptor = struct("nbd_block_descriptor", 8, {
  length: u32be(0),
  status: u32be(4), // AllocationFlag
});

/** Payload of both error chunks; the message follows, and behind it for ERROR_OFFSET the offset. */
export const ErrorChunk = struct("nbd_reply_error", 6, {
  error: u32be(0), // ERRORS
  messageLength: u16be(4),
});

/** The end of an ERROR_OFFSET chunk. */
export const ErrorOffset = struct("nbd_reply_error_offset", 8, {
  offset: u64be(0),
});

/** What an export can do, told in the handshake. */
export const TransmissionFlag = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  rotational: 1 << 4,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDf: 1 << 7,
  canMultiConn: 1 << 8,
  sendCache: 1 << 10,
  sendFastZero: 1 << 11,
} as const;

export const CommandFlag = {
  fua: 1 << 0,
  noHole: 1 << 1,
  df: 1 << 2,
  reqOne: 1 << 3,
  fastZero: 1 << 4,
} as const;

export const ChunkFlag = { done: 1 << 0 } as const;

export const ChunkType = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorOffset: 0x8002,
} as const;

/** Flags of the `base:allocation` metadata context. */
export const AllocationFlag = { hole: 1 << 0, zero: 1 << 1 } as const;
export const BASE_ALLOCATION = "base:allocation";

/** One error a reply may carry. */
export interface NbdError {
  readonly name: string;
  readonly code: number;
  /** What a structured error chunk says to a person. */
  readonly message: string;
}

export const ERRORS = {
  EPERM: { name: "EPERM", code: 1, message: "operation not permitted" },
  EIO: { name: "EIO", code: 5, message: "input/output error" },
  ENOMEM: { name: "ENOMEM", code: 12, message: "cannot allocate memory" },
  EINVAL: { name: "EINVAL", code: 22, message: "invalid argument" },
  ENOSPC: { name: "ENOSPC", code: 28, message: "no space left on device" },
  EOVERFLOW: { name: "EOVERFLOW", code: 75, message: "value too large" },
  ENOTSUP: { name: "ENOTSUP", code: 95, message: "operation not supported" },
  ESHUTDOWN: { name: "ESHUTDOWN", code: 108, message: "server is being shut down" },
} as const satisfies Record<string, NbdError>;

/** What the protocol says about a command, whoever executes it. */
export interface CommandRow {
  readonly name: string;
  readonly type: number;
  /** The command flags it may have; FUA is allowed on all of them. */
  readonly flags: number;
  /** The transmission flag that has to be advertised before a client may send it; 0 for none. */
  readonly needs: number;
  readonly writes: boolean;
  /** Whether `length` bytes of data travel with it, and which way. */
  readonly payload: "none" | "to-server" | "to-client";
  /** The error for a range that leaves the export; null when offset and length have to be zero. */
  readonly beyondEnd: NbdError | null;
}

const { fua, noHole, df, reqOne, fastZero } = CommandFlag;
const { sendFlush, sendTrim, sendCache, sendWriteZeroes } = TransmissionFlag;

function command(
  type: number,
  name: string,
  flags: number,
  rest: Pick<CommandRow, "beyondEnd"> & Partial<CommandRow>,
): CommandRow {
  return { name, type, flags: flags | fua, needs: 0, writes: false, payload: "none", ...rest };
}

/** Every command of the protocol by its type; its place in the list is its number. */
export const COMMANDS: readonly CommandRow[] = [
  command(0, "READ", df, { payload: "to-client", beyondEnd: ERRORS.EINVAL }),
  command(1, "WRITE", 0, { writes: true, payload: "to-server", beyondEnd: ERRORS.ENOSPC }),
  command(2, "DISC", 0, { beyondEnd: null }),
  command(3, "FLUSH", 0, { needs: sendFlush, beyondEnd: null }),
  command(4, "TRIM", 0, { needs: sendTrim, writes: true, beyondEnd: ERRORS.EINVAL }),
  command(5, "CACHE", 0, { needs: sendCache, beyondEnd: ERRORS.EINVAL }),
  command(6, "WRITE_ZEROES", noHole | fastZero, { needs: sendWriteZeroes, writes: true, beyondEnd: ERRORS.ENOSPC }),
  command(7, "BLOCK_STATUS", reqOne, { beyondEnd: ERRORS.EINVAL }),
];

export const CommandType = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

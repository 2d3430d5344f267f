// Knows the bytes of NBD's fixed newstyle handshake (doc/proto.md of the reference implementation), and the names of
// its numbers. All fields are big endian.

import { pad, struct, u16be, u32be, u64be } from "@pvscsi/wire";

/** ASCII "NBDMAGIC" and "IHAVEOPT"; as halves, being wider than a number. */
export const MAGIC = { high: 0x4e42444d, low: 0x41474943 } as const;
export const OPTION_MAGIC = { high: 0x49484156, low: 0x454f5054 } as const;
export const OPTION_REPLY_MAGIC = 0x3e889045565a9;

/** The first bytes of a session, from the server. */
export const Greeting = struct("nbd_greeting", 18, {
  magicHigh: u32be(0),
  magicLow: u32be(4),
  optionMagicHigh: u32be(8),
  optionMagicLow: u32be(12),
  flags: u16be(16), // HandshakeFlag
});

/** The client's answer to the greeting. */
export const GreetingReply = struct("nbd_greeting_reply", 4, {
  flags: u32be(0), // HandshakeFlag, the same bits
});

/** In front of every option's data, from the client. */
export const OptionHeader = struct("nbd_option", 16, {
  magicHigh: u32be(0),
  magicLow: u32be(4),
  option: u32be(8), // OptionType
  length: u32be(12), // bytes of data that follow
});

/** In front of every reply's data, from the server. */
export const OptionReply = struct("nbd_option_reply", 20, {
  magic: u64be(0),
  option: u32be(8), // echoed
  type: u32be(12), // ReplyType
  length: u32be(16), // bytes of data that follow
});

/** The answer to EXPORT_NAME, which has no reply header; the zeroes are left out where both said NO_ZEROES. */
export const ExportNameReply = struct("nbd_export_name_reply", 134, {
  exportSize: u64be(0),
  flags: u16be(8), // TransmissionFlag
  zeroes: pad(10, 124),
});
export const EXPORT_NAME_REPLY_SHORT = 10;

/** Data of REP_SERVER; the name follows, and what is left is a description. */
export const ServerReply = struct("nbd_rep_server", 4, {
  nameLength: u32be(0),
});

/** Data of REP_META_CONTEXT; the context's name follows. */
export const MetaContextReply = struct("nbd_rep_meta_context", 4, {
  contextId: u32be(0),
});

/** Data of REP_INFO with INFO_EXPORT. */
export const InfoExport = struct("nbd_info_export", 12, {
  type: u16be(0), // InfoType.export
  exportSize: u64be(2),
  flags: u16be(10), // TransmissionFlag
});

/** Data of REP_INFO with INFO_BLOCK_SIZE. */
export const InfoBlockSize = struct("nbd_info_block_size", 14, {
  type: u16be(0), // InfoType.blockSize
  minimum: u32be(2),
  preferred: u32be(6),
  maximumPayload: u32be(10),
});

/** Data of REP_INFO with INFO_NAME or INFO_DESCRIPTION; the text follows. */
export const InfoText = struct("nbd_info_text", 2, {
  type: u16be(0), // InfoType.name or InfoType.description
});

/** Flags of the greeting; the client answers with the same bits. */
export const HandshakeFlag = {
  fixedNewstyle: 1 << 0,
  noZeroes: 1 << 1,
} as const;

export const OptionType = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const ReplyType = {
  acknowledge: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errorUnsupported: 0x8000_0001,
  errorPolicy: 0x8000_0002,
  errorInvalid: 0x8000_0003,
  errorPlatform: 0x8000_0004,
  errorTlsRequired: 0x8000_0005,
  errorUnknown: 0x8000_0006,
  errorShutdown: 0x8000_0007,
  errorBlockSizeRequired: 0x8000_0008,
  errorTooBig: 0x8000_0009,
} as const;

export const InfoType = {
  export: 0,
  name: 1,
  description: 2,
  blockSize: 3,
} as const;

/** Strings of the protocol are UTF-8 of at most this many bytes. */
export const MAX_STRING = 4096;

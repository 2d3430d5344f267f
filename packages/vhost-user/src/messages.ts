// Knows the messages of vhost-user (QEMU's docs/interop/vhost-user): one table for the reader, the printer and what is
// supported. Numbers are in the byte order of the machine, which is little endian wherever this runs.

import { struct, u32, u64 } from "@pvscsi/wire";

/** In front of every message and every reply. */
export const MessageHeader = struct("vhost_user_header", 12, {
  request: u32(0),
  flags: u32(4),
  size: u32(8), // bytes of payload
});

export const VERSION = 1;
export const VERSION_MASK = 3;
export const FLAG_REPLY = 4;
export const FLAG_NEED_REPLY = 8;

export const Value = struct("vhost_user_u64", 8, { low: u32(0), high: u32(4) });

export const VringState = struct("vhost_vring_state", 8, { index: u32(0), num: u32(4) });

/** The addresses are those of the front end's own process. */
export const VringAddress = struct("vhost_vring_addr", 40, {
  index: u32(0),
  flags: u32(4), // bit 0: log writes
  descriptors: u64(8),
  used: u64(16),
  available: u64(24),
  log: u64(32),
});

export const MemoryTable = struct("vhost_user_memory", 8, { regions: u32(0), padding: u32(4) });

export const MemoryRegion = struct("vhost_user_memory_region", 32, {
  guestAddress: u64(0),
  size: u64(8),
  userAddress: u64(16),
  fileOffset: u64(24),
});

export const MAX_REGIONS = 8;

export const ConfigRange = struct("vhost_user_config", 12, {
  offset: u32(0),
  size: u32(4), // bytes of data that follow
  flags: u32(8),
});

export const MAX_CONFIG = 256;

/** Bit 30 of the features: the protocol has features of its own, and rings are disabled at first. */
export const F_PROTOCOL_FEATURES = 1n << 30n;

export const ProtocolFeature = {
  multipleQueues: 1n << 0n,
  replyAcknowledge: 1n << 3n,
  config: 1n << 9n,
  resetDevice: 1n << 13n,
} as const;

/** How a message of a vring descriptor names its ring: bits 0 to 7, and bit 8 where there is none. */
export const VRING_INDEX = 0xff;
export const VRING_NO_DESCRIPTOR = 0x100;

export interface MessageKind {
  readonly id: number;
  /** QEMU's name without VHOST_USER_. */
  readonly name: string;
  readonly payload: "none" | "value" | "state" | "address" | "memory" | "config";
  /** Descriptors that may come with it. */
  readonly descriptors: number;
  /** Whether it has an answer of its own, which no acknowledgement follows. */
  readonly answered: boolean;
}

function kind(
  id: number,
  name: string,
  payload: MessageKind["payload"] = "none",
  { descriptors = 0, answered = false }: Partial<Pick<MessageKind, "descriptors" | "answered">> = {},
): MessageKind {
  return { id, name, payload, descriptors, answered };
}

const ANSWERED = { answered: true };

/** Everything that is understood here. */
export const MESSAGES = {
  getFeatures: kind(1, "GET_FEATURES", "none", ANSWERED),
  setFeatures: kind(2, "SET_FEATURES", "value"),
  setOwner: kind(3, "SET_OWNER"),
  resetOwner: kind(4, "RESET_OWNER"),
  setMemoryTable: kind(5, "SET_MEM_TABLE", "memory", { descriptors: MAX_REGIONS }),
  setVringNum: kind(8, "SET_VRING_NUM", "state"),
  setVringAddress: kind(9, "SET_VRING_ADDR", "address"),
  setVringBase: kind(10, "SET_VRING_BASE", "state"),
  getVringBase: kind(11, "GET_VRING_BASE", "state", ANSWERED),
  setVringKick: kind(12, "SET_VRING_KICK", "value", { descriptors: 1 }),
  setVringCall: kind(13, "SET_VRING_CALL", "value", { descriptors: 1 }),
  setVringError: kind(14, "SET_VRING_ERR", "value", { descriptors: 1 }),
  getProtocolFeatures: kind(15, "GET_PROTOCOL_FEATURES", "none", ANSWERED),
  setProtocolFeatures: kind(16, "SET_PROTOCOL_FEATURES", "value"),
  getQueueNum: kind(17, "GET_QUEUE_NUM", "none", ANSWERED),
  setVringEnable: kind(18, "SET_VRING_ENABLE", "state"),
  getConfig: kind(24, "GET_CONFIG", "config", ANSWERED),
  setConfig: kind(25, "SET_CONFIG", "config"),
  resetDevice: kind(34, "RESET_DEVICE"),
} as const satisfies { readonly [name: string]: MessageKind };

export type MessageName = keyof typeof MESSAGES;

const BY_ID = new Map(Object.entries(MESSAGES).map(([name, { id }]) => [id, name as MessageName]));

export function messageName(id: number): MessageName | undefined {
  return BY_ID.get(id);
}

/** Whether a payload of `size` bytes can be one of that kind. */
export function fits({ payload }: MessageKind, size: number): boolean {
  switch (payload) {
    case "none":
      return size === 0;
    case "value":
      return size === Value.size;
    case "state":
      return size === VringState.size;
    case "address":
      return size === VringAddress.size;
    case "memory":
      return size >= MemoryTable.size && (size - MemoryTable.size) % MemoryRegion.size === 0;
    case "config":
      return size >= ConfigRange.size;
  }
}

/** The longest payload there is: the configuration, or eight regions. */
export const MAX_PAYLOAD = Math.max(MemoryTable.size + MAX_REGIONS * MemoryRegion.size, ConfigRange.size + MAX_CONFIG);

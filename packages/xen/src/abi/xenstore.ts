// Knows xen/io/xs_wire.h: what xenstored's messages and its shared ring look like. Knows no store behind them.

import { bytes, struct, u32 } from "@pvscsi/wire";

/** Message types (XS_*). 20 was RESTRICT and is refused like any unknown type. */
export const XS = {
  CONTROL: 0,
  DIRECTORY: 1,
  READ: 2,
  GET_PERMS: 3,
  WATCH: 4,
  UNWATCH: 5,
  TRANSACTION_START: 6,
  TRANSACTION_END: 7,
  INTRODUCE: 8,
  RELEASE: 9,
  GET_DOMAIN_PATH: 10,
  WRITE: 11,
  MKDIR: 12,
  RM: 13,
  SET_PERMS: 14,
  WATCH_EVENT: 15,
  ERROR: 16,
  IS_DOMAIN_INTRODUCED: 17,
  RESUME: 18,
  SET_TARGET: 19,
  RESET_WATCHES: 21,
  DIRECTORY_PART: 22,
} as const;

/** XS_TYPE_COUNT: types from here on answer ENOSYS. */
export const XS_TYPE_COUNT = 23;

/** The header of every message; `len` bytes of payload follow. Little endian, as on x86. */
export const XsdSockmsg = struct("xsd_sockmsg", 16, {
  type: u32(0), // one of XS
  reqId: u32(4), // echoed in the reply; 0 in watch events
  txId: u32(8), // 0 outside of transactions
  len: u32(12), // bytes of payload, at most XENSTORE_PAYLOAD_MAX
});

/** The page through which a domain talks to xenstored: two byte streams with free-running indices. */
export const XenstoreDomainInterface = struct("xenstore_domain_interface", 2076, {
  req: bytes(0, 1024),
  rsp: bytes(1024, 1024),
  reqCons: u32(2048),
  reqProd: u32(2052),
  rspCons: u32(2056),
  rspProd: u32(2060),
  serverFeatures: u32(2064), // bits: 1 reconnection, 2 error
  connection: u32(2068), // 0 connected, 1 reconnect
  error: u32(2072), // 0 none, 1 communication, 2 ring index, 3 protocol
});

export const XENSTORE_PAYLOAD_MAX = 4096;
/** Characters of a path below a domain's home. */
export const XENSTORE_REL_PATH_MAX = 2048;

/** What an ERROR reply names, with Linux's numbers, in the order of xsd_errors[]. */
export const XsdErrno = {
  EINVAL: 22,
  EACCES: 13,
  EEXIST: 17,
  EISDIR: 21,
  ENOENT: 2,
  ENOMEM: 12,
  ENOSPC: 28,
  EIO: 5,
  ENOTEMPTY: 39,
  ENOSYS: 38,
  EROFS: 30,
  EBUSY: 16,
  EAGAIN: 11,
  EISCONN: 106,
  E2BIG: 7,
  EPERM: 1,
} as const;

// Knows xen/io/vscsiif.h: every byte and constant of the PVSCSI ring. All structs are the same on 32- and 64-bit x86.

import { array, bytes, i32, pad, struct, u8, u16, u32 } from "@pvscsi/wire";

/** VSCSIIF_SG_TABLESIZE: segments in a request itself. */
export const VSCSIIF_SG_TABLESIZE = 26;
/** VSCSIIF_SG_LIST_SIZE: segments in one entry of the deprecated preset form. */
export const VSCSIIF_SG_LIST_SIZE = 31;
export const VSCSIIF_MAX_COMMAND_SIZE = 16;
export const VSCSIIF_SENSE_BUFFERSIZE = 96;
export const VSCSIIF_PAGE_SIZE = 4096;
/** Descriptors of a page full of indirect segments. */
export const VSCSIIF_SG_PER_PAGE = 512;
/** Bit of `segmentCount`: the segments point to pages of descriptors instead of data. */
export const VSCSIIF_SG_GRANT = 0x80;

/** Values of `act` (VSCSIIF_ACT_*). */
export const VscsiifAct = {
  scsiCdb: 1,
  scsiAbort: 2,
  scsiReset: 3,
  /** Deprecated; the number is never used again. */
  scsiSgPreset: 4,
} as const;

/** Values of `dataDirection`. */
export const VscsiifDirection = { bidirectional: 0, toDevice: 1, fromDevice: 2, none: 3 } as const;

/** The whole `rslt` of an answered abort or reset (XEN_VSCSIIF_RSLT_RESET_*). */
export const VscsiifReset = { success: 0x2002, failed: 0x2003 } as const;

/** The `rslt` of a CDB: host (XEN_VSCSIIF_RSLT_HOST_*, Linux's DID_*) in bits 16 to 23, status in bits 0 to 7. */
export function vscsiifResult(host: number, status: number): number {
  return (host << 16) | status;
}

/** XEN_VSCSIIF_RSLT_HOST. */
export function vscsiifResultHost(rslt: number): number {
  return (rslt >>> 16) & 0xff;
}

/** XEN_VSCSIIF_RSLT_STATUS. */
export function vscsiifResultStatus(rslt: number): number {
  return rslt & 0xff;
}

/** A piece of a granted page: of data, or of a page of descriptors. */
export const ScsiifSegment = struct("scsiif_request_segment", 8, {
  gref: u32(0),
  offset: u16(4), // offset + length is at most 4096
  length: u16(6),
});

export const VscsiifRequest = struct("vscsiif_request", 252, {
  rqid: u16(0), // private to the front end; echoed
  act: u8(2), // one of VscsiifAct
  cmdLen: u8(3), // valid bytes of cmnd, 0 to 16
  cmnd: bytes(4, VSCSIIF_MAX_COMMAND_SIZE),
  timeout: u16(20), // deprecated; seconds, 0 is the default
  channel: u16(22),
  id: u16(24),
  lun: u16(26), // a plain number, not a SAM LUN structure
  refRqid: u16(28), // the request to abort
  dataDirection: u8(30), // one of VscsiifDirection
  segmentCount: u8(31), // bits 0 to 6, with VSCSIIF_SG_GRANT in bit 7
  segments: array(32, VSCSIIF_SG_TABLESIZE, ScsiifSegment),
  reserved: pad(240, 12),
});

export const VscsiifResponse = struct("vscsiif_response", 252, {
  rqid: u16(0), // of the request
  act: u8(2), // deprecated
  senseLen: u8(3), // valid bytes of senseBuffer
  senseBuffer: bytes(4, VSCSIIF_SENSE_BUFFERSIZE),
  rslt: i32(100), // vscsiifResult() of a CDB, one of VscsiifReset for the rest
  residualLen: u32(104), // bytes not transferred
  reserved: pad(108, 144),
});

/** The deprecated preset form of a request: segments that belong to a later one. */
export const VscsiifSgList = struct("vscsiif_sg_list", 252, {
  rqid: u16(0),
  act: u8(2),
  segmentCount: u8(3),
  segments: array(4, VSCSIIF_SG_LIST_SIZE, ScsiifSegment),
});

/** Bytes from one ring entry to the next: union vscsiif_sring_entry. 16 of them fill the page to its last byte. */
export const VSCSIIF_ENTRY_SIZE = 252;

// Knows how a page of a vscsiif ring is read where a back end has answered all its requests and left in each slot what a response
// has no word for, as Linux' does: the request is there still, behind its response. Independent of the ring code and the drivers.

import type { Field } from "@pvscsi/wire";
import { SharedRing, VSCSIIF_ENTRY_SIZE, VSCSIIF_SG_GRANT, VscsiifRequest, VscsiifResponse } from "@pvscsi/xen";

const ENTRIES = 16;
const { fields: REQUEST } = VscsiifRequest;
const { fields: RESPONSE } = VscsiifResponse;
/** What lies behind the CDB, as far as it says something in every request. */
const NUMBERS = ["timeout", "channel", "id", "lun", "refRqid", "dataDirection", "segmentCount"] as const;

/** The four index words. */
export interface RingIndices {
  readonly reqProd: number;
  readonly reqEvent: number;
  readonly rspProd: number;
  readonly rspEvent: number;
}

/** A piece of a page; its grant reference is another one in each run. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** A request and its response. Null is what sense data lies over. */
export interface AnsweredSlot {
  readonly rqid: number;
  readonly act: number;
  /** As long as its first byte says (SPC-4 4.2.5.1): the response has its own word where `cmd_len` was. */
  readonly cdb: readonly number[] | null;
  readonly timeout: number | null;
  readonly channel: number | null;
  readonly id: number | null;
  readonly lun: number | null;
  readonly refRqid: number | null;
  readonly dataDirection: number | null;
  readonly segmentCount: number | null;
  readonly segments: readonly Piece[];
  readonly rslt: number;
  readonly residual: number;
  readonly sense: readonly number[];
}

export function readIndices(page: Uint8Array): RingIndices {
  const { reqProd, reqEvent, rspProd, rspEvent } = new SharedRing(page);
  return { reqProd, reqEvent, rspProd, rspEvent };
}

/** A copy of the bytes of entry `index`. */
export function slotBytes(page: Uint8Array, index: number): Uint8Array {
  const at = SharedRing.size + VSCSIIF_ENTRY_SIZE * (index % ENTRIES);
  return page.slice(at, at + VSCSIIF_ENTRY_SIZE);
}

export function readAnswered(slot: Uint8Array): AnsweredSlot {
  const [request, response] = [new VscsiifRequest(slot), new VscsiifResponse(slot)];
  const { rqid, rslt, residualLen, senseLen } = response;
  const hidden = RESPONSE.senseBuffer.offset + senseLen;
  const number = (name: (typeof NUMBERS)[number]) => (REQUEST[name].offset < hidden ? null : request[name]);
  const segments = Array.from({ length: pieces(request.segmentCount) }, (_, index) => {
    const { offset, length } = request.segments.at(index);
    return { offset, length };
  });
  return {
    rqid,
    act: request.act,
    cdb: senseLen > 0 ? null : [...request.cmnd.subarray(0, cdbLength(request.cmnd[0]))],
    timeout: number("timeout"),
    channel: number("channel"),
    id: number("id"),
    lun: number("lun"),
    refRqid: number("refRqid"),
    dataDirection: number("dataDirection"),
    segmentCount: number("segmentCount"),
    segments,
    rslt,
    residual: residualLen,
    sense: [...response.senseBuffer.subarray(0, senseLen)],
  };
}

/** What is in a slot besides what `readAnswered` tells: what was there before, where nobody has cleared it. */
export function unusedBytes(slot: Uint8Array): Uint8Array {
  const { senseLen } = new VscsiifResponse(slot);
  const { cmnd, segmentCount } = new VscsiifRequest(slot);
  const rest = slot.slice();
  const use = ({ offset, size }: Pick<Field, "offset" | "size">) => rest.fill(0, offset, offset + size);
  for (const name of ["rqid", "senseLen", "rslt", "residualLen"] as const) use(RESPONSE[name]);
  for (const name of ["act", ...NUMBERS] as const) use(REQUEST[name]);
  use({ offset: REQUEST.cmnd.offset, size: senseLen > 0 ? senseLen : cdbLength(cmnd[0]) });
  use({ offset: REQUEST.segments.offset, size: 8 * pieces(segmentCount) });
  return rest;
}

/** Segments that a request itself holds. */
function pieces(segmentCount: number): number {
  return segmentCount & ~VSCSIIF_SG_GRANT;
}

/** By the group code. */
export function cdbLength(operationCode: number): number {
  const length = [6, 10, 10, 0, 16, 12][operationCode >> 5] ?? 0;
  if (length === 0) throw new Error(`operation code ${operationCode} says nothing of its CDB's length`);
  return length;
}

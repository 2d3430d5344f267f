// Knows how a request's segments, direct or indirect, become one loan of guest memory. Knows no SCSI.

import type { RecordOf } from "@pvscsi/wire";
import {
  type BackEndDomain,
  type DomainId,
  GrantStatus,
  Loan,
  PAGE_SIZE,
  ScsiifSegment,
  VSCSIIF_SG_GRANT,
  VSCSIIF_SG_TABLESIZE,
  type VscsiifRequest,
} from "@pvscsi/xen";

type Request = RecordOf<typeof VscsiifRequest>;

/** By vscsiif's number of the direction. Bidirectional has one buffer only; pages of no data are looked at, as by Linux. */
const ACCESS = ["read-write", "read-only", "write-only", "read-write"] as const;

/** Gathers what requests of one front end point to. Descriptors are copied once, then checked, then used. */
export class SegmentGatherer {
  readonly #domain: BackEndDomain;
  readonly #from: DomainId;
  readonly #limit: number;
  readonly #descriptorLoan = new Loan();
  readonly #descriptors: Uint8Array;
  readonly #descriptor: RecordOf<typeof ScsiifSegment>;

  /** `limit` is how many segments an indirect request may have. */
  constructor(domain: BackEndDomain, from: DomainId, limit: number) {
    this.#domain = domain;
    this.#from = from;
    this.#limit = limit;
    this.#descriptors = new Uint8Array(limit * ScsiifSegment.size);
    this.#descriptor = new ScsiifSegment(this.#descriptors);
  }

  /**
   * Borrows all the data segments of `request`; null when that worked, else what was wrong. On failure nothing stays
   * borrowed. No segments is no data, even with the indirect flag set (Linux takes it so).
   */
  gather(request: Request, loan: Loan): string | null {
    loan.open(this.#from, ACCESS[request.dataDirection]);
    const count = request.segmentCount & ~VSCSIIF_SG_GRANT;
    if (count > VSCSIIF_SG_TABLESIZE) return `${count} segments`;
    if (count === 0) return null;
    const indirect = (request.segmentCount & VSCSIIF_SG_GRANT) !== 0;
    const wrong = indirect ? this.#addIndirect(request, count, loan) : this.#addDirect(request, count, loan);
    if (wrong !== null) return wrong;
    this.#domain.borrow(loan);
    return loan.status === GrantStatus.okay ? null : `grant status ${loan.status}`;
  }

  #addDirect(request: Request, count: number, loan: Loan): string | null {
    for (let i = 0; i < count; i++) {
      const wrong = addSegment(request.segments.at(i), loan);
      if (wrong !== null) return wrong;
    }
    return null;
  }

  #addIndirect(request: Request, count: number, loan: Loan): string | null {
    const list = this.#descriptorLoan.open(this.#from, "read-only");
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const piece = request.segments.at(i);
      const wrong = addSegment(piece, list);
      if (wrong !== null) return `list of ${wrong}`;
      if (piece.length % ScsiifSegment.size !== 0) return `a list of ${piece.length} bytes`;
      bytes += piece.length;
      if (bytes > this.#descriptors.length) return `more than ${this.#limit} segments`;
    }
    this.#domain.borrow(list);
    if (list.status !== GrantStatus.okay) return `grant status ${list.status} of a list`;
    list.places.read(this.#descriptors);
    this.#domain.giveBack(list, 0);
    for (let at = 0; at < bytes; at += ScsiifSegment.size) {
      const wrong = addSegment(this.#descriptor.at(at), loan);
      if (wrong !== null) return wrong;
    }
    return null;
  }
}

/** Adds one piece to a loan, or says what is wrong with it. A length of zero is allowed and moves nothing. */
function addSegment(segment: RecordOf<typeof ScsiifSegment>, loan: Loan): string | null {
  const { offset, length } = segment;
  if (offset >= PAGE_SIZE || offset + length > PAGE_SIZE) return `segment ${offset}+${length}`;
  loan.add(segment.gref, offset, length);
  return null;
}

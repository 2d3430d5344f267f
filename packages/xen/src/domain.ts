// Knows the seam under every Xen driver: what a domain can do towards other domains. scsifront and scsiback are
// written against this; one process, worker threads, a WebSocket and a Xen host are implementations of it.

import { Places, type Runnable } from "@pvscsi/wire";
import type { XenstoreClient } from "./xenstore/client.js";

export const PAGE_SIZE = 4096;

export type DomainId = number;
/** Index into the granter's grant table; the first 8 are reserved. */
export type GrantReference = number;
/** An event channel port of one domain; 0 is never valid. */
export type Port = number;

/** A page of a domain's own memory. */
export interface Page {
  /** Its number in the domain's memory, as grant entries have it. */
  readonly frame: number;
  /** Its 4096 bytes; the same object for as long as the page is allocated. */
  readonly bytes: Uint8Array;
}

export type GrantAccess = "read-only" | "read-write";

/** GNTST_* of xen/grant_table.h. */
export const GrantStatus = {
  okay: 0,
  generalError: -1,
  badDomain: -2,
  badReference: -3,
  badHandle: -4,
  badVirtualAddress: -5,
  badDeviceAddress: -6,
  noDeviceSpace: -7,
  permissionDenied: -8,
  badPage: -9,
  badCopyArgument: -10,
  addressTooBig: -11,
  eagain: -12,
  noSpace: -13,
} as const;

/** Another domain's page, mapped here. Its bytes are not to be touched after `unmap`. */
export interface MappedPage {
  readonly from: DomainId;
  readonly reference: GrantReference;
  readonly access: GrantAccess;
  readonly handle: number;
  readonly bytes: Uint8Array;
}

/** What others have granted, and its mapping here. */
export interface GrantMaps {
  /** Maps one page, or says with a negative status why not. */
  map(from: DomainId, reference: GrantReference, access: GrantAccess): MappedPage | number;
  /** Ends a mapping; a handle that was released already gives `badHandle`. */
  unmap(page: MappedPage): number;
}

/** Both halves of the grant table: giving access to own pages, and mapping what others granted. */
export interface Grants extends GrantMaps {
  /** Grants `page` to domain `to`; -1 when the table is full. */
  grant(to: DomainId, page: Page, access: GrantAccess): GrantReference;
  /** Ends a grant. False when the other side still has it mapped: the page must then be kept, and not be reused. */
  revoke(reference: GrantReference): boolean;
}

/** Errors of event channel operations, as errno names. */
export type EventError = "EINVAL" | "ENOENT" | "ENOSPC" | "EPERM" | "ESRCH";

export type EventChannelState = "closed" | "unbound" | "interdomain";

export interface EventChannels {
  /** A new port that `remote` may bind to. */
  allocateUnbound(remote: DomainId): Port | EventError;
  /** Binds a new local port to another domain's unbound one. The new port is pending at once (Xen does so). */
  bindInterdomain(remote: DomainId, remotePort: Port): Port | EventError;
  close(port: Port): void;
  /** Sets the other end's pending bit. Sending on an unbound port succeeds and is dropped. */
  notify(port: Port): "EINVAL" | null;
  /** While masked, a port latches one event and delivers it at unmask. Ports begin unmasked. */
  mask(port: Port): void;
  unmask(port: Port): void;
  /** What runs, from the scheduler, when the port is pending and unmasked; null to listen no more. */
  listen(port: Port, handler: Runnable | null): void;
  state(port: Port): EventChannelState;
}

/** What a loan is for. What was in the pieces before need not be there where they are only written into. */
export type LoanAccess = GrantAccess | "write-only";

/** How a page is mapped for a loan: there is no mapping that is only written. */
export function mappedAccess(access: LoanAccess): GrantAccess {
  return access === "write-only" ? "read-write" : access;
}

/**
 * Pieces of another domain's granted pages, borrowed for one transfer: a pooled record. Fill it, `Domain.borrow` it,
 * use `places` while `status` is okay, then `Domain.giveBack` it.
 */
export class Loan {
  pooled = true;
  from: DomainId = 0;
  access: LoanAccess = "read-only";
  /** Pieces asked for. */
  count = 0;
  readonly references: number[] = [];
  readonly offsets: number[] = [];
  readonly lengths: number[] = [];
  /**
   * The first failure among the pieces, or okay. After a failure of `borrow` nothing is held; after one of `giveBack` the
   * other domain may not have what was written.
   */
  status: number = GrantStatus.okay;
  /** The pieces in order, valid from a successful `borrow` to `giveBack`. */
  readonly places = new Places();
  /** For the `Domain` that lends: handles of what it mapped. */
  readonly handles: number[] = [];

  /** Begins a new loan. */
  open(from: DomainId, access: LoanAccess): this {
    this.from = from;
    this.access = access;
    this.count = 0;
    this.status = GrantStatus.okay;
    this.places.clear();
    return this;
  }

  /** Asks for `length` bytes at `offset` of the page behind `reference`; they lie within the page. */
  add(reference: GrantReference, offset: number, length: number): void {
    this.references[this.count] = reference;
    this.offsets[this.count] = offset;
    this.lengths[this.count] = length;
    this.count += 1;
  }

  /** Whether piece `index` lies within its page. */
  isWithinPage(index: number): boolean {
    const offset = this.offsets[index];
    const length = this.lengths[index];
    return offset >= 0 && length >= 0 && offset + length <= PAGE_SIZE;
  }
}

/** What a back end has of its domain: it grants no pages of its own. */
export interface BackEndDomain {
  readonly id: DomainId;
  readonly grants: GrantMaps;
  readonly events: EventChannels;
  /** This domain's connection to xenstored; relative paths are below /local/domain/<id>. */
  readonly store: XenstoreClient;
  /** Borrows all pieces of a loan, or none: see `Loan.status`. */
  borrow(loan: Loan): void;
  /**
   * Ends a loan. `written` is how many bytes, from the first on, were written into its places. Where these are copies, it
   * may fail: see `Loan.status`.
   */
  giveBack(loan: Loan, written: number): void;
  /**
   * Makes bytes visible to whoever shares their pages, in order, and then, if `wanted`, notifies `port` (0: nobody).
   * The one call that does so: a driver makes it at every ring push, and after each change of a shared page. Where the
   * other end sees copies of the pages, what was wanted is out of date: it is notified always. So a driver names a port
   * only when there is something for the other end to take, or the two would wake each other for ever.
   */
  publish(port: Port, ranges: Places, wanted: boolean): void;
  /**
   * Has the other end of `port` notified when the page is mapped no more, be it by the death of this process: what it wrote
   * last is looked at, though it did not live to tell. There where memory outlives who wrote it, which is a Xen host; elsewhere
   * `publish` is both at once.
   */
  notifyAtUnmap?(page: MappedPage, port: Port): void;
  /** Leaves: ports closed, mappings ended, the store's watches and transactions dropped. */
  close(): Promise<void>;
}

/** One domain's view of its hypervisor. */
export interface Domain extends BackEndDomain {
  readonly grants: Grants;
  /**
   * Own pages, zeroed, that may be granted to `peer`. Throws RangeError, and allocates none, when there are not so many.
   */
  allocatePages(count: number, peer: DomainId): Page[];
  freePages(pages: readonly Page[]): void;
}

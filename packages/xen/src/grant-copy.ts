// Knows GNTTABOP_copy: the checks of one copy between a grant and own memory, in Xen's order, and the copy itself.

import { copyBytes } from "@pvscsi/wire";
import { type GnttabCopy, GrantCopyFlags } from "./abi/grant-table.js";
import { DomainIds } from "./abi/xen.js";
import { type DomainId, type GrantAccess, GrantStatus, PAGE_SIZE } from "./domain.js";
import type { GrantPins, PinnedEntry } from "./grant-pins.js";
import type { GrantedPages, MemoryPage } from "./memory.js";

/** What a copy sees of a domain. */
export interface CopyParty {
  readonly id: DomainId;
  readonly memory: GrantedPages;
  readonly pins: GrantPins;
}

export type CopyOperation = InstanceType<typeof GnttabCopy>;

/** One side of a copy: filled from the operation, then claimed, then released. */
class CopySide {
  granted = false;
  #domid: DomainId = 0;
  #number = 0;
  #party: CopyParty | null = null;
  #access: GrantAccess = "read-only";
  #entry: PinnedEntry | null = null;
  page: MemoryPage | null = null;

  /** `low` is a reference, or the lower half of a frame number. */
  set(granted: boolean, domid: DomainId, low: number, high: number, access: GrantAccess): void {
    this.granted = granted;
    this.#domid = domid;
    this.#number = granted ? low : high * 0x1_0000_0000 + low;
    this.#access = access;
    this.page = null;
  }

  /** Only one's own memory is named by frame. */
  find(caller: CopyParty, find: (id: DomainId) => CopyParty | undefined): number {
    if (this.#domid !== DomainIds.self && !this.granted) return GrantStatus.permissionDenied;
    const party = this.#domid === DomainIds.self ? caller : find(this.#domid);
    this.#party = party ?? null;
    return party === undefined ? GrantStatus.badDomain : GrantStatus.okay;
  }

  claim(caller: CopyParty): number {
    const party = this.#party as CopyParty;
    if (!this.granted) {
      this.page = party.memory.find(this.#number) ?? null;
      return this.page === null ? GrantStatus.badPage : GrantStatus.okay;
    }
    const status = party.pins.pin(caller.id, this.#number, this.#access, "copy");
    if (status !== GrantStatus.okay) return status;
    this.#entry = party.pins.entry(this.#number);
    this.page = this.#entry.page;
    return status;
  }

  release(): void {
    if (this.#entry !== null) this.#party?.pins.unpin(this.#entry, this.#access);
    this.#entry = null;
    this.page = null;
    this.#party = null;
  }
}

/** Copies for all domains of a hypervisor; its two records are reused, so a copy allocates nothing of its own. */
export class GrantCopier {
  readonly #source = new CopySide();
  readonly #dest = new CopySide();
  readonly #find: (id: DomainId) => CopyParty | undefined;

  constructor(find: (id: DomainId) => CopyParty | undefined) {
    this.#find = find;
  }

  /** Does one operation for `caller` and writes its status. */
  copy(caller: CopyParty, operation: CopyOperation): void {
    const { flags, source, sourceHigh, dest, destHigh } = operation;
    this.#source.set((flags & GrantCopyFlags.sourceGref) !== 0, operation.sourceDomid, source, sourceHigh, "read-only");
    this.#dest.set((flags & GrantCopyFlags.destGref) !== 0, operation.destDomid, dest, destHigh, "read-write");
    operation.status = this.#run(caller, operation);
    this.#source.release();
    this.#dest.release();
  }

  #run(caller: CopyParty, operation: CopyOperation): number {
    const status =
      this.#source.find(caller, this.#find) ||
      this.#dest.find(caller, this.#find) ||
      this.#source.claim(caller) ||
      this.#dest.claim(caller);
    if (status !== GrantStatus.okay) return status;
    const { sourceOffset, destOffset, len } = operation;
    if (sourceOffset + len > PAGE_SIZE || destOffset + len > PAGE_SIZE) return GrantStatus.badCopyArgument;
    const source = (this.#source.page as MemoryPage).bytes;
    const dest = (this.#dest.page as MemoryPage).bytes;
    if (source === dest) dest.copyWithin(destOffset, sourceOffset, sourceOffset + len);
    else copyBytes(source, sourceOffset, dest, destOffset, len);
    return GrantStatus.okay;
  }
}

// Knows what the disk driver keeps about a disk, and which commands follow from it. Asks nobody.

import type { BlockParameters } from "./block-device.js";

/** How blocks are given back, and how zeros are written without sending them. */
export type DiscardMode = "none" | "unmap" | "write-same-16" | "write-same-10";
export type ZeroingMode = "write" | "write-same" | "write-same-16-unmap" | "write-same-10-unmap";

/** All in logical blocks unless it says bytes; the write cache is WCE, zeros in what is given back LBPRZ. */
export interface DiskParameters extends BlockParameters {
  readonly readCache: boolean;
  /** Whether READ and WRITE have the FUA bit. */
  readonly forceUnitAccess: boolean;
  /** 0 where there is no limit. */
  readonly maximumTransfer: number;
  /** 0 where there is none; else Linux makes no command longer. */
  readonly optimalTransfer: number;
  readonly rotational: boolean;
  readonly discard: DiscardMode;
  readonly maximumDiscard: number;
  readonly zeroing: ZeroingMode;
  readonly maximumWriteSame: number;
}

/** A disk nothing is known of yet. */
export const UNKNOWN_DISK: DiskParameters = {
  blockSize: 512,
  physicalBlockSize: 512,
  blocks: 0,
  readOnly: false,
  writeCache: false,
  readCache: true,
  forceUnitAccess: false,
  maximumTransfer: 0,
  optimalTransfer: 0,
  rotational: true,
  discard: "none",
  maximumDiscard: 0,
  discardGranularity: 0,
  discardReadsZeros: false,
  zeroing: "write",
  maximumWriteSame: 0,
};

/** The block layer counts in sectors of 512 bytes, whatever the disk's blocks are. */
export const SECTOR = 512;

/** What VPD pages B0h and B2h and READ CAPACITY(16) say about giving blocks back. */
export interface ProvisioningFacts {
  /** LBPME and LBPRZ of READ CAPACITY(16). */
  readonly thin: boolean;
  readonly readsZeros: boolean;
  /** LBPU, LBPWS and LBPWS10 of page B2h; null when the disk has none such. */
  readonly supported: { readonly unmap: boolean; readonly writeSame16: boolean; readonly writeSame10: boolean } | null;
  readonly maximumUnmap: number;
  readonly maximumWriteSame: number;
  /** REPORT SUPPORTED OPERATION CODES knows them; null when it is not supported itself. */
  readonly writeSame: { readonly ten: boolean; readonly sixteen: boolean } | null;
}

/** Limits of 10 and 16 byte WRITE SAME in Linux, in blocks. */
const WRITE_SAME_10 = 0xffff;
const WRITE_SAME_16 = 0x7f_ffff;

/** The smaller of two, where 0 means no limit. */
function smallerLimit(a: number, b: number): number {
  if (a === 0 || b === 0) return a || b;
  return Math.min(a, b);
}

/** Chooses as Linux's disk driver does (sd_config_discard, sd_config_write_same). */
export function chooseProvisioning(
  facts: ProvisioningFacts,
): Pick<DiskParameters, "discard" | "maximumDiscard" | "discardReadsZeros" | "zeroing" | "maximumWriteSame"> {
  const discard = chooseDiscard(facts);
  const maximumWriteSame = chooseWriteSame(facts);
  const maximumDiscard = {
    none: 0,
    unmap: smallerLimit(facts.maximumUnmap, WRITE_SAME_16),
    "write-same-16": smallerLimit(facts.maximumWriteSame, WRITE_SAME_16),
    "write-same-10": smallerLimit(facts.maximumWriteSame, WRITE_SAME_10),
  }[discard];
  const discardReadsZeros = facts.thin && facts.readsZeros;
  return {
    discard,
    maximumDiscard,
    discardReadsZeros,
    zeroing: chooseZeroing(facts, maximumWriteSame),
    maximumWriteSame,
  };
}

function chooseDiscard({ thin, supported, maximumUnmap }: ProvisioningFacts): DiscardMode {
  if (!thin) return "none";
  if (supported === null) return maximumUnmap > 0 ? "unmap" : "write-same-16";
  if (supported.unmap && maximumUnmap > 0) return "unmap";
  if (supported.writeSame16) return "write-same-16";
  return supported.writeSame10 ? "write-same-10" : "none";
}

function chooseZeroing({ readsZeros, supported }: ProvisioningFacts, maximumWriteSame: number): ZeroingMode {
  if (maximumWriteSame === 0) return "write";
  if (readsZeros && supported?.writeSame16) return "write-same-16-unmap";
  return readsZeros && supported?.writeSame10 ? "write-same-10-unmap" : "write-same";
}

function chooseWriteSame({ maximumWriteSame, writeSame }: ProvisioningFacts): number {
  if (maximumWriteSame > WRITE_SAME_10) return Math.min(maximumWriteSame, WRITE_SAME_16);
  if (writeSame?.ten || writeSame?.sixteen) return smallerLimit(maximumWriteSame, WRITE_SAME_10);
  return 0;
}

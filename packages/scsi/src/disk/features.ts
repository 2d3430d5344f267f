// Knows what of a disk can be switched off, for initiators that fare better without it, and which commands go with it.

import { COMMANDS, type CommandDescription } from "../cdb.js";

/** What there is of what can be switched off; the first three only of a disk with thin provisioning. */
export interface DiskFeatures {
  /** UNMAP. */
  readonly unmap: boolean;
  /** The UNMAP bit of WRITE SAME (10, 16). */
  readonly writeSameUnmap: boolean;
  /** The promise that what was given back reads as zeros (LBPRZ). It does so all the same. */
  readonly unmapZeroes: boolean;
  readonly compareAndWrite: boolean;
  /** EXTENDED COPY and RECEIVE COPY RESULTS; others do not copy from or to it either. */
  readonly thirdPartyCopy: boolean;
  /** PERSISTENT RESERVE IN and OUT, RESERVE and RELEASE. */
  readonly reservable: boolean;
}

export const ALL_FEATURES: DiskFeatures = {
  unmap: true,
  writeSameUnmap: true,
  unmapZeroes: true,
  compareAndWrite: true,
  thirdPartyCopy: true,
  reservable: true,
};

/** The opcodes that are gone with a feature, whatever their service actions. */
const OPCODES: { readonly [Name in keyof DiskFeatures]: readonly CommandDescription[] } = {
  unmap: [COMMANDS.unmap],
  writeSameUnmap: [],
  unmapZeroes: [],
  compareAndWrite: [COMMANDS.compareAndWrite],
  thirdPartyCopy: [COMMANDS.extendedCopy, COMMANDS.receiveCopyStatus],
  reservable: [
    COMMANDS.reserve6,
    COMMANDS.release6,
    COMMANDS.reserve10,
    COMMANDS.release10,
    COMMANDS.readKeys,
    COMMANDS.register,
  ],
};

/** Whether a command is there with these features. */
export function hasCommand(features: DiskFeatures, { opcode }: CommandDescription): boolean {
  const names = Object.keys(OPCODES) as (keyof DiskFeatures)[];
  return names.every((name) => features[name] || !OPCODES[name].some((gone) => gone.opcode === opcode));
}

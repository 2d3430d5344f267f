// Knows how what a configuration says of a LUN's bytes becomes a store. Knows no users and no SCSI.

import { resolve } from "node:path";
import type { HostLun, LunBacking, LunSpec } from "@pvscsi/config";
import type { InitiatorTimeouts } from "@pvscsi/iscsi";
import { openNbdStore } from "@pvscsi/nbd";
import { type GrowableStore, MemoryStore, NullStore, StoreError } from "@pvscsi/scsi";
import type { Clock, Scheduler } from "@pvscsi/wire";
import { type NativeFiles, openFileStore } from "./file-open.js";
import type { Unguessable } from "./key-file.js";
import type { HostLibraries } from "./library.js";
import type { OpenFiles } from "./open-files.js";
import type { SgCalls } from "./sg/sg-calls.js";

/** This machine as an iSCSI initiator. */
export interface HostInitiator {
  /** Its name, where a LUN says none: `iqn.`, `eui.` or `naa.`. */
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly timeouts?: Partial<InitiatorTimeouts>;
}

/** What the LUNs of one host share. */
export interface Surroundings {
  /** Relative paths of files begin here. */
  readonly directory: string;
  readonly openFiles: OpenFiles;
  readonly clock: Clock;
  /** Asks the kernel for real devices, loaded when one is first opened; null where nothing native is installed. */
  sg(): Promise<SgCalls | null>;
  /** Who logs in to iSCSI targets; absent where nobody does. */
  readonly initiator?: HostInitiator | undefined;
  /** What Node cannot do with files, loaded when one is first opened; null where there is nothing. */
  native(): Promise<NativeFiles | null>;
  /** The libraries whose changers and drives are LUNs here. */
  readonly libraries: HostLibraries;
  /** What keys are made of; absent where none is made. */
  readonly unguessable?: Unguessable | undefined;
}

/** Of LUNs that have bytes of their own. */
export type StoreBacking = Exclude<
  LunBacking,
  { readonly kind: "device" | "iscsi" | "library" | "enclosure" | "controller" | "empty" }
>;

/** Gives a LUN its store, again each time its last user has gone. */
export interface Backing {
  /** Throws `StoreError` when there is none. */
  open(): Promise<GrowableStore>;
}

/** The backing of a LUN; memory keeps its bytes, and what it has grown to, from one opening to the next. */
export function backingOf(
  backing: StoreBacking,
  readOnly: boolean,
  { directory, openFiles, native, clock, initiator }: Surroundings,
): Backing {
  if (backing.kind === "nbd") {
    const { uri, sync } = backing;
    const scheduler = initiator?.scheduler;
    return {
      open: async () => {
        if (scheduler === undefined)
          throw new StoreError("hardware", "cannot open an NBD export: nothing is reached by network here");
        return openNbdStore({ ...uri, sync, readOnly, clock, scheduler });
      },
    };
  }
  if (backing.kind === "file") {
    const { path, sync, createSize } = backing;
    const access = readOnly ? "read-only" : "read-write";
    return {
      open: async () => {
        const { holes = null, cache = null } = (await native()) ?? {};
        return openFileStore(resolve(directory, path), { access, sync, createSize, openFiles, holes, cache });
      },
    };
  }
  const kept = backing.kind === "null" ? new NullStore(backing.size) : new KeptMemory(backing.size);
  return { open: async () => kept };
}

/** A device's name is made anew at every boot, so nothing can be kept beside it. */
export const isDevice = (path: string): boolean => path.startsWith("/dev/");

/** The file that a LUN's reservations are kept in; null where they are not kept. */
export function reservationPath(
  { backing, readOnly, reservable, reservations }: LunSpec,
  { directory }: Surroundings,
): string | null {
  if (reservations === "none" || !reservable) return null;
  if (reservations !== undefined) return resolve(directory, reservations);
  return readOnly ? null : pathBeside(backing, directory, "reservations");
}

/** The file that says what goes through a LUN's medium; null where the medium is no file. */
export function operationPath({ backing }: LunSpec, { directory }: Surroundings): string | null {
  return pathBeside(backing, directory, "operation");
}

/** The file that the states of a LUN's target port groups are kept in; null where they are not. */
export function accessStatePath({ backing, portGroups = [] }: HostLun, { directory }: Surroundings): string | null {
  return portGroups.some(({ keepsState }) => keepsState) ? pathBeside(backing, directory, "alua") : null;
}

/** A file beside that of a LUN; null where it has none, or a device. */
function pathBeside(backing: LunSpec["backing"], directory: string, suffix: string): string | null {
  if (backing.kind !== "file") return null;
  const path = resolve(directory, backing.path);
  return isDevice(path) ? null : `${path}.${suffix}`;
}

/** Outlives whoever closes it. */
class KeptMemory extends MemoryStore {
  override async close(): Promise<void> {}
}

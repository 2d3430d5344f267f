export * from "./adapter.js";
export { type PortGroup, type PortGroupOptions, TargetPortGroups } from "./alua/groups.js";
export { readStates } from "./alua/kept.js";
export { ACCESS_STATES, type AccessState, ALL_STATES, accessStateOf, accessStateOfWord } from "./alua/states.js";
export * from "./block-adapter.js";
export * from "./cdb.js";
export { type CdromDrive, type CdromOptions, createCdrom } from "./cdrom/cdrom.js";
export { type ChangerOptions, createChanger } from "./changer/changer.js";
export type { LibraryDrive } from "./changer/drive.js";
export { type Element, isBarcode } from "./changer/elements.js";
export { readInventory } from "./changer/kept.js";
export { Library, type LibraryOptions } from "./changer/library.js";
export { createController } from "./controller/controller.js";
export type { Designator } from "./copy/designator.js";
export { unitDesignators } from "./device/designators.js";
export type { DeviceOptions } from "./device/options.js";
export * from "./direct.js";
export { createDisk, type DiskOptions } from "./disk/disk.js";
export { ALL_FEATURES, type DiskFeatures } from "./disk/features.js";
export { LOG_PAGES } from "./disk/log-pages.js";
export { MODE_PAGES } from "./disk/mode-pages.js";
export { readOperation } from "./disk/operation-kept.js";
export { VPD_PAGES } from "./disk/vpd-pages.js";
export type { EnclosureShape, SlotView } from "./enclosure/elements.js";
export { createEnclosure, type EnclosureOptions } from "./enclosure/enclosure.js";
export type { Keeper } from "./keeper.js";
export * from "./kernel-names.js";
export * from "./logical-unit.js";
export { lunOfLevel, REPORT_LUNS_UNIT, readLun, writeLun } from "./lun.js";
export * from "./management.js";
export { MissingUnit } from "./missing-unit.js";
export * from "./nexus.js";
export { type PassFilter, READ_SAFE, WRITE_SAFE } from "./pass-through/filter.js";
export { createPassThrough, type PassThroughOptions } from "./pass-through/pass-through.js";
export { ACCESS, type Access, type AccessName } from "./reservations/access.js";
export { MAX_REGISTRATIONS } from "./reservations/actions.js";
export { readKept as readReservations } from "./reservations/kept.js";
export { RESERVATION_TYPES, type ReservationType } from "./reservations/state.js";
export * from "./sense.js";
export * from "./sense-text.js";
export * from "./store.js";
export * from "./stores/encrypting-store.js";
export * from "./stores/fault.js";
export * from "./stores/fault-store.js";
export * from "./stores/memory-store.js";
export * from "./stores/null-store.js";
export * from "./stores/read-only-store.js";
export * from "./stores/slow-store.js";
export * from "./stores/tracing-store.js";
export * from "./sysfs/tree.js";
export { LoadedTape } from "./tape/loaded.js";
export {
  type Cartridge,
  type CartridgeLabel,
  LEAST_PARTITION,
  MemoryCartridge,
  type TapeIndex,
  type TapeStore,
} from "./tape/medium.js";
export { createTape, Tape, type TapeOptions } from "./tape/tape.js";
export * from "./target.js";
export * from "./task.js";
export * from "./task-set.js";
export * from "./trace.js";
export * from "./transport-id.js";
export { attentionFor } from "./unit-attention.js";

// What this package offers.

export * from "./abi/block.js";
export * from "./abi/features.js";
export * from "./abi/scsi.js";
export * from "./abi/split-ring.js";
export { Arena, PAGE_SIZE } from "./arena.js";
export { type BlockAdapterOptions, VirtioBlkAdapter } from "./block/adapter.js";
export type { BlockLimits } from "./block/config-space.js";
export { type BlockDeviceOptions, VirtioBlkDevice } from "./block/device.js";
export type { BlockExchange } from "./block/exchange.js";
export { Chain } from "./chain.js";
export { type DeviceConfig, type DeviceRing, QUEUE_SIZE, type VirtioDevice } from "./device.js";
export { InProcessTransport } from "./in-process-transport.js";
export { type GuestMemory, noMemory, type RingAreas } from "./memory.js";
export { type MessageEnd, type PortLink, PortServer, PortTransport } from "./port-transport.js";
export { type ScsiAdapterOptions, VirtioScsiAdapter } from "./scsi/adapter.js";
export type { ScsiLimits } from "./scsi/config-space.js";
export type { ControlExchange } from "./scsi/control-queue.js";
export { type ScsiDeviceOptions, VirtioScsiDevice } from "./scsi/device.js";
export type { Exchange } from "./scsi/exchange.js";
export { ScsiAddress, writeEventLun, writeRequestLun } from "./scsi/lun.js";
export { TARGETS, TargetTable } from "./scsi/target-table.js";
export { type DeviceQueueParts, SplitDeviceQueue } from "./split-device-queue.js";
export { type DriverQueueParts, SplitDriverQueue, Used } from "./split-driver-queue.js";
export { SplitRing } from "./split-ring.js";
export { DeviceUnusable, type TransportListener, type VirtioTransport } from "./transport.js";

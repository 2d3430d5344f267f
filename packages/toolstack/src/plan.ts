// Knows which devices of the driver domain a configuration asks for. Changes nothing, so that what is not there is told
// before anything was begun.

import {
  ConfigError,
  groupControllers,
  isWholeHost,
  type MachineConfig,
  type ScsiAddress,
  type VscsiController,
  type VscsiDevice,
  type WholeHost,
  wholeHostDevices,
} from "@pvscsi/config";
import type { DomainId } from "@pvscsi/xen";

type PhysicalDevice = VscsiDevice["physical"];

/** Why there is no such device, in words for the person who named it. */
export interface NotFound {
  readonly reason: string;
}

/** Knows the physical devices by every name a person may use. */
export interface PhysicalDevices {
  /** What the p-dev node is to say: H:C:T:L or naa.WWN:LUN. */
  resolve(device: PhysicalDevice): { readonly physicalDevice: string } | NotFound;
  /** The addresses of all LUNs on the SCSI host that a device is on (xend's VDEV `host`); absent where that is not known. */
  wholeHost?(device: PhysicalDevice): readonly ScsiAddress[] | NotFound;
  /**
   * Makes the device behind a p-dev node longer, where it is: its guests hear of that by SCSI alone. Null when it is
   * done; absent where devices do not grow.
   */
  grow?(physicalDevice: string, bytes: number): Promise<NotFound | null>;
  /** Puts the disc whose image is at a path into the drive behind a p-dev node, or takes out the one that is in it. Null when it is done. */
  insert?(physicalDevice: string, path: string): Promise<NotFound | null>;
  eject?(physicalDevice: string): Promise<NotFound | null>;
}

/** A LUN as the toolstack hands it to the backend. */
export interface PlannedLun {
  readonly device: VscsiDevice;
  /** What the p-dev node says. */
  readonly physicalDevice: string;
}

/** Where a device's back end runs, and what that has. */
export interface BackEnd {
  readonly domain: DomainId;
  readonly devices: PhysicalDevices;
}

/** Finds the back end that a device asks for; throws `ConfigError` where there is none. */
export type FindBackEnd = (device: VscsiDevice | WholeHost) => BackEnd;

/** A controller whose devices were found. */
export interface PlannedController {
  /** The domain that its back end runs in. */
  readonly backend: DomainId;
  readonly controller: VscsiController;
  readonly luns: readonly PlannedLun[];
}

/** All controllers of a guest; throws `ConfigError` at a device that is not there. */
export function planControllers(config: MachineConfig, find: FindBackEnd): PlannedController[] {
  const all = config.vscsi.flatMap((device) => (isWholeHost(device) ? expand(device, find(device).devices) : [device]));
  return groupControllers(all, config.dialect).map((controller) => ({
    controller,
    backend: find(controller.devices[0]).domain,
    luns: controller.devices.map((device) => planLun(device, find(device).devices)),
  }));
}

/** One LUN; throws `ConfigError` at its p-dev when that is not there. */
export function planLun(device: VscsiDevice, devices: PhysicalDevices): PlannedLun {
  const found = devices.resolve(device.physical);
  if ("reason" in found) throw unknownDevice(device, found);
  return { device, physicalDevice: found.physicalDevice };
}

function expand(whole: WholeHost, devices: PhysicalDevices): VscsiDevice[] {
  const addresses = devices.wholeHost?.(whole.physical) ?? { reason: "whole hosts are not known here" };
  if ("reason" in addresses) throw unknownDevice(whole, addresses);
  return wholeHostDevices(whole, addresses);
}

function unknownDevice({ file, physical, physicalAt }: VscsiDevice | WholeHost, { reason }: NotFound): ConfigError {
  return new ConfigError(file, physicalAt, `pdev '${physical.text}': ${reason}`);
}

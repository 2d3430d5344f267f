// Knows how a LUN that keeps nothing is made: enclosure services, or the controller of a storage array.

import { type EnclosureConfig, formatAddress, type HostLun } from "@pvscsi/config";
import { createController, createEnclosure, type DeviceOptions, type EnclosureShape } from "@pvscsi/scsi";
import type { Surroundings } from "./backing.js";
import { identityOf } from "./identity.js";
import { type NamedLun, wwnOf } from "./names.js";
import type { Running, Starter } from "./running.js";

export class ServiceStarter implements Starter {
  readonly reservations = null;
  readonly #options: DeviceOptions;
  /** Null of a controller. */
  readonly #shape: EnclosureShape | null;

  constructor({ lun, wwn, host }: NamedLun, enclosure: EnclosureConfig | null, { clock }: Surroundings) {
    const { queueDepth, taskAborted: tellsAborted } = lun;
    this.#options = { ...identityOf(lun, wwn), wwn: wwn.slice("naa.".length), queueDepth, tellsAborted, clock };
    this.#shape = enclosure === null ? null : shapeOf(enclosure, host.luns);
  }

  async start(): Promise<Running> {
    const shape = this.#shape;
    const logicalUnit = shape === null ? createController(this.#options) : createEnclosure({ ...this.#options, shape });
    return { logicalUnit, bytes: null };
  }
}

/** What a virtual fan and sensor tell. */
const SPEED = 4800;
const DEGREES = 25;

/** The disks of the SCSI host are in the first slots, in the order in which host.yaml has them. */
function shapeOf(
  { bays, powerSupplies, fans, temperatures }: EnclosureConfig,
  luns: readonly HostLun[],
): EnclosureShape {
  const disks = luns.filter(({ type }) => type === "disk");
  const slots = Array.from({ length: bays }, (_, index) => {
    const disk = disks.at(index);
    const name = `Slot ${String(index + 1).padStart(2, "0")}`;
    if (disk === undefined) return { name, occupant: () => null };
    const digits = wwnOf(disk).slice("naa.".length);
    return { name: `${name} ${formatAddress(disk.address)}`, occupant: () => digits };
  });
  return { slots, powerSupplies, fans: Array(fans).fill(SPEED), temperatures: Array(temperatures).fill(DEGREES) };
}

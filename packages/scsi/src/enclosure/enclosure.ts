// Knows the device server of an enclosure services process (SES-3): its elements and its table of commands. The pages are in the file
// beside this one.

import type { DeviceOptions } from "../device/options.js";
import { PlainDevice, plainModel, plainRows } from "../device/plain.js";
import { CommandTable } from "../device-server.js";
import type { LogicalUnit } from "../logical-unit.js";
import { type ElementGroup, type EnclosureShape, groupsOf } from "./elements.js";
import { PAGES } from "./pages.js";

export interface EnclosureOptions extends DeviceOptions {
  readonly shape: EnclosureShape;
}

/** Makes an enclosure. Throws `StoreError` for what was kept and cannot be read. */
export function createEnclosure(options: EnclosureOptions): LogicalUnit {
  return new Enclosure(options);
}

export class Enclosure extends PlainDevice {
  readonly deviceType = 0x0d;
  readonly table: CommandTable<Enclosure> = TABLE;
  /** What lights in it goes on through a reset, as it does in an enclosure that has power. */
  readonly groups: readonly ElementGroup[];

  constructor(options: EnclosureOptions) {
    super(options);
    this.groups = groupsOf(options.shape);
  }
}

const ENCSERV = 0x40;

const TABLE = new CommandTable<Enclosure>(
  plainRows({
    // SAM-5, SPC-4 and SES-3, no version claimed.
    ...plainModel<Enclosure>([0x00a0, 0x0460, 0x0580]),
    writeFlags: (_device, bytes) => {
      bytes[6] |= ENCSERV;
    },
    diagnosticPages: PAGES,
  }),
);

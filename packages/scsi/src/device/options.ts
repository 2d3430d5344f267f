// Knows what every device is made with, whatever its type.

import type { Clock } from "@pvscsi/wire";
import type { PortGroupOptions } from "../alua/groups.js";
import type { Keeper } from "../keeper.js";

export interface DeviceOptions {
  /** Up to 8, 16, 4 characters of ASCII. */
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  /** The unit serial number of VPD page 80h; at most 252 characters. */
  readonly serial: string;
  /** The NAA name: 16 hex digits, 32 for NAA 6. */
  readonly wwn: string;
  readonly removable?: boolean;
  /** Commands that one nexus may have under way here; those beyond end with TASK SET FULL. 1024 where it is not said. */
  readonly queueDepth?: number;
  /** TAS of the control page at first. */
  readonly tellsAborted?: boolean;
  /** Lets others have their turn while something takes long. Without it a disk has neither SANITIZE nor FORMAT UNIT. */
  readonly clock?: Clock | undefined;
  /** The target port groups that lead to it; none where it is not said, and no way is better than another. */
  readonly portGroups?: readonly PortGroupOptions[] | undefined;
  /** Keeps the states of these groups through a loss of power; none are kept where it is absent. */
  readonly accessStates?: Keeper | undefined;
  /** Keeps reservations through a loss of power; none are kept where it is absent. */
  readonly keeper?: Keeper | undefined;
}

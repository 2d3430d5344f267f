// Knows which target port groups a device is made with. What they do is said in ../alua.

import { TargetPortGroups } from "../alua/groups.js";
import type { Task } from "../task.js";
import type { DeviceOptions } from "./options.js";

/** Null where none lead to it. Throws `StoreError` for states that were kept and cannot be read. */
export function portGroupsOf(
  { portGroups = [], accessStates: keeper, wwn }: DeviceOptions,
  changed: (cause: Task | null) => void,
): TargetPortGroups | null {
  if (portGroups.length === 0) return null;
  return new TargetPortGroups(portGroups, { unit: `naa.${wwn.toLowerCase()}`, keeper, changed });
}

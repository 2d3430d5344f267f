// Knows a LUN as one path leads to it: when the path is gone, there is no LUN for whoever still has it. Knows no fabric.

import { type LogicalUnit, MissingUnit, type Task } from "@pvscsi/scsi";

const METHODS = [
  ...(["abort", "reset", "listen", "close", "connect", "nexusLost", "conflicts"] as const),
  ...(["ignoresAttention", "copyable", "copiesBy", "interrupt"] as const),
] satisfies readonly (keyof LogicalUnit)[];
/** What may change while it is in use. */
const VALUES = [
  ...(["deviceType", "descriptorSense", "taskSet", "portGroups", "blockSize"] as const),
] satisfies readonly (keyof LogicalUnit)[];

/** Where paths end: shared, as nothing is ever under way there. */
const NOWHERE = new MissingUnit();

/**
 * The unit as long as there is the path; then it answers as a target does for a LUN that it has not, LOGICAL UNIT NOT SUPPORTED. What is
 * under way at that moment ends as if nothing had happened.
 */
export function behindPath(unit: LogicalUnit, path: { readonly gone: boolean }): LogicalUnit {
  const view = {
    execute(task: Task): void {
      if (path.gone) NOWHERE.execute(task);
      else unit.execute(task);
    },
  };
  for (const name of METHODS) {
    const method: unknown = unit[name];
    if (typeof method === "function") Object.assign(view, { [name]: method.bind(unit) });
  }
  for (const name of VALUES) {
    if (name in unit) Object.defineProperty(view, name, { get: () => unit[name] });
  }
  return view as LogicalUnit;
}

// Knows task management as iSCSI asks for it (RFC 7143 11.5, 11.6; RFC 7144): which function is meant, and what is answered.

import type { ManagementFunction, ManagementResponse, PendingEvent } from "@pvscsi/scsi";
import { ManagementFunctionCode, ManagementResponseCode } from "./abi/codes.js";
import type { Session } from "./session.js";

interface FunctionRow {
  readonly function: ManagementFunction;
  /** Which of the initiator's commands it ends whose turn has not come. */
  readonly ends: "nothing" | "task" | "at-lun" | "all";
  /** The iSCSIProtocolLevel that has it; 1 where it is not said. */
  readonly level?: number;
}

const FUNCTIONS: { readonly [code: number]: FunctionRow } = {
  [ManagementFunctionCode.abortTask]: { function: "abort-task", ends: "task" },
  [ManagementFunctionCode.abortTaskSet]: { function: "abort-task-set", ends: "at-lun" },
  [ManagementFunctionCode.clearTaskSet]: { function: "clear-task-set", ends: "at-lun" },
  [ManagementFunctionCode.logicalUnitReset]: { function: "logical-unit-reset", ends: "at-lun" },
  [ManagementFunctionCode.targetWarmReset]: { function: "target-reset", ends: "all" },
  [ManagementFunctionCode.targetColdReset]: { function: "target-reset", ends: "all" },
  [ManagementFunctionCode.queryTask]: { function: "query-task", ends: "nothing", level: 2 },
  [ManagementFunctionCode.queryTaskSet]: { function: "query-task-set", ends: "nothing", level: 2 },
  [ManagementFunctionCode.nexusReset]: { function: "i-t-nexus-reset", ends: "all", level: 2 },
  [ManagementFunctionCode.queryAsynchronousEvent]: { function: "query-asynchronous-event", ends: "nothing", level: 2 },
};

const RESPONSES: { readonly [response in ManagementResponse]: number } = {
  "function-complete": ManagementResponseCode.functionComplete,
  "function-succeeded": ManagementResponseCode.functionSucceeded,
  "task-does-not-exist": ManagementResponseCode.taskDoesNotExist,
  "incorrect-logical-unit-number": ManagementResponseCode.lunDoesNotExist,
};

export interface ManagementOrder {
  readonly code: number;
  readonly lun: number;
  /** Of the task that it is about. */
  readonly referencedTag: number;
  /** What the session agreed on as iSCSIProtocolLevel. */
  readonly level: number;
}

/** Performs a function; `answer` is given the response's code, once, perhaps before this returns, and what was asked for. */
export function performManagement(
  { code, lun, referencedTag: tag, level }: ManagementOrder,
  session: Session,
  answer: (code: number, event?: PendingEvent) => void,
): void {
  const row = FUNCTIONS[code];
  if (code === ManagementFunctionCode.taskReassign) return answer(ManagementResponseCode.reassignNotSupported);
  if (row === undefined || level < (row.level ?? 1)) return answer(ManagementResponseCode.functionNotSupported);
  const held = takeHeld(session, row, lun, tag);
  if (held !== null) return answer(held);
  session.nexus.manage({
    function: row.function,
    lun,
    tag,
    completed: (response, event) => answer(RESPONSES[response], event),
  });
}

/** What is answered for commands that the nexus does not know of, after it was done; null where it is the nexus's to answer. */
function takeHeld({ commands }: Session, row: FunctionRow, lun: number, tag: number): number | null {
  const found = commands?.find(tag);
  const task = found?.state === "held" && found.task.lun === lun ? found : undefined;
  if (row.ends === "at-lun" || row.ends === "all") commands?.dropHeld(row.ends === "all" ? null : lun);
  if (row.function === "query-task-set" && commands?.isHeldAt(lun)) return ManagementResponseCode.functionSucceeded;
  if (task === undefined) return null;
  if (row.function === "query-task") return ManagementResponseCode.functionSucceeded;
  if (row.function !== "abort-task") return null;
  commands?.drop(task);
  return ManagementResponseCode.functionComplete;
}

/** The additional response information of RFC 7144 for an event: its depth and sense key, ASC, ASCQ (SAM-5, QUERY ASYNCHRONOUS EVENT). */
export function eventInformation({ sense, more }: PendingEvent): Uint8Array {
  return Uint8Array.of((more ? 0x20 : 0x10) | sense.key, sense.asc, sense.ascq);
}

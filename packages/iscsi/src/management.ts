// Knows task management as iSCSI asks for it (RFC 7143 11.5, 11.6; RFC 7144): which commands a function is about, and what is answered.

import type { ManagementFunction, ManagementResponse } from "@pvscsi/scsi";
import { ManagementFunctionCode, ManagementResponseCode } from "./abi/codes.js";
import type { Commands } from "./commands.js";
import type { Session } from "./session.js";

/** Whose commands a function ends. */
interface FunctionRow {
  readonly function: ManagementFunction;
  readonly ends: "nothing" | "task" | "own" | "everyones";
  /** Not only those of one logical unit. */
  readonly everywhere?: true;
  /** The iSCSIProtocolLevel that has it; 1 where it is not said. */
  readonly level?: number;
}

const FUNCTIONS: { readonly [code: number]: FunctionRow } = {
  [ManagementFunctionCode.abortTask]: { function: "abort-task", ends: "task" },
  [ManagementFunctionCode.abortTaskSet]: { function: "abort-task-set", ends: "own" },
  [ManagementFunctionCode.clearTaskSet]: { function: "clear-task-set", ends: "everyones" },
  [ManagementFunctionCode.logicalUnitReset]: { function: "logical-unit-reset", ends: "everyones" },
  [ManagementFunctionCode.targetWarmReset]: { function: "target-reset", ends: "everyones", everywhere: true },
  [ManagementFunctionCode.targetColdReset]: { function: "target-reset", ends: "everyones", everywhere: true },
  [ManagementFunctionCode.queryTask]: { function: "query-task", ends: "nothing", level: 2 },
  [ManagementFunctionCode.queryTaskSet]: { function: "query-task-set", ends: "nothing", level: 2 },
  [ManagementFunctionCode.nexusReset]: { function: "i-t-nexus-reset", ends: "own", everywhere: true, level: 2 },
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

/** Performs a function; `answer` is given the response's code, once, perhaps before this returns. */
export function performManagement(
  { code, lun, referencedTag, level }: ManagementOrder,
  session: Session,
  others: readonly Session[],
  answer: (code: number) => void,
): void {
  const row = FUNCTIONS[code];
  const { commands, nexus } = session;
  if (code === ManagementFunctionCode.taskReassign) return answer(ManagementResponseCode.reassignNotSupported);
  if (row === undefined || level < (row.level ?? 1) || commands === null)
    return answer(ManagementResponseCode.functionNotSupported);
  if (row.ends === "task") return abortTask(commands, session, lun, referencedTag, answer);
  if (row.ends === "nothing" && isCollecting(commands, row.function, lun, referencedTag)) {
    return answer(ManagementResponseCode.functionSucceeded);
  }
  const which = row.everywhere ? null : lun;
  if (row.ends === "everyones") for (const other of others) other.commands?.abandonCollecting(which);
  if (row.ends !== "nothing") commands.silence(which);
  const tag = referencedTag;
  nexus.manage({ function: row.function, lun, tag, completed: (response) => answer(RESPONSES[response]) });
}

/** Whether a task that is asked for has come, and the nexus has not got it. */
function isCollecting(commands: Commands, asked: ManagementFunction, lun: number, tag: number): boolean {
  if (asked === "query-task-set") return commands.isCollectingAt(lun);
  const task = commands.find(tag);
  return task !== undefined && task.task.lun === lun && task.state !== "executing";
}

function abortTask(
  commands: Commands,
  { nexus }: Session,
  lun: number,
  tag: number,
  answer: (code: number) => void,
): void {
  const victim = commands.find(tag);
  if (victim === undefined || victim.task.lun !== lun) return answer(ManagementResponseCode.taskDoesNotExist);
  if (victim.state !== "executing") {
    commands.drop(victim, true);
    return answer(ManagementResponseCode.functionComplete);
  }
  victim.silent = true;
  nexus.manage({ function: "abort-task", lun, tag, completed: (response) => answer(RESPONSES[response]) });
}

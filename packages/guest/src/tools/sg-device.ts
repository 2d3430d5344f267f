// Knows how sg3_utils find the device that a person names, and what is wrong when they do not.

import type { CommandPath } from "../command-path.js";
import type { Guest } from "../guest.js";
import { EXIT } from "./sg-status.js";
import { print, type ToolResult } from "./tool.js";

/** What a tool prints before strerror's words, or instead of them: for a name that is none, and for no SG_IO. */
export interface DeviceWords {
  readonly absent: string;
  readonly noCommands: readonly string[];
}

/** Where the commands for a device go, or what the tool has to say. */
export function openCommands(
  guest: Guest,
  name: string,
  { absent, noCommands }: DeviceWords,
): CommandPath | ToolResult {
  const path = guest.commandPath(name);
  if (path === undefined) return print([`${absent}: No such file or directory`], EXIT.noSuchDevice);
  return path ?? print(noCommands, EXIT.noCommands);
}

/** ENOTTY, which is what SG_IO ends with at a disk that takes no SCSI commands. */
export const NO_SG_IO = "Inappropriate ioctl for device";

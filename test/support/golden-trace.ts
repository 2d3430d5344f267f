// Knows the recorded messages by which a toolstack and Linux' two drivers changed xenstore, on Xen 4.17, from a device's creation to
// its end.

import { goldenText } from "./repository.js";

/** Who wrote: the toolstack, Linux' back end in domain 0, its front end in domain 1. */
export type Actor = "tool" | "dom0k" | "domUk";

/** `TIME ACTOR IN OPERATION ARGUMENTS`. */
export interface TraceLine {
  readonly actor: Actor;
  readonly operation: string;
  readonly path: string;
  readonly value: string;
}

export function goldenTrace(): TraceLine[] {
  const lines = goldenText("xen-4.17/write-sequence.txt").trimEnd().split("\n");
  return lines.map((line) => {
    const match = /^\S+ (\w+) +IN +(\w+) ?(\S*) ?(.*)$/.exec(line);
    if (match === null) throw new Error(`not a line of a trace: ${line}`);
    const [, actor, operation, path, value] = match;
    return { actor: actor as Actor, operation, path, value };
  });
}

// Knows how one process follows the rings of another, over the control protocol: it asks once and is told of moments in
// pieces until it closes its half. Knows no domain.

import type { Socket } from "node:net";
import { ToolstackError } from "@pvscsi/toolstack";
import type { Scheduler } from "@pvscsi/wire";
import { runThere } from "./control-client.js";
import {
  type HearMoment,
  type Moment,
  type MomentSource,
  momentsText,
  parseMoments,
  recordRings,
} from "./ring-moments.js";
import { type Caller, type Outcome, success } from "./verb.js";

/** The first word of a request for it. */
export const FOLLOW = "follow";

/** Tells of what passes here until nobody listens any more. The first piece, an empty list, says that it has begun. */
export async function tellMoments(
  source: MomentSource,
  scheduler: Scheduler,
  { print, signal }: Pick<Caller, "print" | "signal">,
): Promise<Outcome> {
  let waiting: Moment[] = [];
  const tell = {
    run() {
      if (waiting.length > 0) print(momentsText(waiting));
      waiting = [];
    },
  };
  // Told when the driver's turn is over: to put it into words takes longer than what is told of.
  const stop = recordRings(source, (moment) => {
    if (waiting.push(moment) === 1) scheduler.soon(tell);
  });
  print(momentsText([]));
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
  stop();
  tell.run();
  return success("");
}

/**
 * Hears of what passes where a socket leads; `who` is there, in words. The returned function ends it: all that has
 * passed until then was heard when it is through. Both reject with ToolstackError when that process does not answer.
 */
export async function followThere(socket: Socket, who: string, heard: HearMoment): Promise<() => Promise<void>> {
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const request = { words: [FOLLOW], directory: "/", program: "pvscsi" } as const;
  const told = runThere(socket, who, request, (piece) => {
    for (const moment of parseMoments(piece)) heard(moment);
    begin();
  });
  const refused = told.then(({ errors }) => {
    throw new ToolstackError("FAIL", `${who} tells nothing of its rings: ${errors}`);
  });
  await Promise.race([begun, refused]);
  return async () => {
    socket.end();
    await told;
  };
}

// Knows how a simulated world is stepped while promises are under way in it.

import type { Simulation } from "@pvscsi/wire";

/** No story needs as many steps; one that does hangs. */
const MOST_STEPS = 5_000_000;
/** Turns of the microtasks that the longest chain of promises may need. */
const SETTLING_TURNS = 100;

/**
 * Steps the world until `story` has ended. Time only moves on when no promise has queued anything for a while: a clock
 * that jumped in between would make every promise late.
 */
export async function drive<Result>(world: Simulation, story: Promise<Result>): Promise<Result> {
  let ended = false;
  const end = story.finally(() => {
    ended = true;
  });
  end.catch(() => {});
  for (let steps = 0; !ended; steps++) {
    if (steps > MOST_STEPS) throw new Error(`not done after ${steps} steps`);
    for (let turn = 0; turn < SETTLING_TURNS && !ended && !world.busy; turn++) await null;
    if (!ended && !world.step()) throw new Error("nothing is left to run, and the story has not ended");
    await null;
  }
  return end;
}

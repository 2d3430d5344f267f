// Knows how to run one history after the other, each from a seed, so that one that fails can be run again alone.

import { type Random, seededRandom } from "@pvscsi/wire";

const FIRST = Number(process.env.FUZZ_SEED ?? 1);

/**
 * Runs `run` with `count` seeds, or with as many as FUZZ_HISTORIES says; an error says which seed it was. False where
 * there were fewer than `count`, as when one is run again: what has to happen now and then need not happen there.
 */
export async function histories(
  name: string,
  count: number,
  run: (random: Random) => void | Promise<void>,
): Promise<boolean> {
  const wanted = Number(process.env.FUZZ_HISTORIES ?? count);
  for (let seed = FIRST; seed < FIRST + wanted; seed++) {
    try {
      await run(seededRandom(seed, name));
    } catch (cause) {
      throw new Error(`${cause}\n(again: FUZZ_SEED=${seed} FUZZ_HISTORIES=1)`, { cause });
    }
  }
  return wanted >= count;
}

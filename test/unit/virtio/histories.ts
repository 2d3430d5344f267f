// Knows how to run one history after the other, each from a seed, so that one that fails can be run again alone.

import { type Random, seededRandom } from "@pvscsi/wire";

const FIRST = Number(process.env.FUZZ_SEED ?? 1);

/** Runs `run` with `count` seeds, or with as many as FUZZ_HISTORIES says; an error says which seed it was. */
export async function histories(
  name: string,
  count: number,
  run: (random: Random) => void | Promise<void>,
): Promise<void> {
  const end = FIRST + Number(process.env.FUZZ_HISTORIES ?? count);
  for (let seed = FIRST; seed < end; seed++) {
    try {
      await run(seededRandom(seed, name));
    } catch (cause) {
      throw new Error(`${cause}\n(again: FUZZ_SEED=${seed} FUZZ_HISTORIES=1)`, { cause });
    }
  }
}

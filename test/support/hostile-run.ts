// Knows the command line of programs that play hostile histories: `--seed N [--count N] [--STEPS N]`, a line for each history, with time
// and memory at the end.

import { parseArgs } from "node:util";
import { collectGarbage } from "./allocation.js";

/** What a history is made of: the option's name, how people write it, and how many where it is not said. */
export interface Steps {
  readonly option: string;
  readonly title: string;
  readonly many: number;
}

/** Plays histories one after the other and sets the exit status: 1 when one has failed. */
export async function runHostile(steps: Steps, play: (seed: number, many: number) => Promise<unknown>): Promise<void> {
  const { seed, count, many } = wordsOf(steps);
  let wrong = 0;
  let early = "";
  const begin = performance.now();
  for (let each = seed; each < seed + count; each++) {
    try {
      console.log(JSON.stringify(await play(each, many)));
    } catch (error) {
      wrong += 1;
      console.log((error as Error).stack);
    }
    if (each === seed + Math.floor(count / 10)) early = memory();
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(`${count - wrong} of ${count} histories of ${many} ${steps.title} held, ${seconds} s`);
  console.log(`MiB of heap/external/resident: ${early} after a tenth, ${memory()} in the end`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

function wordsOf({ option, many }: Steps): { readonly seed: number; readonly count: number; readonly many: number } {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({ options: { seed: text("1"), count: text("1"), [option]: text(String(many)) } });
  return { seed: Number(values.seed), count: Number(values.count), many: Number(values[option]) };
}

function memory(): string {
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return [heapUsed, external, rss].map((bytes) => (bytes / 2 ** 20).toFixed(1)).join("/");
}

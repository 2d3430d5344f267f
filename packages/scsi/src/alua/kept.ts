// Knows how the states of target port groups are written down so that they outlive a loss of power, and read back from whatever
// stands there. Knows no file.

import { KeptText, writeKeptText } from "../kept-text.js";
import { type AccessState, ALL_STATES } from "./states.js";

/** What is kept of a group. */
export interface KeptState {
  readonly state: AccessState;
  /** StateCause. */
  readonly cause: number;
}

const TITLE = "pvscsi target port groups, version 1";

/** The text of groups' states by the groups' numbers. `unit` is whose they are. */
export function writeStates(states: ReadonlyMap<number, KeptState>, unit: string): string {
  const lines = [...states].map(([id, { state, cause }]) => `group ${id} state ${state} cause ${cause}`);
  return writeKeptText(TITLE, [`unit ${unit}`, ...lines]);
}

/** Reads what `writeStates` wrote for the same unit. Throws `StoreError` for everything else, with the line. */
export function readStates(text: string, unit: string): ReadonlyMap<number, KeptState> {
  const kept = new KeptText(text, TITLE);
  kept.checkUnit(unit);
  const last = kept.end(2);
  const states = new Map<number, KeptState>();
  for (let index = 2; index < last; index++) {
    const [id, state] =
      stateOf(kept.lines[index]) ?? kept.fail(index, `"group", its number, "state", a word, "cause" and 0 to 2`);
    if (states.has(id)) kept.fail(index, "each group once");
    states.set(id, state);
  }
  return states;
}

function stateOf(line: string): readonly [number, KeptState] | undefined {
  const [, id, word, cause] = /^group (\d{1,5}) state ([a-z-]+) cause ([012])$/.exec(line) ?? [];
  const state = ALL_STATES.find((name) => name === word);
  return state === undefined || Number(id) > 0xffff ? undefined : [Number(id), { state, cause: Number(cause) }];
}

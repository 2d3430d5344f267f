// Knows how a dom0 is ended whose domains are gone, and that nothing may be left of them in it.

import { expect } from "chai";
import type { Child } from "./children.js";

/** Types a verb at that dom0 and gives what it prints. */
export type TypeVerb = (name: string, ...words: readonly string[]) => Promise<string>;

/** Ends it; rejects when `names` are still in xenstore, anything is open in dom0, or it fails. */
export async function endEmptied(dom0: Child, verb: TypeVerb, names: RegExp): Promise<string> {
  expect(await verb("xenstore", "ls")).to.not.match(names);
  expect(JSON.parse(await verb("lsevtchn", "0", "--json"))).to.deep.equal([]);
  expect(JSON.parse(await verb("lsgrants", "0", "--json"))).to.deep.equal({ grants: [], mappings: [] });
  await dom0.end();
  const { status, errors } = await dom0.finished;
  expect(`${status}${errors}`, "dom0's end").to.equal("0");
  return "no node, port, grant or mapping; status 0";
}

// Knows how where the records of a partition are is kept as text, a line for each run. What cannot be read is found anew in the bytes.

import { KeptText, writeKeptText } from "../kept-text.js";
import { StoreError } from "../store.js";
import { LONGEST_RECORD, Records, strideOf } from "./records.js";

const TITLE = "pvscsi tape index 1";
/** Lines of the longest text: what has more runs is looked through faster than read. */
const MOST_RUNS = 20_000;

/** Null where it would be too long. */
export function writeIndex(records: Records): string | null {
  const { runs, end } = records;
  if (runs.length > MOST_RUNS) return null;
  const lines = runs.map(({ offset, size, count, bad }) => `${offset} ${size} ${count}${bad ? " bad" : ""}`);
  return writeKeptText(TITLE, [`end ${end}`, ...lines]);
}

/** The records of a partition of which so many bytes are there; null where the text is not of them. */
export function readIndex(text: string, written: number): Records | null {
  try {
    const kept = new KeptText(text, TITLE);
    const last = kept.end(2);
    if (kept.lines[1] !== `end ${written}`) return null;
    const records = new Records();
    for (const line of kept.lines.slice(2, last)) if (!appendRun(records, line)) return null;
    if (records.end > written) return null;
    records.gap(written - records.end);
    return records;
  } catch (error) {
    if (error instanceof StoreError) return null;
    throw error;
  }
}

/** False for a line that is none, or is not behind the one before. */
function appendRun(records: Records, line: string): boolean {
  const found = /^(\d{1,15}) (\d{1,8}) ([1-9]\d{0,14})( bad)?$/.exec(line);
  if (found === null) return false;
  const [offset, size, count] = found.slice(1, 4).map(Number);
  if (offset < records.end || size > LONGEST_RECORD || !Number.isSafeInteger(offset + count * strideOf(size)))
    return false;
  records.gap(offset - records.end);
  records.append(size, count, found[4] !== undefined);
  return true;
}

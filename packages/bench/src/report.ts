// Knows how a comparison is printed.

import { type Column, formatColumns } from "@pvscsi/wire";
import type { Ratio, Row } from "./comparison.js";

const COLUMNS: readonly Column<Row>[] = [
  { title: "workload", text: (row) => row.workload },
  { title: "transport", text: (row) => row.contender },
  { title: "IOPS", align: "right", text: (row) => Math.round(row.perSecond).toString() },
  { title: "MB/s", align: "right", text: (row) => Math.round(row.megabytesPerSecond).toString() },
  { title: "p50 us", align: "right", text: (row) => row.medianMicroseconds.toFixed(1) },
  { title: "p99 us", align: "right", text: (row) => row.p99Microseconds.toFixed(1) },
  { title: "CPU us/IO", align: "right", text: (row) => row.processorMicroseconds.toFixed(2) },
  { title: "notify/IO", align: "right", text: (row) => countText(row.notifications, 2) },
  { title: "grants/IO", align: "right", text: (row) => countText(row.grantOperations, 1) },
  { title: "copied/IO", align: "right", text: (row) => countText(row.copiedBytes, 0) },
  { title: "ratio to bare copy (min..max)", align: "right", text: ({ ratio }) => ratioText(ratio) },
];
/** Only where a row has something in it. */
const OWN_BOUND: Column<Row> = {
  title: "ratio to own bound",
  align: "right",
  text: ({ ownBound }) => (ownBound === undefined ? "" : `${ratioText(ownBound.ratio)} of ${ownBound.contender}`),
};

/** `-` for what a transport does not have. */
function countText(count: number | null, digits: number): string {
  return count === null ? "-" : count.toFixed(digits);
}

function ratioText(ratio: Ratio): string {
  return `${ratio.median.toFixed(3)} (${ratio.least.toFixed(3)}..${ratio.most.toFixed(3)})`;
}

/** A header line and a line for each row, in columns. */
export function formatComparison(rows: readonly Row[]): string {
  const bounded = rows.some(({ ownBound }) => ownBound !== undefined);
  return formatColumns(bounded ? [...COLUMNS, OWN_BOUND] : COLUMNS, rows);
}

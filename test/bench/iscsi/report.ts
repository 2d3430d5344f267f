// Knows how the comparison of iSCSI servers is printed: a row for each workload, theirs beside ours.

import { type Column, formatColumns } from "@pvscsi/wire";
import type { Row, Spread, Summary } from "./comparison.js";

const COLUMNS: readonly Column<Row>[] = [
  { title: "row", text: ({ workload }) => workload },
  ...columnsOf("tgt", ({ theirs }) => theirs),
  ...columnsOf("pvscsi", ({ ours }) => ours),
  right("IOPS ratio (min..max)", ({ perSecondRatio }) => ratio(perSecondRatio)),
  right("CPU ratio (min..max)", ({ processorRatio }) => ratio(processorRatio)),
  right("load", ({ load }) => load.toFixed(1)),
];

function columnsOf(server: string, of: (row: Row) => Summary): Column<Row>[] {
  return [
    right(`${server} IOPS`, (row) => of(row).perSecond.median.toFixed(0)),
    right("us", (row) => of(row).microseconds.median.toFixed(0)),
    right("CPU us/IO (user+system)", (row) => processor(of(row))),
  ];
}

function processor({ processor, user, system }: Summary): string {
  return `${processor.median.toFixed(1)} (${user.median.toFixed(1)}+${system.median.toFixed(1)})`;
}

function right(title: string, text: (row: Row) => string): Column<Row> {
  return { title, align: "right", text };
}

function ratio({ least, median, most }: Spread): string {
  return `${median.toFixed(2)} (${least.toFixed(2)}..${most.toFixed(2)})`;
}

/** A line of titles and a line for each row. */
export function formatRows(rows: readonly Row[]): string {
  return formatColumns(COLUMNS, rows);
}

// Knows how a comparison is printed.

import type { Row } from "./comparison.js";

interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  readonly text: (row: Row) => string;
}

const COLUMNS: readonly Column[] = [
  { title: "workload", align: "left", text: (row) => row.workload },
  { title: "transport", align: "left", text: (row) => row.contender },
  { title: "IOPS", align: "right", text: (row) => Math.round(row.perSecond).toString() },
  { title: "MB/s", align: "right", text: (row) => Math.round(row.megabytesPerSecond).toString() },
  { title: "p50 us", align: "right", text: (row) => row.medianMicroseconds.toFixed(1) },
  { title: "p99 us", align: "right", text: (row) => row.p99Microseconds.toFixed(1) },
  { title: "CPU us/IO", align: "right", text: (row) => row.processorMicroseconds.toFixed(2) },
  { title: "ratio to bare copy (min..max)", align: "right", text: ratioText },
];

function ratioText({ ratio }: Row): string {
  return `${ratio.median.toFixed(3)} (${ratio.least.toFixed(3)}..${ratio.most.toFixed(3)})`;
}

/** A header line and a line for each row, in columns. */
export function formatComparison(rows: readonly Row[]): string {
  const widths = COLUMNS.map(({ title, text }) => Math.max(title.length, ...rows.map((row) => text(row).length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) =>
        COLUMNS[index].align === "left" ? cell.padEnd(widths[index]) : cell.padStart(widths[index]),
      )
      .join("  ")
      .trimEnd();
  return [
    line(COLUMNS.map(({ title }) => title)),
    ...rows.map((row) => line(COLUMNS.map(({ text }) => text(row)))),
  ].join("\n");
}

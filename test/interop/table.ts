// Knows how rows are shown to a person.

import type { Row } from "./suite.js";

const HEAD = ["suite", "check", "result", "figure", "seconds"];
/** Characters of the widest column. */
const WIDEST = 100;

function cells(row: Row): string[] {
  const figure = row.figure.replace(/\s+/g, " ").slice(0, WIDEST);
  return [row.suite, row.check, row.passed ? "passed" : "FAILED", figure, row.seconds.toFixed(1)];
}

/** Lines of a table with its columns below each other; seconds stand to the right. */
export function tableOf(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const text = (line: readonly string[]) =>
    line.map((cell, column) => (column === 4 ? cell.padStart(widths[4]) : cell.padEnd(widths[column]))).join("  ");
  return lines.map(text).join("\n");
}

/** A row while the suite runs. */
export function progressOf(row: Row): string {
  const [suite, check, result, , seconds] = cells(row);
  return `${suite}: ${check}: ${result} (${seconds} s)${row.passed ? "" : `: ${row.figure}`}`;
}

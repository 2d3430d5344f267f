// Knows how rows are shown to a person.

import { type Column, formatColumns } from "@pvscsi/wire";
import type { Row } from "./suite.js";

/** Characters of the widest column. */
const WIDEST = 100;

const COLUMNS: readonly Column<Row>[] = [
  { title: "suite", text: ({ suite }) => suite },
  { title: "check", text: ({ check }) => check },
  { title: "result", text: resultOf },
  { title: "figure", text: ({ figure }) => figure.replace(/\s+/g, " ").slice(0, WIDEST) },
  { title: "seconds", align: "right", text: secondsOf },
];

function resultOf({ passed }: Row): string {
  return passed ? "passed" : "FAILED";
}

function secondsOf({ seconds }: Row): string {
  return seconds.toFixed(1);
}

/** Lines of a table with its columns below each other; seconds stand to the right. */
export function tableOf(rows: readonly Row[]): string {
  return formatColumns(COLUMNS, rows);
}

/** A row while the suite runs. */
export function progressOf(row: Row): string {
  const { suite, check, passed, figure } = row;
  return `${suite}: ${check}: ${resultOf(row)} (${secondsOf(row)} s)${passed ? "" : `: ${figure}`}`;
}

// Knows how rows are shown to a person in columns, from a table of columns. Knows no row.

export interface Column<Row> {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Least width in characters; a column grows with what is in it. */
  readonly width?: number;
  readonly text: (row: Row) => string;
}

/** A line of titles and a line for each row, columns below each other with `gap` between them. */
export function formatColumns<Row>(columns: readonly Column<Row>[], rows: readonly Row[], gap = "  "): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ text }) => text(row)))];
  const widths = columns.map(({ width = 0 }, index) => Math.max(width, ...lines.map((line) => line[index].length)));
  const pad = (cell: string, index: number): string =>
    columns[index].align === "right" ? cell.padStart(widths[index]) : cell.padEnd(widths[index]);
  return lines.map((line) => line.map(pad).join(gap).trimEnd()).join("\n");
}

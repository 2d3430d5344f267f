// Rows in columns, byte for byte.

import { type Column, formatColumns } from "@pvscsi/wire";
import { expect } from "chai";

const COLUMNS: readonly Column<{ name: string; count: number }>[] = [
  { title: "name", width: 6, text: ({ name }) => name },
  { title: "n", align: "right", text: ({ count }) => String(count) },
  { title: "last", text: ({ name }) => name.slice(0, 1) },
];

describe("formatColumns", () => {
  it("makes each column as wide as its title, its least width or what is in it, without blanks at the end", () => {
    const rows = [
      { name: "a", count: 5 },
      { name: "longer than 6", count: 1000 },
    ];
    expect(formatColumns(COLUMNS, rows)).to.equal(
      ["name              n  last", "a                 5  a", "longer than 6  1000  l"].join("\n"),
    );
  });

  it("shows the titles of no rows, with the gap that is asked for", () => {
    expect(formatColumns(COLUMNS, [], " ")).to.equal("name   n last");
  });
});

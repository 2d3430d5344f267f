// docs/COMPARISON.md: every cell names what stands behind it, and every test it names is there.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";

const lines = readFileSync(join(repositoryRoot, "docs", "COMPARISON.md"), "utf8").split("\n");

/** Marks in square brackets; an address such as `[0:0:1:0]` is code. */
function marksOf(cell: string): string[] {
  return [...cell.replaceAll(/`[^`]*`/g, "").matchAll(/\[([\w-]+)\]/g)].map(([, mark]) => mark);
}

/** The cells of each row behind its head, which is the first. */
const rows = lines
  .filter((line) => line.startsWith("| ") && !line.startsWith("| |"))
  .map((line) => line.split("|").slice(1, -1))
  .map(([head, ...cells]) => ({ head: head.trim(), cells }));

const behind = lines.flatMap((line) => {
  const found = /^- \*\*([\w-]+)\*\*: (.+)$/.exec(line);
  return found === null ? [] : [{ mark: found[1], words: found[2] }];
});

const ABSENT = /^(none|there is none|waits)\b/;

const tests = behind.flatMap(({ mark, words }) => {
  const found = /^\[(test\/[\w/.-]+)\]\(\.\.\/\1\) "(.+)"$/.exec(words);
  return found === null ? [] : [{ mark, file: found[1], title: found[2] }];
});

describe("the comparison of five ways to give a guest a disk", () => {
  it("has a row for each thing compared, with a cell for each way", () => {
    expect(rows.length).to.be.at.least(15);
    for (const { head, cells } of rows) expect(cells, head).to.have.length(5);
  });

  it("has something behind every cell, and a place for everything", () => {
    const known = behind.map(({ mark }) => mark);
    expect(new Set(known).size, "each mark once").to.equal(known.length);
    for (const { head, cells } of rows) {
      for (const cell of cells) {
        const marks = marksOf(cell);
        expect(marks, `${head}: ${cell}`).to.not.deep.equal([]);
        for (const mark of marks) expect(known, `${head}: ${cell}`).to.include(mark);
      }
    }
    const used = new Set(rows.flatMap(({ cells }) => cells.flatMap(marksOf)));
    expect(known.filter((mark) => !used.has(mark))).to.deep.equal([]);
  });

  it("has a test behind every cell of what is served here", () => {
    const tested = new Set(tests.map(({ mark }) => mark));
    for (const { head, cells } of rows) {
      // Of virtio-blk a part of what is said is that something is not there.
      const blk = ABSENT.test(cells[0].trim()) ? [] : [cells[0]];
      for (const cell of [...blk, cells[1], cells[3]]) {
        expect(
          marksOf(cell).some((mark) => tested.has(mark)),
          `${head}: ${cell}`,
        ).to.equal(true);
      }
    }
  });

  for (const { mark, file, title } of tests) {
    it(`names a test that is there: ${mark}`, () => {
      const path = join(repositoryRoot, file);
      expect(existsSync(path), file).to.equal(true);
      const source = readFileSync(path, "utf8");
      expect(source.includes(`it("${title}"`) || source.includes(`it(\`${title}\``), `${file}: ${title}`).to.equal(
        true,
      );
    });
  }
});

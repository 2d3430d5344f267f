// Knows how tables in documents name tests: behind the path of a test file, each text in quotes is a title in it, in which `...`
// stands for anything. A bare name is of the folder that was named last in its row. Rows go on from what their table's head names.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Of each line of a document, what it names that does not exist. */
export function testFaults(root, lines) {
  let head = null;
  return lines.map((line) => {
    if (!line.startsWith("|")) {
      head = null;
      return [];
    }
    const row = { folder: "", file: null, ...head, faults: [] };
    readRow(root, row, line);
    head ??= { folder: row.folder, file: row.file };
    return row.faults;
  });
}

function readRow(root, row, line) {
  for (const [, span, title] of line.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (span !== undefined) enter(root, row, span);
    else if (row.file !== null && !titlesIn(root, row.file).some((each) => matches(title, each))) {
      row.faults.push(`no test "${title}" in ${row.file}`);
    }
  }
}

/** Goes on to the test file, or the folder of tests, that a code span names; most name neither. */
function enter(root, row, span) {
  if (/^test\/[\w/-]+$/.test(span)) row.folder = span;
  const file = span.includes("/") ? span : join(row.folder, span);
  if (!/^test\/[\w/.-]+\.ts$/.test(file)) return;
  Object.assign(row, { folder: dirname(file), file });
  if (!existsSync(join(root, file))) row.faults.push(`no file ${file}`);
}

/** Titles without quotes, and with a NUL for each expression in them. */
function titlesIn(root, file) {
  const path = join(root, file);
  if (!existsSync(path)) return [];
  const calls = /\b(?:it|describe|onEachPlatform)\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1/g;
  return [...readFileSync(path, "utf8").matchAll(calls)].map(([, , title]) =>
    title.replace(/\$\{[^}]*\}/g, "\0").replace(/"/g, ""),
  );
}

function matches(named, title) {
  const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${named.split("...").map(literally).join(".*")}$`, "s").test(title);
}

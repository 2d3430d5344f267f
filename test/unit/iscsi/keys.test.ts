// The table of keys is what the README says, row by row.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KEYS, type KeyRow } from "@pvscsi/iscsi";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";

const README = readFileSync(join(repositoryRoot, "packages", "iscsi", "README.md"), "utf8");
const WORDS: { readonly [rule in KeyRow["rule"]]: string } = {
  list: "first that both have",
  or: "Yes where one says so",
  and: "Yes where both do",
  minimum: "the lower",
  maximum: "the higher",
  declared: "each its own",
};

function text(value: KeyRow["default"]): string {
  return typeof value === "boolean" ? (value ? "Yes" : "No") : String(value);
}

function rowOf(key: string, { rule, default: unsaid, ours, low, high, normal, later }: KeyRow): string {
  const limits = low === undefined ? "" : `${low} to ${high}`;
  const where = [normal ? "normal sessions" : "", later ? "again later" : ""].filter((word) => word !== "").join(", ");
  return `| ${key} | ${WORDS[rule]} | ${text(unsaid)} | ${text(ours)} | ${limits} | ${where} |`;
}

describe("the keys of an iSCSI session", () => {
  for (const [key, row] of Object.entries(KEYS)) {
    it(`are in the README: ${key}`, () => {
      expect(README).to.include(`${rowOf(key, row)}\n`);
    });
  }

  it("are all that the README has", () => {
    const rows = README.split("\n").filter((line) =>
      Object.values(WORDS).some((words) => line.includes(`| ${words} |`)),
    );
    expect(rows.length).to.equal(Object.keys(KEYS).length);
  });
});

// JSON with positions: the same values as the platform's own parser, the same texts refused, and where each thing is.

import { ConfigError, type Json, type JsonValue, parseJsonTree, plainJson, printJson } from "@pvscsi/config";
import { expect } from "chai";
import fc from "fast-check";
import { bare, faultOf } from "./support.js";

const fault = (text: string): string => faultOf(() => parseJsonTree(text, "x.json"));
const read = (text: string): Json => plainJson(parseJsonTree(text, "x.json"));

/** Values that JSON can hold; -0 is read as 0. */
const values = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as Json);

describe("a JSON text", () => {
  it("is read as the platform's parser reads it, however it is set", () => {
    fc.assert(
      fc.property(values, fc.constantFrom("", "  ", "\t"), (value, blanks) => {
        expect(read(` \r\n${JSON.stringify(value, null, blanks)}\n`)).to.deep.equal(value);
      }),
      { seed: 51, numRuns: 300 },
    );
  });

  it("is printed so that it reads as an equal one, in the shape of Python's sorted dump", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(read(printJson(value))).to.deep.equal(value);
      }),
      { seed: 52, numRuns: 300 },
    );
    const expected = '{\n  "A": {},\n  "b": [\n    1,\n    [],\n    {\n      "c": null\n    }\n  ]\n}\n';
    expect(printJson({ b: [1, [], { c: null }], A: {} })).to.equal(expected);
  });

  it("keeps integers that a number cannot hold, and a name that means something to JavaScript", () => {
    const text = '{\n  "__proto__": 18446744073709551615,\n  "b": -9007199254740993\n}\n';
    expect(printJson(read(text))).to.equal(text);
  });

  it("is taken and refused as by the platform's parser", () => {
    const pieces = ["{", "}", "[", "]", ":", ",", '"a"', '"b"', "1", "-0.5e+3", "01", "true", "nul", " ", "\n", "'a'"];
    const more = ["//", "\\", '"\\u00e9"', '"\\x"', "\u0000", "\ufeff", "NaN", "+1", "1.", ".5", '"'];
    const texts = fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 8 }).map((list) => list.join(""));
    const damaged = fc.tuple(values, fc.nat(), fc.string({ maxLength: 2 })).map(([value, where, text]) => {
      const whole = JSON.stringify(value, null, 1);
      const at = where % (whole.length + 1);
      return whole.slice(0, at) + text + whole.slice(at + 1);
    });
    fc.assert(
      fc.property(fc.oneof(texts, damaged, fc.string()), (text) => {
        const theirs = bare(() => JSON.parse(text));
        const ours = bare(() => parseJsonTree(text, "x.json"));
        // Python and JavaScript take a name twice, and make an infinity of a number that is too large.
        if (ours instanceof ConfigError && / is given twice|'-?\d[\d.]*e\+?\d{3,}'/i.test(ours.message)) return;
        expect(ours === null, JSON.stringify(text)).to.equal(theirs === null);
        expect(ours).to.satisfy((error: unknown) => error === null || error instanceof ConfigError);
      }),
      { seed: 53, numRuns: 3000 },
    );
  });

  it("has a place for every value and name", () => {
    const places: string[] = [];
    const visit = (value: JsonValue): void => {
      places.push(`${value.kind} ${value.at.line}:${value.at.column}`);
      if (value.kind === "array") value.values.forEach(visit);
      if (value.kind !== "object") return;
      for (const [name, { at, value: inner }] of value.entries) {
        places.push(`${name} ${at.line}:${at.column}`);
        visit(inner);
      }
    };
    visit(parseJsonTree('{\n\t"a": [1,\r\n  "\\n" ],"b"\n: {} }', "x.json"));
    expect(places).to.deep.equal(["object 1:1", "a 2:2", "array 2:7", "atom 2:8", "atom 3:3", "b 3:10", "object 4:3"]);
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["", "x.json:1:1: unexpected the end of the file, expected a value: an object, an array,"],
    ["{", "x.json:1:2: unexpected the end of the file, expected a name in double quotes"],
    ['{"a" 1}', "x.json:1:6: unexpected '1', expected ':' after 'a'"],
    ['{\n "a": 1\n "b": 2 }', "x.json:3:2: unexpected '\"', expected ',' or '}' in the object that begins at 1:1"],
    ["[1,\n]", "x.json:2:1: unexpected ']', expected a value"],
    ["[1", "x.json:1:3: unexpected the end of the file, expected ',' or ']' in the array that begins at 1:1"],
    ["{a: 1}", "x.json:1:2: unexpected 'a', expected a name in double quotes"],
    ["[True]", "x.json:1:2: unexpected 'True', expected a value"],
    ["[1e999]", "x.json:1:2: unexpected '1e999', expected a value"],
    ["{} {}", "x.json:1:4: unexpected '{', expected the end of the file"],
    ['["a\n"]', "x.json:1:2: a string without its closing '\"', or with a control character in it"],
    ['["a', "x.json:1:2: a string without its closing '\"', or with a control character in it"],
    ['[ "\\x41" ]', "x.json:1:3: a string with a wrong escape, expected "],
    ['{ "a": 1,\n "\\u0061": 2 }', "x.json:2:2: 'a' is given twice, first at 1:3"],
  ];
  for (const [text, message] of wrong) {
    it(`is refused as ${JSON.stringify(text)}`, () =>
      expect(fault(text)).to.satisfy((m: string) => m.startsWith(message)));
  }

  it("is refused when it is nested without end, or too long", () => {
    for (const text of ["[", '{"a":', '[{"a":']) {
      expect(fault(text.repeat(100_000)), text).to.match(/^x\.json:1:\d+: nested more than 32 deep$/);
    }
    expect(bare(() => parseJsonTree("[".repeat(32) + "]".repeat(32), "x.json"))).to.equal(null);
    expect(fault(" ".repeat(64 * 1024 * 1024 + 1))).to.contain("the file has more than 67108864 characters");
  });

  it("of a million characters in one string is read without recursion", () => {
    expect(read(`"${"x".repeat(1_000_000)}"`)).to.have.length(1_000_000);
  });
});

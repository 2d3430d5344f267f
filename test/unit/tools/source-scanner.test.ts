// The scanner that tells code from text, on the places where such scanners go wrong.

import { expect } from "chai";
import { importTool } from "../../support/tool.js";

interface Scanner {
  scan(text: string): { code: string; strings: { at: number; value: string }[] };
}

const { scan } = await importTool<Scanner>("source-scanner.mjs");

/** The code with its blanks taken together. */
const codeOf = (text: string) => scan(text).code.replace(/ +/g, " ").trim();

describe("the source scanner", () => {
  const rows: [string, string, string][] = [
    ["line comments", "a // Buffer 'x'\nb", "a \nb"],
    ["block comments over lines", 'a /* Buffer\n" */ b', "a \n b"],
    ["a comment in a string", `a("// x") b`, `a(" ") b`],
    ["both quotes", `'it"s' + "it's"`, `' ' + " "`],
    ["an escaped quote", `"a\\"b" c`, `" " c`],
    ["a backslash at the end of a string", `"\\\\" + c`, `" " + c`],
    ["a template", "`Buffer \\` 'x` c", "` ` c"],
    ["code in a template", `\`a \${b + \`c \${d}\` } e\` f`, "` {b + ` {d}` } ` f"],
    ["an object in a template", `\`\${f({ a: { b: 1 } })} x\` c`, "` {f({ a: { b: 1 } })} ` c"],
    ["a dollar in a template", "`$ $x {y}` c", "` ` c"],
    ["a regular expression with a quote", `x = /["'/]+\\//g; y`, "x = / g; y"],
    ["a regular expression after a word", "return /'/.test(a)", "return / /.test(a)"],
    ["division", `a / b + c["x"] / d / (e) / 2 + 'f'`, `a / b + c[" "] / d / (e) / 2 + ' '`],
    ["division after a template", "`a` / 'b'", "` ` / ' '"],
  ];
  for (const [what, text, code] of rows) {
    it(`reads ${what}`, () => {
      expect(codeOf(text)).to.equal(code);
    });
  }

  it("keeps every place and line, and finds the strings", () => {
    const text = "a /* 1\n2 */ + '😀b' // c\nd(\"e\")";
    const { code, strings } = scan(text);
    expect(code).to.have.length(text.length);
    expect(code.split("\n")).to.have.length(3);
    expect(strings.map(({ value }) => value)).to.deep.equal(["😀b", "e"]);
    for (const { at, value } of strings) expect(text.slice(at + 1, at + 1 + value.length)).to.equal(value);
  });

  for (const text of ["a\n'b", "a\n`b", "a\n/* b", "a\n`b ${c"]) {
    it(`refuses text that ends inside something: ${JSON.stringify(text)}`, () => {
      expect(() => scan(text)).to.throw("without an end");
    });
  }
});
